"""How much is known of each series on each day, and when it began."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.judged import Options
    from finops_exporter.analysis.windows import Matrix

SMALLEST_COST: Final = 0.005
"""Less than half a cent a day is no cost: the series did not run that day."""


class History(NamedTuple):
    """`costs[series, day]`: whether there was a cost; `begins[series]`: the first such day.

    A series that never costs anything begins after the last day.
    """

    costs: NDArray[np.bool_]
    begins: NDArray[np.intp]


def history(amounts: Matrix) -> History:
    """Of each series; a day without a row, of zero, or of more credit than cost, has no cost."""
    costs = amounts > SMALLEST_COST
    begins = np.where(costs.any(axis=1), costs.argmax(axis=1), amounts.shape[1])
    return History(costs, begins)


def judgeable(known: History, options: Options) -> NDArray[np.bool_]:
    """`[series, day]`: the days of cost before which there is enough history to judge by."""
    age = np.arange(known.costs.shape[1]) - known.begins[:, np.newaxis]
    earlier: NDArray[np.intp] = np.cumsum(known.costs, axis=1) - known.costs
    return known.costs & (age >= options.silent_days) & (earlier >= options.least_known_days)


def appears(known: History, options: Options) -> NDArray[np.bool_]:
    """`[series, day]`: the day on which a series begins, if the days before are known as well."""
    days = np.arange(known.costs.shape[1])
    begins: NDArray[np.bool_] = days == known.begins[:, np.newaxis]
    return begins & (days >= options.least_known_days)
