"""Labelled series of three generators that have nothing in common but the form of their events.

Tuning looks at `TUNING` only; what is reported comes from `JUDGING`. The generators were committed
before the methods were tuned, and stand still since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import drifting, fleets, steady
from .batch import stacked

if TYPE_CHECKING:
    from .batch import Amounts, Batch

TUNING = range(100, 104)
JUDGING = range(900, 904)

GENERATORS = (steady.series, fleets.series, drifting.series)


def make(seed: int, count: int) -> Batch:
    """`count` series, a third from each generator; the same for the same seed and count."""
    rngs = np.random.default_rng(seed).spawn(count)
    return stacked([GENERATORS[row % 3](rng) for row, rng in enumerate(rngs)])


def as_known_on(amounts: Amounts, day: int, seed: int) -> Amounts:
    """What was there on the evening of `day`: nothing later, and two newest days not settled."""
    known = amounts[:, : day + 1].copy()
    rng = np.random.default_rng((seed, day))
    known[:, -1] *= rng.uniform(0.3, 0.9, len(known))
    if day > 0:
        known[:, -2] *= rng.uniform(0.85, 1.0, len(known))
    return known
