"""Which lumps are to come: charges that stood at the same place of earlier cycles.

A fee comes on a day of the month, a closing run so many days before its end, on its nth working day
or so many before the last, a batch every two or four weeks. Each series has the one cycle that
explains most of it, less what the cycle tells in vain.
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

JUDGED_DAYS: Final = 122
IN_VAIN: Final = 0.25
"""Cycles are judged by the last four months. What one tells in vain counts a quarter: else a batch
of two weeks that has come twice would be held against all the weeks before it began."""

CLEARLY_MORE: Final = 1.02
"""A later cycle of the list must explain so much more than the ones before it."""


class Cycle(NamedTuple):
    """`place[day]`: the place of each day in its cycle, or of none the one past the last.

    `newest[back, place]`: the last known days at each place, or the one after the last known.
    """

    place: NDArray[np.intp]
    newest: NDArray[np.intp]


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
    for place, places in _places(days):
        newest = np.full((BACK, places + 1), known)
        for each in range(places):
            there = np.flatnonzero(place[:known] == each)[::-1][:BACK]
            newest[: len(there), each] = there
        found.append(Cycle(place, newest))
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
    begin = max(0, found.known - JUDGED_DAYS)
    padded = np.concatenate([excess, np.zeros((len(excess), 1))], axis=1)
    for cycle in found.cycles:
        one, other, third = (padded[:, newest] for newest in cycle.newest)
        again = np.maximum(np.minimum(one, other), np.minimum(np.maximum(one, other), third))
        net = _net(again[:, cycle.place[begin : found.known]], excess[:, begin:])
        better = np.flatnonzero(net > most * CLEARLY_MORE)
        most[better] = net[better]
        lumps[better] = again[better][:, cycle.place]
    return lumps


def _net(told: Matrix, excess: Matrix) -> NDArray[np.float64]:
    """How much of `excess[series, day]` a cycle explains, less what it tells in vain.

    Otherwise a fee on the 1st would count twice: it is the 30th day before the ends of some months,
    and the 31st before those of others.
    """
    right = np.minimum(told, excess)
    net: NDArray[np.float64] = (right - IN_VAIN * (told - right)).sum(axis=1)
    return net


def _places(days: NDArray[np.datetime64]) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Of each cycle: the place of each day, and the number of places."""
    month = days.astype("datetime64[M]")
    first = month.astype("datetime64[D]")
    after = (month + 1).astype("datetime64[D]")
    yield (days - first).astype(np.intp), 31
    yield (after - days).astype(np.intp) - 1, 31
    # Monday to Friday: whose holidays would hold is not known.
    working = np.is_busday(days)
    yield np.where(working, np.busday_count(first, days), 23), 23
    yield np.where(working, np.busday_count(days, after) - 1, 23), 23
    number = days.astype(np.intp)
    for span in (14, 28):
        yield number % span, span
