"""What months, the coming days and budgets will have cost, for providers and for budgets.

A forecast is arithmetic on floats; what it is added to, the sum so far, stays exact until then.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finops_exporter.analysis.billing_time import month_of
from finops_exporter.analysis.budgets import next_start
from finops_exporter.analysis.forecast import Options, forecast
from finops_exporter.exposition.budget_lines import daily_lines
from finops_exporter.exposition.budgets import labels_of
from finops_exporter.model import TAG_SCOPES, Window
from finops_exporter.store import budgets as store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date
    from decimal import Decimal

    from finops_exporter.analysis.budgets import Spending
    from finops_exporter.analysis.forecast import Method
    from finops_exporter.exposition.budget_states import BudgetState
    from finops_exporter.exposition.families import Families, ProviderTime, Settings
    from finops_exporter.model import Budget
    from finops_exporter.store.budgets import Line
    from finops_exporter.store.reads import SnapshotReader

HISTORY_DAYS = 280
"""So many days are looked back at."""

TAG_HISTORY_DAYS = 40
"""Of tags there is no daily rollup: their days are added up from the facts."""

LEAST_DAYS = 3
"""No forecast before so many complete days of a period."""

AHEAD = {"30d": 30, "90d": 90}
ESTIMATES = ("p10", "p50", "p90")
OPTIONS = Options(least_days=LEAST_DAYS - Options().unsettled_days)
"""The complete days count, settled or not; the unsettled ones are not computed with."""


class Days(NamedTuple):
    """Amounts by UTC day, of which `last` is the newest complete one; others cost nothing."""

    amounts: Mapping[date, float]
    first: date
    last: date

    def estimates(self, period: Window, method: Method) -> Iterator[tuple[str, float]]:
        """("p10", ...), ("p50", ...), ("p90", ...): what the days of `period` will have cost.

        Days before `first` are not in it. Nothing where there is no forecast.
        """
        row = np.full((1, (self.last - self.first).days + 1), np.nan)
        for day, amount in self.amounts.items():
            if self.first <= day <= self.last:
                row[0, (day - self.first).days] = amount
        found = forecast(row, self.first, self.last, period, method=method, options=OPTIONS)
        for name in ESTIMATES:
            value = float(getattr(found, name)[0])
            if np.isfinite(value):
                yield name, value


def add_forecasts(reader: SnapshotReader, families: Families, settings: Settings) -> None:
    """Add the forecasts of every provider's total: of its month, and of the coming days."""
    spans = {
        time.provider: Window.inclusive(
            _first_day(time.newest_complete, HISTORY_DAYS, time.oldest), time.newest_complete
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


def add_budget_forecasts(
    reader: SnapshotReader, families: Families, settings: Settings, states: Iterable[BudgetState]
) -> None:
    """Add what the current period of each budget will have cost at its end."""
    asked = [
        _Asked(state.budget, state.current.spending, state.usd)
        for state in states
        if state.current is not None and state.usd is not None
    ]
    lines: list[Line] = []
    for number, one in enumerate(asked):
        lines += daily_lines(reader, number, one.budget, families.times, one.span)
    known: list[dict[date, float]] = [defaultdict(float) for _ in asked]
    for amount in store.amounts(reader.connection, lines, []):
        one = asked[amount.number]
        value = amount.billed if one.budget.basis == "billed" else amount.effective
        rate = settings.rate(amount.currency, one.spending.as_of)
        if rate is not None:
            known[amount.number][amount.day] += float(value * rate)
    for one, amounts in zip(asked, known, strict=True):
        for estimate, usd in one.estimates(amounts, settings.forecast_method):
            labels = (*labels_of(one.budget), estimate)
            families.add("cloud_budget_forecast_usd", labels, round(usd, 2))


class _Asked(NamedTuple):
    """A budget, its current period in its own currency, and what one unit of that is worth."""

    budget: Budget
    spending: Spending
    usd: Decimal

    @property
    def span(self) -> Window:
        """The days to look at: from the first of a month, or from the first stored day."""
        newest = self.spending.as_of
        back = TAG_HISTORY_DAYS if self.budget.scope in TAG_SCOPES else HISTORY_DAYS
        first = _first_day(newest, back, self.spending.known_since)
        return Window.inclusive(min(first, newest), newest)

    def estimates(
        self, amounts: Mapping[date, float], method: Method
    ) -> Iterator[tuple[str, float]]:
        """The sum of the whole period: what was before the days to look at is known."""
        window, first = self.spending.window, self.span.since
        if self.spending.complete_days < LEAST_DAYS:
            return
        before = float(self.spending.through(first - timedelta(days=1)) * self.usd)
        rest = Window(max(window.since, first), window.until)
        for estimate, usd in Days(amounts, first, self.spending.as_of).estimates(rest, method):
            yield estimate, before + usd


def _first_day(newest: date, back: int, oldest: date) -> date:
    """The first of the month in which the history begins, or the first stored day."""
    return max(month_of(newest - timedelta(days=back - 1)), oldest)


def _horizons(time: ProviderTime) -> Iterator[tuple[str, Window]]:
    yield "month_end", Window(time.month, next_start(time.month, "monthly"))
    tomorrow = time.newest_complete + timedelta(days=1)
    for name, days in AHEAD.items():
        yield name, Window(tomorrow, tomorrow + timedelta(days=days))
