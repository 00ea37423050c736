"""Daily amounts of many series as one array: what analyses compute on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from finops_exporter.model import Basis, Window
    from finops_exporter.store.reads import SnapshotReader

# What the statement `usage_days` packs for each day: big-endian, as int4send and float8send write.
_DAY = np.dtype([("offset", ">i4"), ("amount", ">f8")])


class UsageSeries(NamedTuple):
    """Whose usage a row of a matrix is, in the currency it was billed in."""

    provider: str
    account_id: str
    service: str
    currency: str


class Matrix(NamedTuple):
    """`amounts[series, day]` as float64; NaN where nothing is stored. Day 0 is `window.since`."""

    series: tuple[UsageSeries, ...]
    window: Window
    amounts: NDArray[np.float64]


def usage_matrix(
    reader: SnapshotReader, window: Window, basis: Basis, *, provider: str | None = None
) -> Matrix:
    """Usage by (provider, account, service) on each UTC day of `window`, sorted by series.

    Of one provider where that is given, else of all.

    For arithmetic on many days: amounts that are shown as money come from the other reads, exact.
    """
    found = sorted(reader.usage_days(window, basis, provider))
    days = (window.until - window.since).days
    amounts = np.full((len(found), days), np.nan)
    for place, (*_, packed) in enumerate(found):
        cells = np.frombuffer(packed, _DAY)
        amounts[place, cells["offset"]] = cells["amount"]
    return Matrix(tuple(UsageSeries(*row[:4]) for row in found), window, amounts)
