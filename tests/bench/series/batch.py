"""What the generators have in common: labelled series, and events whose size hangs on the noise."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.random import Generator
    from numpy.typing import NDArray

Amounts: TypeAlias = "NDArray[np.float64]"
Kind: TypeAlias = Literal["spike", "spell", "step", "ramp"]
"""One day; two to six days; up and staying there; up over one to three weeks and staying there."""

FIRST_DAY: Final = date(2023, 12, 1)
"""Day 0: the 400 days hold a leap day, a turn of the year and thirteen month ends."""
DAYS: Final = 400

QUIET_DAYS: Final = 63
"""No event before this day: who judges needs some history first."""
APART_DAYS: Final = 45
SMALLEST_USD: Final = 4.0
"""No event adds less than this on its days: below, nobody wants to be told."""

KINDS: tuple[Kind, ...] = ("spike", "spell", "step", "ramp")
SHARES = (0.45, 0.2, 0.2, 0.15)


class Event(NamedTuple):
    """What somebody should be told: from day `first` to `last` (both inclusive) of a series."""

    series: int
    kind: Kind
    first: int
    last: int


class Series(NamedTuple):
    """One generated series; NaN is a day without a row."""

    usage: Amounts
    total: Amounts
    events: tuple[Event, ...]
    shape: str


class Batch(NamedTuple):
    """Many series over the same days."""

    usage: Amounts
    total: Amounts
    events: tuple[Event, ...]
    shapes: tuple[str, ...]


def stacked(found: Sequence[Series]) -> Batch:
    """The series as matrices; their events know the rows."""
    return Batch(
        np.array([one.usage for one in found]),
        np.array([one.total for one in found]),
        tuple(e._replace(series=row) for row, one in enumerate(found) for e in one.events),
        tuple(one.shape for one in found),
    )


def weekdays() -> NDArray[np.int64]:
    """The weekday of each day, Monday 0."""
    return (np.arange(DAYS) + FIRST_DAY.weekday()) % 7


def dates() -> NDArray[np.datetime64]:
    """The days as dates."""
    return np.datetime64(FIRST_DAY) + np.arange(DAYS)


def days_of_month() -> NDArray[np.int64]:
    """The day of the month of each day, from 1."""
    days = dates()
    within: NDArray[np.timedelta64] = days - days.astype("datetime64[M]").astype("datetime64[D]")
    return within.astype(np.int64) + 1


def days_to_month_end() -> NDArray[np.int64]:
    """How many days of the month follow each day; 0 on the last one."""
    days = dates()
    following = (days.astype("datetime64[M]") + 1).astype("datetime64[D]")
    left: NDArray[np.timedelta64] = following - days
    return left.astype(np.int64) - 1


def place_events(
    rng: Generator, expected: Amounts, noise: Amounts, born: int = 0, dead: int = DAYS
) -> tuple[Amounts, list[Event]]:
    """What events add to a series on each day, and their labels.

    `expected` is its undisturbed amount, `noise` the standard deviation around it, in USD; it lives
    from the day `born` to the one before `dead`. An event is at least five to fifteen deviations
    large and 25 % of what is expected: the smallest are hard.
    """
    extra = np.zeros(DAYS)
    events = []
    day = born + QUIET_DAYS + int(rng.integers(0, 250))
    while day < dead - 25:
        kind = KINDS[rng.choice(len(KINDS), p=SHARES)]
        around = slice(max(0, day - 7), day + 7)
        normal, spread = float(np.mean(expected[around])), float(np.mean(noise[around]))
        usual = {"spike": (0.4, 5.0), "spell": (0.35, 3.0), "step": (0.3, 1.2), "ramp": (0.4, 1.5)}
        low, high = usual[kind]
        relative = np.exp(rng.uniform(np.log(low), np.log(high)))
        size = max(normal * relative, spread * rng.uniform(5, 15), 0.25 * normal, SMALLEST_USD)
        course, last = _course(rng, kind, day)
        last = min(last, dead - 1)
        extra += size * course
        events.append(Event(0, kind, day, last))
        day = last + APART_DAYS + int(rng.integers(0, 400))
    return extra, events


def _course(rng: Generator, kind: Kind, first: int) -> tuple[Amounts, int]:
    """The shape of an event (1 is its full size), and its last day."""
    course = np.zeros(DAYS)
    if kind == "spike":
        course[first] = 1
        return course, first
    if kind == "spell":
        last = first + int(rng.integers(1, 6))
        course[first : last + 1] = rng.uniform(0.8, 1.2, last + 1 - first)
        return course, last
    length = 1 if kind == "step" else int(rng.integers(8, 22))
    rise = np.minimum(1, np.arange(1, DAYS - first + 1) / length)
    course[first:] = rise
    return course, first + length - 1 + 13


def billed(rng: Generator, usage: Amounts) -> Amounts:
    """Usage with what else is on a bill: tax, support, credits, purchases. May be negative."""
    total = usage.copy()
    month_days, typical = days_of_month(), float(np.nanmedian(usage))
    add = np.zeros(DAYS)
    if rng.random() < 0.5:  # tax of about a month's usage on a day of the next one
        add[month_days == rng.integers(1, 6)] += 30 * typical * rng.uniform(0.05, 0.2)
    if rng.random() < 0.3:  # a plan or a reservation, paid monthly
        add[month_days == rng.integers(1, 29)] += typical * rng.uniform(0.5, 10)
    if rng.random() < 0.25:  # credits: a lump, or a share of each day
        if rng.random() < 0.5:
            add[month_days == rng.integers(1, 29)] -= typical * rng.uniform(1, 20)
        else:
            total *= rng.uniform(0.6, 0.95)
    if rng.random() < 0.03:  # a purchase up front: on totals a surprise that nobody labelled
        add[rng.integers(QUIET_DAYS, DAYS)] += typical * rng.uniform(20, 200)
    rows = np.isnan(total) & (add != 0)
    total[rows] = 0
    return total + add
