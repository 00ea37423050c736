"""Order statistics over windows of days, for many series at once; NaN is a day that is not known.

A value at a day is made of that day and earlier ones only. Matrices are `[series, day]`, float64.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from finops_exporter.analysis.networks import select, select_each

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

Matrix: TypeAlias = "NDArray[np.float64]"

WEEK: Final = 7


def before(values: Matrix, days: int) -> Matrix:
    """What the values were `days` days before (after, if negative)."""
    moved = np.full_like(values, np.nan)
    if days > 0:
        moved[:, days:] = values[:, :-days]
    else:
        moved[:, : max(0, values.shape[1] + days)] = values[:, -days:]
    return moved


def rolling_median(values: Matrix, days: int, *, least: int) -> Matrix:
    """The median of the `days` days that end at each day.

    It is NaN where fewer than `least` of them are known, and of an even number the upper one of the
    two in the middle: no value is invented, and half of a window that is high counts as high.
    """
    return _ranked(values, range(days), _middle, least)


def weekly_median(values: Matrix, weeks: int, *, first: int = 0, least: int) -> Matrix:
    """The median of the value `first` days before each day, one a week before that, and so on."""
    return _ranked(values, range(first, first + weeks * WEEK, WEEK), _middle, least)


def held_weekly_median(values: Matrix, weeks: int, *, first: int = 0, least: int) -> Matrix:
    """The same, looked at once a week and held until the next: for what changes slowly.

    The weeks are counted from the first day of the matrix; a day never has a value of later days.
    """
    each = np.ascontiguousarray(before(values, first)[:, ::WEEK])
    held = np.repeat(rolling_median(each, weeks, least=least), WEEK, axis=1)
    return held[:, : values.shape[1]]


def weekly_top(values: Matrix, weeks: int, place: int) -> Matrix:
    """Of the value at each day and those whole weeks before, the `place`th from above.

    It is the smallest where fewer are known, NaN where none is.
    """

    def from_above(known: NDArray[np.intp]) -> NDArray[np.intp]:
        return np.maximum(known - place, 0)

    return _ranked(values, range(0, weeks * WEEK, WEEK), from_above, 1)


def rolling_max(values: Matrix, days: int) -> Matrix:
    """The largest value of the `days` days that end at each day; NaN where none is known."""
    largest = values.copy()
    reach = 1
    while reach < days:  # windows that overlap are joined: twice as long each time
        step = min(reach, days - reach)
        largest[:, step:] = np.fmax(largest[:, step:], largest[:, :-step])
        reach += step
    return largest


def _middle(known: NDArray[np.intp]) -> NDArray[np.intp]:
    return known // 2


def _ranked(
    values: Matrix,
    lags: Sequence[int],
    rank: Callable[[NDArray[np.intp]], NDArray[np.intp]],
    least: int,
) -> Matrix:
    """The value of a rank (from 0, ascending, by how many are known) among those so many days back.

    The days become rows, so that looking back is another piece of the same memory; what is not
    known is infinite, and so stands last. Single precision is plenty for logarithms.
    """
    days, reach = values.shape[1], lags[-1]
    padded = np.full((reach + days, len(values)), np.inf, dtype=np.float32)
    np.copyto(padded[reach:], values.T, where=~np.isnan(values.T), casting="same_kind")
    windows = [padded[reach - lag : reach - lag + days] for lag in lags]
    there = (padded != np.inf).astype(np.int8)
    known = np.zeros((days, len(values)), dtype=np.int8)
    for lag in lags:
        known += there[reach - lag : reach - lag + days]
    found = select(windows, int(rank(np.array(len(lags)))))
    found[known < least] = np.nan
    # Where a part of the window is not known, the rank is another one at each place.
    partly = np.flatnonzero((known >= least) & (known < len(lags)))
    few = [window.reshape(-1)[partly] for window in windows]
    ranks = rank(known.reshape(-1)[partly].astype(np.intp))
    found.reshape(-1)[partly] = select_each(few, ranks)
    return found.T.astype(np.float64)
