"""The textbook's methods, for comparison and for those who want them: z-score and quartiles.

Both hold a day against the thirty before it and know neither weekdays nor lumps.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from finops_exporter.analysis.history import history, judgeable
from finops_exporter.analysis.judged import Judged, Kind, Options

if TYPE_CHECKING:
    from datetime import date

    from finops_exporter.analysis.windows import Matrix

IQR_TO_DEVIATION: Final = 1.349
"""The interquartile range of normal noise, in standard deviations."""


def zscore(amounts: Matrix, first_day: date, options: Options) -> Judged:
    """By how many standard deviations a day lies above the mean of the days before."""
    del first_day  # all methods are called alike
    windows = _earlier(amounts, options.textbook_days)
    known = np.isfinite(windows)
    count = known.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(known, windows, 0).sum(axis=-1) / count
        squares = np.where(known, windows - mean[..., np.newaxis], 0) ** 2
        deviation = np.sqrt(squares.sum(axis=-1) / (count - 1))
        score = (amounts - mean) / deviation
    return _judged(amounts, mean, score, options.zscore_least, options)


def iqr(amounts: Matrix, first_day: date, options: Options) -> Judged:
    """How far a day lies beyond the quartiles of the days before.

    The score counts from the median, in the standard deviations that the quartiles stand for.
    """
    del first_day
    windows = _earlier(amounts, options.textbook_days)
    lower, middle, upper = _quartiles(windows)
    spread = upper - lower
    with np.errstate(invalid="ignore", divide="ignore"):
        score = (amounts - middle) / (spread / IQR_TO_DEVIATION)
        fence = (upper + options.iqr_factor * spread - middle) / (spread / IQR_TO_DEVIATION)
    return _judged(amounts, middle, score, fence, options)


def _quartiles(windows: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """By linear interpolation among the known values, which sorting puts in front."""
    ordered = np.sort(windows, axis=-1)
    count = np.isfinite(ordered).sum(axis=-1)
    found = []
    for share in (0.25, 0.5, 0.75):
        place = np.maximum(count - 1, 0) * share
        low = np.floor(place).astype(np.intp)
        high = np.minimum(low + 1, np.maximum(count - 1, 0))
        below, above = (
            np.take_along_axis(ordered, each[..., np.newaxis], axis=-1)[..., 0]
            for each in (low, high)
        )
        found.append(below + (place - low) * (above - below))
    return found[0], found[1], found[2]


def _earlier(amounts: Matrix, days: int) -> Matrix:
    """`[series, day, earlier day]`: the days before each day."""
    unknown = np.full((len(amounts), days), np.nan)
    padded = np.concatenate([unknown, amounts], axis=1)
    windows: Matrix = sliding_window_view(padded, days, axis=1)[:, :-1]
    return windows


def _judged(
    amounts: Matrix, expected: Matrix, score: Matrix, least: Matrix | float, options: Options
) -> Judged:
    can = judgeable(history(amounts), options) & np.isfinite(score)
    with np.errstate(invalid="ignore"):
        flagged = can & (score > least) & (amounts - expected > options.least_usd)
    return Judged(
        np.where(can, score, np.nan),
        np.where(can, expected, np.nan),
        np.where(can, amounts - expected, np.nan),
        flagged,
        np.where(flagged, Kind.SPIKE, Kind.NONE).astype(np.int8),
    )
