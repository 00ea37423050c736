"""On which days the alerts on cost would have fired, at a threshold: their rules, on an array.

Arrays are `[place, day]`; NaN is a day without a row, on which nothing fires, as a metric that is
absent. Amounts are USD.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from finops_exporter.analysis.windows import before

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.judged import Judged
    from finops_exporter.analysis.windows import Matrix

TRAILING_DAYS: Final = 30
LEAST_FLOOR_USD: Final = 25.0
FLOOR_SHARE: Final = 0.005
ANOMALY_RATIO: Final = 0.2


def floor(total: Matrix) -> Matrix:
    """What an alert must be about on each day: $25, or 0.5 % of the mean of the 30 days before.

    `total[provider, day]` is all usage of a provider.
    """
    mean = before(_trailing(total), 1) / TRAILING_DAYS
    return np.fmax(LEAST_FLOOR_USD, FLOOR_SHARE * mean)


def spikes(amounts: Matrix, threshold: float, least_usd: Matrix | float) -> NDArray[np.bool_]:
    """More than `threshold` above the day before and the same weekday of the week before."""
    yesterday, last_week = before(amounts, 1), before(amounts, 7)
    return (
        _above(amounts, yesterday, threshold)
        & _above(amounts, last_week, threshold)
        & (amounts - yesterday > least_usd)
    )


def anomalies(judged: Judged, least_usd: Matrix | float) -> NDArray[np.bool_]:
    """What was flagged, stands above the floor, and more than 20 % above what was expected."""
    much: NDArray[np.bool_] = judged.excess > ANOMALY_RATIO * judged.expected
    return judged.flagged & much & (judged.excess > least_usd)


def growth(total: Matrix, threshold: float) -> NDArray[np.bool_]:
    """The last 30 days cost more than `threshold` above the 30 before them."""
    trailing = _trailing(total)
    return np.isfinite(total) & _above(trailing, before(trailing, TRAILING_DAYS), threshold)


def alarms(fired: NDArray[np.bool_]) -> NDArray[np.intp]:
    """How often each place fired: days in a row are one alarm."""
    begins = fired.copy()
    begins[:, 1:] &= ~fired[:, :-1]
    count: NDArray[np.intp] = begins.sum(axis=1)
    return count


def _above(amounts: Matrix, base: Matrix, threshold: float) -> NDArray[np.bool_]:
    with np.errstate(invalid="ignore", divide="ignore"):
        above: NDArray[np.bool_] = (base > 0) & (amounts / base - 1 > threshold)
    return above


def _trailing(total: Matrix) -> Matrix:
    """The sum of the 30 days that end at each day; NaN before there are so many."""
    sums = np.zeros((len(total), total.shape[1] + 1))
    np.cumsum(np.nan_to_num(total), axis=1, out=sums[:, 1:])
    found = np.full(total.shape, np.nan)
    if total.shape[1] >= TRAILING_DAYS:
        found[:, TRAILING_DAYS - 1 :] = sums[:, TRAILING_DAYS:] - sums[:, :-TRAILING_DAYS]
    return found
