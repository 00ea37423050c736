"""What comes again: fees, month-end runs and fortnightly jobs, which are no surprise.

A lump is expected where one of about the same size stood at the same place of the months, the
fortnights or the four-week spans before. Two of the last three are enough, so that one that was
missed does no harm; a single one is enough while no more of them can be known.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

    from finops_exporter.analysis.windows import Matrix

BACK: Final = 3
"""How many earlier occasions are looked at."""

MONTHLY_SLACK_DAYS: Final = 3
"""A fee moves around a weekend (2 days), and month ends lie 28 to 31 days apart."""

WEEKLY_SLACK_DAYS: Final = 1
SPANS_DAYS: Final = (14, 28)


def expected_lumps(excess: Matrix, begins: NDArray[np.intp], first_day: date) -> Matrix:
    """What is expected on each day on top of the usual, in the unit of `excess`; 0 for nothing.

    `excess[series, day]` is what clearly stood out of the usual on each day, else 0; a series is
    known from the day `begins`. Days before the one that is asked for are looked at, no others.
    """
    # The days become rows: looking back moves whole rows.
    days = excess.shape[1]
    standing = np.ascontiguousarray(excess.T, dtype=np.float32)
    unknown = np.arange(days)[:, np.newaxis] < begins
    monthly = _around(standing, MONTHLY_SLACK_DAYS)
    monthly[unknown] = -np.inf
    found = _again(monthly, [months_before(first_day, days, back + 1) for back in range(BACK)])
    near = _around(standing, WEEKLY_SLACK_DAYS)
    near[unknown] = -np.inf
    for span in SPANS_DAYS:
        again = _again(near, [np.arange(days) - span * (back + 1) for back in range(BACK)])
        np.maximum(found, again, out=found)
    return found.T.astype(np.float64)


@lru_cache(maxsize=16)
def months_before(first_day: date, days: int, months: int) -> NDArray[np.intp]:
    """The day `months` months before each of the days, as an offset from the first (or below 0).

    The 31st of a shorter month is its last day.
    """
    each = np.datetime64(first_day) + np.arange(days)
    month = each.astype("datetime64[M]")
    of_month = (each - month.astype("datetime64[D]")).astype(np.intp)
    target = month - months
    length = ((target + 1).astype("datetime64[D]") - target.astype("datetime64[D]")).astype(np.intp)
    start = (target.astype("datetime64[D]") - np.datetime64(first_day)).astype(np.intp)
    offsets: NDArray[np.intp] = start + np.minimum(of_month, length - 1)
    return offsets


def _around(standing: NDArray[np.float32], slack: int) -> NDArray[np.float32]:
    """`[day, series]`: the largest within `slack` days of each day, on both sides."""
    largest = standing.copy()
    for off in range(1, slack + 1):
        np.maximum(largest[off:], standing[:-off], out=largest[off:])
        np.maximum(largest[:-off], standing[off:], out=largest[:-off])
    return largest


def _again(near: NDArray[np.float32], places: Sequence[NDArray[np.intp]]) -> NDArray[np.float32]:
    """The second largest of what stood at the earlier places; what stood at a single known one.

    What is not known is minus infinity. The places are in order, and below 0 before the first day.
    """
    top = np.full_like(near, -np.inf)
    second = np.full_like(near, -np.inf)
    for place in places:
        begin = int(np.searchsorted(place, 0))
        there = near[place[begin:]]
        above, below = top[begin:], second[begin:]
        np.maximum(below, np.minimum(above, there), out=below)
        np.maximum(above, there, out=above)
    np.copyto(second, top, where=np.isneginf(second))
    return np.maximum(second, 0)
