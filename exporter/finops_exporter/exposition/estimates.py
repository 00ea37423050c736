"""What a period will have cost, from the days that are known: for providers and for budgets.

A forecast is arithmetic on floats.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from finops_exporter.analysis.billing_time import month_of
from finops_exporter.analysis.forecast import Options, forecast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import date

    from finops_exporter.analysis.forecast import Method
    from finops_exporter.model import Window

HISTORY_DAYS = 280
"""So many days are looked back at."""

TAG_HISTORY_DAYS = 40
"""Of tags there is no daily rollup: their days are added up from the facts."""

LEAST_DAYS = 3
"""No forecast before so many complete days of a period."""

ESTIMATES = ("p10", "p50", "p90")
OPTIONS = Options(least_days=LEAST_DAYS - Options().unsettled_days)
"""The complete days count, settled or not; nothing is learnt from the unsettled ones."""


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


def first_day(newest: date, back: int) -> date:
    """The first of the month in which a history of `back` days through `newest` begins."""
    return month_of(newest - timedelta(days=back - 1))
