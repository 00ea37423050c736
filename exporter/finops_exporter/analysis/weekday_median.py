"""The default method: a day against its usual, plus the lumps that come again on such a day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from finops_exporter.analysis import ramps
from finops_exporter.analysis.history import History, history, judgeable
from finops_exporter.analysis.judged import Judged, Kind, Options
from finops_exporter.analysis.lumps import expected_lumps
from finops_exporter.analysis.usual import (
    LUMP_SCORE,
    OFFSET_USD,
    SCATTER_WEEKS,
    Usual,
    outstanding,
    usual,
)
from finops_exporter.analysis.windows import Matrix, before, rolling_max, weekly_top

if TYPE_CHECKING:
    from datetime import date

    from numpy.typing import NDArray

COMMONPLACE: Final = 3
"""What stood out in so many of the last twelve weeks is commonplace."""

STEP_DAYS: Final = 30
STEP_FLAGS: Final = 2
"""A rise that was flagged on so many of the last thirty days is known: it is no ramp as well."""


def judge(amounts: Matrix, first_day: date, options: Options) -> Judged:
    """Judge all days of `amounts[series, day]`; see `anomalies.judge`."""
    known = history(amounts)
    found = usual(amounts, known)
    usual_usd = found.amount
    lump = _lump(amounts, known, found, usual_usd, first_day)
    expected = usual_usd + lump
    ratio = found.log - np.log(expected + OFFSET_USD)
    scatter = _scatter(found, ratio, lump, options)
    score = ratio / scatter
    can = judgeable(known, options) & np.isfinite(score)
    spike = can & (score > options.least_score) & _matters(amounts, expected, options)

    explained = (lump > 0) & (found.error > LUMP_SCORE * found.scatter)
    ramp = ramps.find(np.where(explained, np.nan, found.log - found.profile), scatter, options)
    without = np.maximum(np.exp(ramp.base + found.profile) - OFFSET_USD, 0)
    rising = can & ~spike & ramp.flagged & ~_recently(spike) & _matters(amounts, without, options)
    expected = np.where(rising, without, expected)
    return Judged(
        np.where(can, np.where(rising, ramp.score, score), np.nan),
        np.where(can, expected, np.nan),
        np.where(can, amounts - expected, np.nan),
        spike | rising,
        np.where(spike, Kind.SPIKE, np.where(rising, Kind.RAMP, Kind.NONE)).astype(np.int8),
    )


def _lump(
    amounts: Matrix, known: History, found: Usual, usual_usd: Matrix, first_day: date
) -> Matrix:
    """What is expected on top of the usual, in USD; elsewhere 0.

    A fee stays what it was while the usual changes, a run of jobs grows with it: the larger holds.
    """
    out = outstanding(found, known)
    excess = np.where(out.days, amounts - out.usual_usd, 0)
    fixed = expected_lumps(excess, known.begins, first_day)
    growing = expected_lumps(np.where(out.days, out.height, 0), known.begins, first_day)
    return np.fmax(fixed, (usual_usd + OFFSET_USD) * np.expm1(growing))


def _scatter(found: Usual, ratio: Matrix, lump: Matrix, options: Options) -> Matrix:
    """How far days lie off what was expected of them; more where it is commonplace to stand out.

    By weeks, of which an anomaly, however long, touches few. NaN where the usual one is not known.
    """
    errors = before(np.where(lump > 0, ratio, found.error), 1)
    highest = weekly_top(rolling_max(errors, 7), SCATTER_WEEKS, COMMONPLACE)
    wider = np.fmax(found.scatter, options.commonplace_factor * highest)
    return np.where(np.isnan(found.scatter), np.nan, wider)


def _matters(amounts: Matrix, expected: Matrix, options: Options) -> NDArray[np.bool_]:
    """Whether somebody wants to know, whatever the statistics say."""
    much: NDArray[np.bool_] = amounts > expected * options.least_ratio
    return much & (amounts - expected > options.least_usd)


def _recently(flagged: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Whether the days before each day were flagged so often that the rise is known."""
    sums = np.zeros((flagged.shape[0], flagged.shape[1] + 1), dtype=np.intp)
    np.cumsum(flagged, axis=1, out=sums[:, 1:])
    begins = np.maximum(np.arange(flagged.shape[1]) - STEP_DAYS, 0)
    enough: NDArray[np.bool_] = sums[:, :-1] - sums[:, begins] >= STEP_FLAGS
    return enough
