"""What a judgement of days says, and the constants that it hangs on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.windows import Matrix


class Kind(IntEnum):
    """What a day is; only spikes and ramps are flagged."""

    NONE = 0
    SPIKE = 1
    """Far above what such a day costs."""
    RAMP = 2
    """The week stands far above the weeks before, though no day was far above its own."""
    NEW = 3
    """The first day on which the series costs anything: to be told as news, not as an anomaly."""


class Judged(NamedTuple):
    """Arrays `[series, judged day]`; where a day cannot be judged, NaN, False and `Kind.NONE`.

    `score`: by how many times the usual scatter the day lies above (or below) what was expected.
    `expected`, `excess`: the amount that was expected, and how much more it is, as the amounts.
    `flagged`: whether it is an anomaly. `kind`: the values of `Kind`.
    """

    score: Matrix
    expected: Matrix
    excess: Matrix
    flagged: NDArray[np.bool_]
    kind: NDArray[np.int8]

    @classmethod
    def unknown(cls, series: int, days: int) -> Judged:
        """Nothing is judged yet."""
        shape = (series, days)
        return cls(
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.full(shape, np.nan),
            np.zeros(shape, dtype=np.bool_),
            np.full(shape, Kind.NONE, dtype=np.int8),
        )

    def put(self, rows: slice, judged: Judged) -> None:
        """Fill in the series of `rows`."""
        self.score[rows] = judged.score
        self.expected[rows] = judged.expected
        self.excess[rows] = judged.excess
        self.flagged[rows] = judged.flagged
        self.kind[rows] = judged.kind

    def since(self, day: int) -> Judged:
        """Without the days before that one."""
        return Judged(
            self.score[:, day:],
            self.expected[:, day:],
            self.excess[:, day:],
            self.flagged[:, day:],
            self.kind[:, day:],
        )


@dataclass(frozen=True, slots=True)
class Options:
    """The constants of the methods; docs/analysis.md says what the main ones are worth.

    Around each of them the measured quality is flat: nothing hangs on its exact value.
    """

    least_usd: float = 2.0
    """An excess up to this is never told: below it, a report costs more than the anomaly."""

    least_ratio: float = 1.2
    """A day must cost more than 20 % above what is expected: less than that is within a growth that
    people plan with."""

    least_score: float = 4.0
    """Of normal noise one day in 30,000 lies so many deviations up; of the labelled series, some of
    which have heavy tails, one day in 13,000 is flagged for nothing."""

    silent_days: int = 31
    """A series is judged from this age on. A month has to be seen first: else the first fee and
    the first month end of each new series are false alarms."""

    least_known_days: int = 14
    """Of its history, so many days at least must have a cost."""

    commonplace_factor: float = 0.6
    """What stood out in three of the last twelve weeks is commonplace: it counts as this share of
    its height as scatter, so that a day must be 2.4 times as high (in logarithms) to be flagged."""

    ramp_ratio: float = 1.25
    """A week must cost more than 25 % above the weeks before to be a ramp."""

    textbook_days: int = 30
    """`zscore` and `iqr` compare a day with so many days before it."""

    zscore_least: float = 3.0
    """`zscore`: the textbook's three standard deviations."""

    iqr_factor: float = 3.0
    """`iqr`: Tukey's outer fence, three times the interquartile range above the upper quartile (the
    inner one, 1.5, gives nearly twice as many false alarms)."""
