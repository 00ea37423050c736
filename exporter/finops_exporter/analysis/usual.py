"""What is usual for each day of each series: a median level times a weekday's usual share.

Everything is a median of medians, on logarithms: an anomaly among the days that it is judged by
moves nothing, and cents are judged like millions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from finops_exporter.analysis.windows import (
    Matrix,
    before,
    held_weekly_median,
    rolling_median,
    weekly_median,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.history import History

OFFSET_USD: Final = 0.5
"""Added before the logarithm is taken: among cents, ratios mean nothing."""

PROFILE_WEEKS: Final = 8
MIDDLE_LEAST: Final = 4
PROFILE_LEAST: Final = 3
"""A weekday's share is the median of the last eight, of which three at least must be known, each in
a week of which four days are."""

LEVEL_DAYS: Final = 14
LEVEL_WEEKS: Final = 6
SCATTER_WEEKS: Final = 12
MAD_TO_DEVIATION: Final = 1.4826
"""The standard deviation of normal noise, by its median absolute deviation."""

SCATTER_FLOOR: Final = 0.02
"""Scatter below 2 % is taken for 2 %: series that hardly move would be flagged for cents."""

LUMP_SCORE: Final = 2.5
LEAST_LUMP: Final = 0.1
"""What is more than 2.5 scatters and 10 % above the usual may be one of many lumps."""


class Usual(NamedTuple):
    """`[series, day]`, in logarithms: the day itself (`log`) and what it is made of.

    `profile`: the weekday's share; `level`: that of the days before; `error`: the day less both,
    the level taken short; `scatter`: how far days usually lie off, as a standard deviation.
    """

    log: Matrix
    profile: Matrix
    level: Matrix
    error: Matrix
    scatter: Matrix

    @property
    def amount(self) -> Matrix:
        """The usual amount, in USD."""
        return np.maximum(np.exp(self.level + self.profile) - OFFSET_USD, 0)


class Outstanding(NamedTuple):
    """`[series, day]`: whether a day clearly stood out, its usual amount, and by how much (log)."""

    days: NDArray[np.bool_]
    usual_usd: Matrix
    height: Matrix


def usual(amounts: Matrix, known: History) -> Usual:
    """What is usual on each day, by the days before it; NaN where too few are known."""
    log = np.log(np.where(known.costs, amounts, np.nan) + OFFSET_USD)
    # A day against the week around it: that of a day a week ago and more is known by now.
    middle = before(rolling_median(log, 7, least=MIDDLE_LEAST), -3)
    profile = weekly_median(log - middle, PROFILE_WEEKS, first=7, least=PROFILE_LEAST)
    profile[np.isnan(profile)] = 0
    flat = before(log - profile, 1)
    short = rolling_median(flat, LEVEL_DAYS, least=4)
    long = weekly_median(rolling_median(flat, 7, least=3), LEVEL_WEEKS, least=2)
    error = log - profile - np.where(np.isnan(short), long, short)
    daily = rolling_median(np.abs(before(error, 1)), 7, least=3)
    scatter = MAD_TO_DEVIATION * held_weekly_median(daily, SCATTER_WEEKS, least=2)
    # The higher level: after a drop the old one counts for three weeks more, so that the end of a
    # quiet time is no anomaly.
    level = np.fmax(short, long)
    return Usual(log, profile, level, error, np.maximum(scatter, SCATTER_FLOOR))


def outstanding(found: Usual, known: History) -> Outstanding:
    """The days that clearly stood out.

    The first days have no usual of their own yet: they are held against the first that there is.
    """
    amount = found.amount
    count, days = amount.shape
    first = np.where(np.isfinite(amount), np.arange(days), days).min(axis=1, initial=days - 1)
    early = np.arange(days) < first[:, np.newaxis]
    usual_usd = np.where(early, amount[np.arange(count), first][:, np.newaxis], amount)
    height = found.log - np.log(usual_usd + OFFSET_USD)
    scatter = np.where(np.isnan(found.scatter), LEAST_LUMP, found.scatter)
    high = known.costs & (height > np.maximum(LUMP_SCORE * scatter, LEAST_LUMP))
    return Outstanding(high, usual_usd, height)
