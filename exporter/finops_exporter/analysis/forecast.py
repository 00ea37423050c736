"""What a period will have cost at its end, with intervals; see docs/analysis.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias, get_args

import numpy as np

from finops_exporter.analysis import linear, run_rate
from finops_exporter.analysis.cycles import calendar
from finops_exporter.analysis.intervals import half_widths

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

    from finops_exporter.analysis.run_rate import Track
    from finops_exporter.analysis.windows import Matrix
    from finops_exporter.model import Window

Method: TypeAlias = Literal["weekday_profile", "linear"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)

BLOCK_SERIES: Final = 128
"""So many series are computed at a time, to bound the memory for very many."""


@dataclass(frozen=True, slots=True)
class Options:
    """What a forecast hangs on."""

    unsettled_days: int = 2
    """So many newest days are not learnt from: providers still add to them."""

    least_days: int = 3
    """No forecast before so many settled days of the period: the first ones say little."""


DEFAULTS: Final = Options()


class Forecast(NamedTuple):
    """The sum of a period for each series, in the unit of the amounts; NaN where there is none.

    `settled` is what the settled days of the period cost. With a chance of 10, 50 and 90 % it will
    be at most `p10`, `p50` and `p90` in the end; so 80 % of the outcomes lie from p10 to p90. 95 %
    lie from `lower95` to `upper95`.
    """

    settled: NDArray[np.float64]
    p10: NDArray[np.float64]
    p50: NDArray[np.float64]
    p90: NDArray[np.float64]
    lower95: NDArray[np.float64]
    upper95: NDArray[np.float64]


class _Asked(NamedTuple):
    """How many days are `known`, and which of them belong to the period.

    `days` are the known ones and those to come, of which the first `skipped` are not asked for; of
    the others the first are `unsettled`.
    """

    known: int
    settled: slice
    unsettled: slice
    days: NDArray[np.datetime64]
    skipped: int

    @property
    def elapsed(self) -> int:
        """How many days of the period are settled."""
        return max(0, int(self.settled.stop - self.settled.start))

    @property
    def ahead(self) -> range:
        """The days to come that are asked for, counted from the first unknown one."""
        return range(self.skipped, max(self.skipped, len(self.days) - self.known))


def forecast(
    amounts: Matrix,
    first_day: date,
    as_of: date,
    period: Window,
    *,
    method: Method = "weekday_profile",
    options: Options = DEFAULTS,
) -> Forecast:
    """What each series of `amounts[series, day]` will have cost in `period` at its end.

    Day 0 is `first_day`; NaN is a day without a row, which costs nothing. Only the days up to
    `as_of` are looked at. Of the unsettled ones nothing is learnt, but what is stored of them
    counts: a day costs that or what is expected of it, whichever is more. The month's end is the
    period from the first of the month to that of the next; a budget's period or the coming 30 days
    work as well. There is no forecast of a series without rows, nor of a period that has begun
    before `least_days` of it are settled. The intervals learn from all series of the call; `p50`
    of each stands for itself.
    """
    asked = _asked(amounts.shape[1], first_day, as_of, period, options)
    settled = np.nansum(amounts[:, asked.settled], axis=1)
    if asked.known < options.least_days or (as_of >= period.since and _early(asked, options)):
        return Forecast(settled, *(np.full(len(amounts), np.nan) for _ in range(5)))
    if not asked.ahead:
        return Forecast(settled, *(settled.copy() for _ in range(5)))
    found = _tracked(amounts[:, : asked.known], asked, method)
    rows = np.isfinite(amounts[:, : asked.known]).sum(axis=1)
    unsettled = amounts[:, asked.unsettled]
    # What was spent is spent: unless credits are to come, the sum does not fall any more.
    falls = (found.expected < 0).any(axis=1)
    floor = np.where(falls, -np.inf, settled + np.nansum(unsettled, axis=1))
    middle = np.maximum(settled + _remaining(found.expected, unsettled), floor)
    middle[rows < options.least_days] = np.nan
    width80, width95 = half_widths(found, len(asked.ahead)) * np.abs(found.rate)
    return Forecast(
        settled,
        np.maximum(middle - width80, floor),
        middle,
        middle + width80,
        np.maximum(middle - width95, floor),
        middle + width95,
    )


def _remaining(expected: Matrix, unsettled: Matrix) -> NDArray[np.float64]:
    """What the days to come will cost; of the first of them something is stored, or nothing (NaN).

    Providers add to a day: what is stored is the least that it costs. A credit below what is
    expected counts once it is settled.
    """
    first = unsettled.shape[1]
    counted = np.fmax(unsettled, expected[:, :first])
    remaining: NDArray[np.float64] = counted.sum(axis=1) + expected[:, first:].sum(axis=1)
    return remaining


def _asked(stored: int, first_day: date, as_of: date, period: Window, options: Options) -> _Asked:
    complete = (as_of - first_day).days + 1
    known = max(0, min(complete - options.unsettled_days, stored))
    since, until = ((day - first_day).days for day in (period.since, period.until))
    return _Asked(
        known,
        slice(max(since, 0), max(0, min(known, until))),
        slice(max(since, known), max(0, min(complete, until, stored))),
        np.datetime64(first_day) + np.arange(max(known, until)),
        max(0, since - known),
    )


def _early(asked: _Asked, options: Options) -> bool:
    return asked.elapsed < options.least_days


def _tracked(known: Matrix, asked: _Asked, method: Method) -> Track:
    """The tracks of all series, computed block by block."""
    cut = max(0, asked.known - run_rate.HISTORY_DAYS)
    days = calendar(asked.days[cut:], asked.known - cut)
    tracks = []
    for begin in range(0, len(known), BLOCK_SERIES):
        block = np.asarray(known[begin : begin + BLOCK_SERIES, cut:], dtype=np.float64)
        if method == "linear":
            tracks.append(linear.track(block, asked.ahead, asked.elapsed))
        else:
            tracks.append(run_rate.track(block, days, asked.skipped))
    return run_rate.joined(tracks, asked.known - cut, len(asked.ahead))
