"""Daily costs from a CSV file as one array; every mistake names the file, the line, the column."""

from __future__ import annotations

import csv
from array import array
from datetime import date
from math import isfinite
from typing import IO, TYPE_CHECKING, Final, NamedTuple

import numpy as np

from finops_exporter.csv_file import opened, places
from finops_exporter.errors import FinopsError
from finops_exporter.model import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

SERIES: Final = "series_id"
DATE: Final = "date"
LONGEST_DAYS: Final = 3_660
"""Ten years: beyond, a date is wrong, and each day between would take memory for each series."""

ROWS_A_STEP: Final = 50_000
UNKNOWN: Final = float("nan")


class History(NamedTuple):
    """`amounts[series, day]`, sorted by series; NaN is a missing day. Day 0 is `first_day`."""

    series: tuple[str, ...]
    first_day: date
    amounts: NDArray[np.float64]

    @property
    def days(self) -> int:
        """How many there are, missing ones included."""
        return int(self.amounts.shape[1])


def read(path: Path, column: str, progress: Callable[[Progress], None]) -> History:
    """The costs in `column` by series and day; the rows may stand in any order.

    The file may be packed by gzip. An empty cell is a missing day, like a row that is not there.
    Raises FinopsError for a file that cannot be read, a column that is not there, what is no day or
    no number, and a day that a series has twice.
    """
    rows = _Rows(path, column)
    with opened(path) as (text, done):
        size = path.stat().st_size
        for _ in rows.read(text):
            progress(Progress(path.name, done(), size))
    return rows.history()


class _Rows:
    """The rows of a file: twenty bytes each, however they were written."""

    def __init__(self, path: Path, column: str) -> None:
        self._path, self._column = path, column
        self._names: dict[str, int] = {}
        self._days: dict[str, int] = {}
        self._series, self._day, self._line = array("i"), array("i"), array("i")
        self._amount = array("d")

    def read(self, text: IO[str]) -> Iterator[None]:
        """Read all rows; comes up for air every so many."""
        reader = csv.reader(text, strict=True)
        try:
            wanted = (SERIES, DATE, self._column)
            series, day, amount = places(self._path, next(reader, []), wanted)
            for row in reader:
                if not row:
                    continue
                line = reader.line_num
                try:
                    self._add(row[series], row[day], row[amount], line)
                except IndexError:
                    raise FinopsError(
                        f"{self._path}, line {line}: it has only {len(row)} columns"
                    ) from None
                if len(self._line) % ROWS_A_STEP == 0:
                    yield
        except csv.Error as error:
            raise FinopsError(f"{self._path}, line {reader.line_num}: {error}") from error

    def history(self) -> History:
        """The rows as a matrix."""
        if not self._line:
            raise FinopsError(f"{self._path} is empty: it has no row below its header")
        names = tuple(sorted(self._names))
        ranks = np.empty(len(names), dtype=np.intp)
        ranks[[self._names[name] for name in names]] = np.arange(len(names))
        days = np.frombuffer(self._day, dtype=np.intc)
        first, last = int(days.min()), int(days.max())
        if last - first >= LONGEST_DAYS:
            raise FinopsError(
                f"{self._path}, column {DATE}: the days reach from {date.fromordinal(first)} to "
                f"{date.fromordinal(last)}, over ten years; is one of them wrong?"
            )
        span = last - first + 1
        cells = ranks[np.frombuffer(self._series, dtype=np.intc)] * span + (days - first)
        self._refuse_twice(cells, names, first, span)
        amounts = np.full(len(names) * span, UNKNOWN)
        amounts[cells] = np.frombuffer(self._amount)
        return History(names, date.fromordinal(first), amounts.reshape(len(names), span))

    def _add(self, name: str, day: str, amount: str, line: int) -> None:
        ordinal = self._days.get(day)
        if ordinal is None:
            ordinal = self._days[day] = self._ordinal(day, line)
        try:
            value = float(amount)
        except ValueError:
            value = UNKNOWN
        # Underscores are Python's, not a spreadsheet's; an empty cell is a missing day.
        if (not isfinite(value) or "_" in amount) and (amount.strip() or isfinite(value)):
            raise self._wrong(line, self._column, f"{amount!r} is no number")
        if not name:
            raise self._wrong(line, SERIES, "it is empty")
        self._series.append(self._names.setdefault(name, len(self._names)))
        self._day.append(ordinal)
        self._amount.append(value)
        self._line.append(line)

    def _ordinal(self, day: str, line: int) -> int:
        try:
            found = date.fromisoformat(day.strip())
        except ValueError:
            raise self._wrong(line, DATE, f"{day!r} is no day such as 2026-01-31") from None
        return found.toordinal()

    def _wrong(self, line: int, column: str, what: str) -> FinopsError:
        return FinopsError(f"{self._path}, line {line}, column {column}: {what}")

    def _refuse_twice(
        self, cells: NDArray[np.intp], names: tuple[str, ...], first: int, span: int
    ) -> None:
        order = np.argsort(cells, kind="stable")
        twice = np.flatnonzero(cells[order][1:] == cells[order][:-1])
        if not len(twice):
            return
        later = min(order[twice + 1])
        name, day = names[cells[later] // span], date.fromordinal(first + int(cells[later] % span))
        earlier = self._line[int(np.flatnonzero(cells == cells[later])[0])]
        raise self._wrong(
            self._line[later], DATE, f"series {name!r} has {day} already in line {earlier}"
        )
