"""How good flags and forecasts are, against labels and against what came to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from .batch import Amounts, Event

GRACE_DAYS: Final = 2
"""A flag so soon after an event still means it, and flags so near to each other are one alarm."""

MONTH_DAYS: Final = 30.44
SMALLEST_MONTH_USD: Final = 30.0
"""A month below a dollar a day has no relative error worth speaking of."""


@dataclass(frozen=True, slots=True)
class Quality:
    """How well the flags of a batch meet its events."""

    events: int
    found: int
    alarms_of_events: int
    false_alarms: int
    delays: int
    series_months: float

    @property
    def recall(self) -> float:
        """Which share of the events was told."""
        return self.found / self.events

    @property
    def precision(self) -> float:
        """Which share of what was told was an event; an event that is told twice counts once."""
        return self.found / max(1, self.found + self.false_alarms)

    @property
    def f1(self) -> float:
        """The harmonic mean of both."""
        return 2 * self.found / (self.events + self.found + self.false_alarms)

    @property
    def false_per_month(self) -> float:
        """False alarms in a month of one series."""
        return self.false_alarms / self.series_months

    @property
    def delay(self) -> float:
        """Mean days from the first day of a told event to the first flag."""
        return self.delays / max(1, self.found)

    def __add__(self, other: Quality) -> Quality:
        """Of two batches together."""
        return Quality(
            self.events + other.events,
            self.found + other.found,
            self.alarms_of_events + other.alarms_of_events,
            self.false_alarms + other.false_alarms,
            self.delays + other.delays,
            self.series_months + other.series_months,
        )


def judge_flags(flagged: NDArray[np.bool_], events: Iterable[Event]) -> Quality:
    """`flagged[series, day]` against the events of the same rows and days.

    An alarm is a run of flagged days; one that touches no event is false.
    """
    meant = np.zeros_like(flagged)
    delays, found, count = 0, 0, 0
    for event in events:
        window = slice(event.first, event.last + GRACE_DAYS + 1)
        meant[event.series, window] = True
        days = np.flatnonzero(flagged[event.series, window])
        count += 1
        if len(days):
            found, delays = found + 1, delays + int(days[0])
    right = wrong = 0
    for row in np.flatnonzero(flagged.any(axis=1)):
        for alarm in _runs(np.flatnonzero(flagged[row])):
            if meant[row, alarm].any():
                right += 1
            else:
                wrong += 1
    return Quality(count, found, right, wrong, delays, flagged.size / MONTH_DAYS)


def _runs(days: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The days of one alarm each."""
    return np.split(days, np.flatnonzero(np.diff(days) > GRACE_DAYS + 1) + 1)


class Accuracy(NamedTuple):
    """How near forecasts came: means over series and months, as shares (0.05 is 5 %)."""

    mape: float
    bias: float
    covered80: float
    covered95: float
    months: int


def judge_forecasts(
    forecast: Amounts, bands: Sequence[tuple[Amounts, Amounts]], actual: Amounts
) -> Accuracy:
    """Forecasts with their 80 % and 95 % bands against what came to be, element by element.

    Left out: what is not known or has no forecast, and months below `SMALLEST_MONTH_USD`.
    """
    known = np.isfinite(actual) & np.isfinite(forecast) & (actual >= SMALLEST_MONTH_USD)
    error = (forecast[known] - actual[known]) / actual[known]
    inside = [
        float(np.mean((low[known] <= actual[known]) & (actual[known] <= high[known])))
        for low, high in bands
    ]
    return Accuracy(
        float(np.mean(np.abs(error))), float(np.mean(error)), inside[0], inside[1], len(error)
    )
