"""What the kernel knows of each source: how its runs went, what asking has cost, what it lags."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from finops_exporter.store.spending import paying

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from finops_exporter.exposition.families import Families, Settings
    from finops_exporter.store.reads import SnapshotReader, SourceState
    from finops_exporter.store.spending import Spent

UNKNOWN = "unknown"
"""The provider of a source that has not yet said whose costs it gives."""


def add_sources(
    reader: SnapshotReader, families: Families, settings: Settings, now: datetime
) -> None:
    """Add the families of the kernel; a source that is configured no more is only named.

    `now` is an aware UTC datetime: its day is the one whose spending is told.
    """
    covered: dict[str, set[str]] = defaultdict(set)
    for source, provider, _until in reader.coverage():
        covered[source].add(provider)
    providers = {
        source: [settings.providers[source]]
        if source in settings.providers
        else sorted(covered[source]) or [UNKNOWN]
        for source in {*settings.lags, *covered}
    }
    _add_lags(families, settings, providers)
    _add_runs(reader.source_states(), families, settings, providers)
    _add_asked(reader, families, settings)
    configured = {source: providers[source] for source in settings.lags}
    _add_spending(paying(reader.connection, now.date()), families, configured)
    for source, reason, count in reader.rejected_rows():
        families.add("finops_rejected_rows", [source, reason], count)
    for source, reason, count in reader.notices():
        families.add("finops_collector_notices", [source, reason], count)


def _add_asked(reader: SnapshotReader, families: Families, settings: Settings) -> None:
    for api in reader.api_totals(settings.lags):
        labels = (api.provider, api.api)
        families.add("finops_cloud_api_requests_total", labels, api.requests)
        families.add("finops_cloud_api_retries_total", labels, api.retries)
        families.add("finops_cloud_api_estimated_cost_usd_total", labels, float(api.cost_usd))
        if api.cap_usd is not None:
            families.add("finops_cloud_api_budget_usd", labels, float(api.cap_usd))


def _add_spending(
    spent: Iterable[Spent], families: Families, providers: Mapping[str, Iterable[str]]
) -> None:
    for one in spent:
        # Sources that are configured no more ask no more.
        for provider in providers.get(one.source, ()):
            labels = (provider, one.source)
            families.add("finops_collector_spent_today_usd", labels, float(one.spent_usd))
            families.add("finops_collector_daily_cap_usd", labels, float(one.cap_usd))


def _add_lags(
    families: Families, settings: Settings, providers: Mapping[str, Iterable[str]]
) -> None:
    for source, named in providers.items():
        for provider in named:
            lag = settings.lags.get(source)
            if lag is None:
                families.add("finops_collector_removed", [provider, source], 1)
            else:
                families.add("finops_source_lag_seconds", [provider, source], lag.total_seconds())
            if interval := settings.intervals.get(source):
                key = [provider, source]
                families.add("finops_collector_interval_seconds", key, interval.total_seconds())


def _add_runs(
    states: Iterable[SourceState],
    families: Families,
    settings: Settings,
    providers: Mapping[str, Iterable[str]],
) -> None:
    for state in states:
        if state.source not in settings.lags:
            continue
        for provider in providers[state.source]:
            for name, number in _numbers(state).items():
                families.add(f"finops_collector_{name}", [provider, state.source], number)


def _numbers(state: SourceState) -> dict[str, float]:
    """What is known of the runs; before the first has ended there is no success and no failure."""
    found = {"last_attempt_timestamp_seconds": state.started_at.timestamp()}
    if state.last_success is not None:
        found["last_success_timestamp_seconds"] = state.last_success.timestamp()
    if state.ended is not None:
        found["success"] = float(state.ended.outcome in {"succeeded", "partial"})
        found["duration_seconds"] = state.ended.seconds
        found["rows"] = float(state.ended.rows)
    return found
