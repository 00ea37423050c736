"""Which lumps are to come: charges that stood at the same place of earlier cycles.

A fee comes on a day of the month, a closing run so many days before its end or on its nth working
day, a batch every two or four weeks. Each series has the one cycle that explains most of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from finops_exporter.analysis.windows import Matrix

BACK: Final = 3
"""How many earlier cycles are looked at; two of them must have the lump."""

MONTH_DAYS: Final = 30.44
CLEARLY_MORE: Final = 1.02
"""A later cycle of the list must explain so much more than the ones before it."""


class Cycle(NamedTuple):
    """`place[day]`: the place of each day in its cycle, or of none the one past the last.

    `newest[back, place]`: the last known days at each place, or the one after the last known.
    """

    place: NDArray[np.intp]
    newest: NDArray[np.intp]
    length_days: float


class Calendar(NamedTuple):
    """The places of so many `known` days, and of the days `to_come`, in each cycle."""

    known: int
    to_come: int
    cycles: tuple[Cycle, ...]


class Lumps(NamedTuple):
    """`[series, day]`, of the days that are known and of those to come; 0 where there is none."""

    known: Matrix
    to_come: Matrix


def calendar(days: NDArray[np.datetime64], known: int) -> Calendar:
    """The calendar of `days`, of which the first are `known`."""
    found = []
    for place, places, length in _places(days):
        newest = np.full((BACK, places + 1), known)
        for each in range(places):
            there = np.flatnonzero(place[:known] == each)[::-1][:BACK]
            newest[: len(there), each] = there
        found.append(Cycle(place, newest, length))
    return Calendar(known, len(days) - known, tuple(found))


def recurring(excess: Matrix, found: Calendar) -> Lumps:
    """What of `excess[series, known day]` comes again.

    The second largest of the last three at a place counts: what came once does not come again, and
    what was missed once does.
    """
    lumps = np.zeros((len(excess), found.known + found.to_come))
    some = np.flatnonzero(excess.any(axis=1))
    if len(some):
        lumps[some] = _best(excess[some], found)
    return Lumps(lumps[:, : found.known], lumps[:, found.known :])


def _best(excess: Matrix, found: Calendar) -> Matrix:
    """By the cycle that explains most of each series."""
    lumps = np.zeros((len(excess), found.known + found.to_come))
    most = np.zeros(len(excess))
    padded = np.concatenate([excess, np.zeros((len(excess), 1))], axis=1)
    for cycle in found.cycles:
        one, other, third = (padded[:, newest] for newest in cycle.newest)
        again = np.maximum(np.minimum(one, other), np.minimum(np.maximum(one, other), third))
        monthly = again.sum(axis=1) * (MONTH_DAYS / cycle.length_days)
        better = np.flatnonzero(monthly > most * CLEARLY_MORE)
        most[better] = monthly[better]
        lumps[better] = again[better][:, cycle.place]
    return lumps


def _places(days: NDArray[np.datetime64]) -> Iterator[tuple[NDArray[np.intp], int, float]]:
    """Of each cycle: the place of each day, the number of places, the length in days."""
    month = days.astype("datetime64[M]")
    first = month.astype("datetime64[D]")
    after = (month + 1).astype("datetime64[D]")
    yield (days - first).astype(np.intp), 31, MONTH_DAYS
    yield (after - days).astype(np.intp) - 1, 31, MONTH_DAYS
    # Monday to Friday: whose holidays would hold is not known.
    yield np.where(np.is_busday(days), np.busday_count(first, days), 23), 23, MONTH_DAYS
    number = days.astype(np.intp)
    for span in (14, 28):
        yield number % span, span, span
