"""What the landing page says of a snapshot: a line for each provider, and one for each source."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from finops_exporter.model import utc_midnight
from finops_exporter.web.views import ProviderLine, SourceLine

if TYPE_CHECKING:
    from datetime import datetime

    from finops_exporter.exposition.snapshot import Snapshot


def provider_lines(snapshot: Snapshot | None, now: datetime) -> list[ProviderLine]:
    """Through which day the numbers of each provider hold, as seen at `now` (aware UTC)."""
    return [
        ProviderLine(
            time.provider,
            f"{time.month:%Y-%m}",
            time.newest_complete.isoformat(),
            _age(now - utc_midnight(time.newest_complete) - timedelta(days=1)),
        )
        for time in (snapshot.times if snapshot else ())
    ]


def source_lines(snapshot: Snapshot | None) -> list[SourceLine]:
    """How the newest run of each source ended."""
    return [
        SourceLine(
            state.source,
            state.outcome,
            f"{state.started_at:%Y-%m-%d %H:%M}",
            f"{state.last_success:%Y-%m-%d %H:%M}" if state.last_success else "never",
            state.error or "",
        )
        for state in (snapshot.sources if snapshot else ())
    ]


def _age(age: timedelta) -> str:
    if age >= timedelta(days=2):
        return f"{age.days} days ago"
    return f"{max(0, round(age.total_seconds() / 3600))} hours ago"
