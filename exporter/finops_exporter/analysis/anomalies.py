"""Days on which a series costs clearly more than it used to; see docs/analysis.md.

Only increases are told: billing data of the newest days are still growing, so a drop is no news. A
day is judged by itself and earlier days alone: what comes later changes nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal, TypeAlias, get_args

import numpy as np

from finops_exporter.analysis import textbook, weekday_median
from finops_exporter.analysis.history import appears, history
from finops_exporter.analysis.judged import Judged, Kind, Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date

    from finops_exporter.analysis.windows import Matrix

Method: TypeAlias = Literal["weekday_median", "zscore", "iqr"]
METHODS: Final[tuple[Method, ...]] = get_args(Method)
DEFAULTS = Options()

BLOCK_SERIES: Final = 64
"""So many series are computed at a time: their arrays stay in the processor's cache."""

_FUNCTIONS: Mapping[Method, Callable[[Matrix, date, Options], Judged]] = {
    "weekday_median": weekday_median.judge,
    "zscore": textbook.zscore,
    "iqr": textbook.iqr,
}


def judge(
    amounts: Matrix,
    first_day: date,
    judged: range,
    *,
    method: Method = "weekday_median",
    options: Options = DEFAULTS,
) -> Judged:
    """Judge the days `judged` (offsets from `first_day`) of each series of `amounts[series, day]`.

    Amounts are of one currency, USD for the floors of `options` to mean what they say; NaN is a day
    without a row. Days are UTC, as everywhere. Each series is judged for itself. Days after the
    last judged one are not looked at, and judging many days gives what judging each alone would.
    Raises ValueError for days that `amounts` does not have.
    """
    if judged and not (judged.step == 1 and 0 <= judged.start < judged.stop <= amounts.shape[1]):
        raise ValueError(f"cannot judge {judged} of {amounts.shape[1]} days")
    found = Judged.unknown(len(amounts), len(judged))
    for begin in range(0, len(amounts) if judged else 0, BLOCK_SERIES):
        rows = slice(begin, begin + BLOCK_SERIES)
        block = np.asarray(amounts[rows, : judged.stop], dtype=np.float64)
        found.put(rows, _block(block, first_day, judged, method, options))
    return found


def _block(
    amounts: Matrix, first_day: date, judged: range, method: Method, options: Options
) -> Judged:
    found = _FUNCTIONS[method](amounts, first_day, options)
    found.kind[appears(history(amounts), options)] = Kind.NEW
    return found.since(judged.start)
