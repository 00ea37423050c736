"""How each source stands, for people: what it said last, how old that is, when it runs again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from finops_exporter.analysis.billing_time import newest_complete_day
from finops_exporter.analysis.due import due_at
from finops_exporter.model import money_text, utc_midnight
from finops_exporter.store import runs, spending
from finops_exporter.store.reads import snapshot_reader

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    from finops_exporter.store.database import Connection, Database


@dataclass(frozen=True, slots=True)
class Planned:
    """What the configuration says of a source: see kernel.Source."""

    interval: timedelta
    lag: timedelta


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A source as it stands at one moment; all instants are aware UTC, days are UTC days.

    `newest_day` is the newest complete day; `age` the time since its end. `asked_today_usd` is what
    asking remote APIs has cost today. `error` is that of the newest run. A source that is
    configured no more has no next run.
    """

    source: str
    is_configured: bool
    last_run: datetime | None
    outcome: str
    newest_day: date | None
    age: timedelta | None
    asked_today_usd: Decimal
    next_run: datetime | None
    error: str | None


def source_lines(
    database: Database, configured: Mapping[str, Planned], now: datetime
) -> list[SourceLine]:
    """A line for each configured source, in their order, then for each that was removed."""
    with snapshot_reader(database) as reader:
        states = {state.source: state for state in reader.source_states()}
        covered: dict[str, datetime] = {}
        for source, _provider, reaches in reader.coverage():
            covered[source] = max(reaches, covered.get(source, reaches))
    found = []
    with database.connection() as connection:
        for name in [*configured, *sorted((states.keys() | covered.keys()) - configured.keys())]:
            plan, state, until = configured.get(name), states.get(name), covered.get(name)
            lag = plan.lag if plan else timedelta()
            day = newest_complete_day(until, now, lag) if until is not None else None
            found.append(
                SourceLine(
                    name,
                    plan is not None,
                    state.started_at if state else None,
                    state.outcome if state else "never",
                    day,
                    now - utc_midnight(day) - timedelta(days=1) if day is not None else None,
                    spending.spent(connection, name, now.date()),
                    _next_run(connection, name, plan, now),
                    state.error if state else None,
                )
            )
    return found


def _next_run(
    connection: Connection, name: str, plan: Planned | None, now: datetime
) -> datetime | None:
    if plan is None:
        return None
    return max(now, due_at(runs.last_run(connection, name), plan.interval, now))


def as_json(lines: Sequence[SourceLine]) -> str:
    """The lines as JSON: instants as RFC 3339 in UTC, ages in seconds, amounts as exact text."""
    return json.dumps({"sources": [_plain(line) for line in lines]}, indent=2)


def _plain(line: SourceLine) -> dict[str, object]:
    return {
        **asdict(line),
        "last_run": line.last_run and line.last_run.isoformat(timespec="seconds"),
        "newest_day": line.newest_day and line.newest_day.isoformat(),
        "age": None if line.age is None else round(line.age.total_seconds()),
        "asked_today_usd": money_text(line.asked_today_usd),
        "next_run": line.next_run and line.next_run.isoformat(timespec="seconds"),
    }
