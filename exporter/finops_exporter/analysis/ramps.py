"""The ramp rule: a week that stands far above the weeks before it, though no single day did.

The newest week is compared with the three weeks that ended eight days before it began (15 to 35
days back), by medians. What the series grew in the five weeks before is deducted, and so is what it
usually wanders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from finops_exporter.analysis.usual import MAD_TO_DEVIATION
from finops_exporter.analysis.windows import (
    Matrix,
    before,
    held_weekly_median,
    rolling_median,
    weekly_median,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.judged import Options

BACK_DAYS: Final = 15
BASE_WEEKS: Final = 3
GROWTH_DAYS: Final = 35
"""So long before the base lies what its growth is measured against; both are as long."""

LEAD_DAYS: Final = BACK_DAYS + 7
"""From the middle of the base to the middle of the newest week."""

WANDER_WEEKS: Final = 12
NOISE_SHARE: Final = 0.6
"""The scatter of a week's median less one of three weeks, of which each day scatters by 1."""

WANDER_SHARE: Final = 0.8

STILL_DAYS: Final = 5
STILL_RISING: Final = 0.3
"""In the last five days three tenths of the rise must have come: else it is an old story."""

TODAY_SHARE: Final = 0.5
"""The day itself must stand at half of the rise: else the rise is over."""


class Ramp(NamedTuple):
    """`[series, day]`: `base`, the logarithm of what the weeks before let expect; the `score`."""

    base: Matrix
    score: Matrix
    flagged: NDArray[np.bool_]


def find(level: Matrix, scatter: Matrix, options: Options) -> Ramp:
    """Ramps of `level[series, day]`: logarithms of cost without weekdays and lumps; NaN if unknown.

    `scatter` is that of a single day.
    """
    newest = rolling_median(level, 7, least=3)
    base = weekly_median(newest, BASE_WEEKS, first=BACK_DAYS, least=2)
    grown = base - before(base, GROWTH_DAYS)
    base += np.fmax(grown, 0) * (LEAD_DAYS / GROWTH_DAYS)
    rise = newest - base
    wander = held_weekly_median(np.abs(rise), WANDER_WEEKS, first=14, least=4)
    # Where days scatter, weeks do: the unit is never 0.
    unit = np.fmax(NOISE_SHARE * scatter, WANDER_SHARE * MAD_TO_DEVIATION * wander)
    with np.errstate(invalid="ignore"):
        flagged: NDArray[np.bool_] = (
            (rise > options.least_score * unit)
            & (rise > np.log(options.ramp_ratio))
            & (newest - before(newest, STILL_DAYS) > STILL_RISING * rise)
            & (level - base > TODAY_SHARE * rise)
        )
    return Ramp(base, rise / unit, flagged)
