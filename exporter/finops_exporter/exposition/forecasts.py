"""What months and the coming days will have cost, for providers."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING

from finops_exporter.analysis.budgets import next_start
from finops_exporter.exposition.estimates import HISTORY_DAYS, Days, first_day
from finops_exporter.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from finops_exporter.exposition.families import Families, ProviderTime, Settings
    from finops_exporter.store.reads import SnapshotReader

AHEAD = {"30d": 30, "90d": 90}


def add_forecasts(reader: SnapshotReader, families: Families, settings: Settings) -> None:
    """Add the forecasts of every provider's total: of its month, and of the coming days."""
    spans = {
        time.provider: Window.inclusive(
            max(first_day(time.newest_complete, HISTORY_DAYS), time.oldest), time.newest_complete
        )
        for time in families.times.values()
        if time.oldest <= time.newest_complete
    }
    known: dict[str, dict[date, float]] = defaultdict(lambda: defaultdict(float))
    for cost in reader.daily_totals(list(spans.items())):
        usd = families.usd(cost)
        if usd is not None:
            known[cost.provider][cost.when] += float(usd)
    for provider, span in spans.items():
        days = Days(known[provider], span.since, span.last)
        for horizon, period in _horizons(families.times[provider]):
            for estimate, value in days.estimates(period, settings.forecast_method):
                labels = (horizon, estimate)
                families.add_number("cost_forecast_usd", provider, labels, round(value, 2))


def _horizons(time: ProviderTime) -> Iterator[tuple[str, Window]]:
    yield "month_end", Window(time.month, next_start(time.month, "monthly"))
    tomorrow = time.newest_complete + timedelta(days=1)
    for name, days in AHEAD.items():
        yield name, Window(tomorrow, tomorrow + timedelta(days=days))
