"""What comes again: fees, month-end runs and fortnightly jobs, which are no surprise.

A lump is expected where one of about the same size stood at the same place of the months, the
fortnights or the four-week spans before. Two of the last three are enough, so that one that was
missed does no harm; a single one is enough while no more of them can be known.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from finops_exporter.analysis.windows import Matrix, rolling_max

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from numpy.typing import NDArray

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
    days = excess.shape[1]
    monthly = _around(excess, MONTHLY_SLACK_DAYS)
    found = _again(
        monthly, [months_before(first_day, days, back + 1) for back in range(BACK)], begins
    )
    near = _around(excess, WEEKLY_SLACK_DAYS)
    for span in SPANS_DAYS:
        places = [np.arange(days) - span * (back + 1) for back in range(BACK)]
        np.maximum(found, _again(near, places, begins), out=found)
    return found


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


def _around(excess: Matrix, slack: int) -> Matrix:
    """The largest excess within `slack` days of each day, on both sides."""
    wide = np.pad(excess, ((0, 0), (0, slack)))
    return rolling_max(wide, 2 * slack + 1)[:, slack:]


def _again(near: Matrix, places: Sequence[NDArray[np.intp]], begins: NDArray[np.intp]) -> Matrix:
    """The second largest of what stood at the earlier places; what stood at a single known one."""
    top = np.full_like(near, -np.inf)
    second = np.full_like(near, -np.inf)
    for place in places:
        there = near[:, np.maximum(place, 0)]
        there[place < begins[:, np.newaxis]] = -np.inf
        np.maximum(second, np.minimum(top, there), out=second)
        np.maximum(top, there, out=top)
    return np.maximum(np.where(np.isneginf(second), top, second), 0)
