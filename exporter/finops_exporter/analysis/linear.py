"""The straight line: what the period cost a day so far goes on. For comparison, and on request."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from finops_exporter.analysis.run_rate import TINY, Track, origins_of, sums

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.analysis.windows import Matrix

WITHOUT_PERIOD_DAYS: Final = 30
"""The mean of so many days goes on when none of the period is known."""


def track(amounts: Matrix, ahead: range, elapsed: int) -> Track:
    """Follow the mean of the `elapsed` days up to each origin; see `run_rate.Track`."""
    days = min(elapsed or WITHOUT_PERIOD_DAYS, amounts.shape[1])
    plain = np.where(np.isfinite(amounts), amounts, 0)
    origins = origins_of(amounts.shape[1])
    running = np.zeros((amounts.shape[0], amounts.shape[1] + 1))
    np.cumsum(plain, axis=1, out=running[:, 1:])
    begins = np.maximum(origins + 1 - days, 0)
    expected = (running[:, origins + 1] - running[:, begins]) / days * len(ahead)
    errors = (sums(plain, origins, ahead) - expected) / np.maximum(np.abs(expected), TINY)
    errors[:, origins + 1 < days] = np.nan
    scatter: NDArray[np.float64] = np.full(errors.shape, np.nan)
    each = np.repeat(expected[:, :1] / len(ahead), len(ahead), axis=1)
    return Track(each, expected[:, 0], errors, scatter, origins)
