"""Cost rows as the lines that COPY reads: narrow ones, whose dimensions are written down once."""

from __future__ import annotations

import json
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from finops_exporter.model import CostRow

_Series: TypeAlias = tuple[tuple[str, ...], str, tuple[tuple[str, str], ...]]
"""The dimensions of a row: its group, its region, its tags."""

_group_of = attrgetter("cut", "provider", "account_id", "service", "charge_category", "currency")
_rest_of = attrgetter("region", "tags", "part", "day", "billed", "effective", "estimated")
_ESCAPES = str.maketrans({"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"})


SLICE = 1_000
"""So many lines are handed over at once: the server reads them while the next ones are written."""


class CopyLines:
    """Turns rows into lines and numbers their dimensions; the numbers hold for one stage."""

    def __init__(self) -> None:
        self.parts: dict[str, str] = {}
        """The parts that rows came of, as COPY wants their names written."""
        self._days: dict[date, str] = {}
        self._groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._numbers: dict[_Series, int] = {}
        self._unseen: list[Sequence[object]] = []

    def of(self, rows: Sequence[CostRow]) -> Iterator[str]:
        """The lines of `copy_stage`, some at a time."""
        for begin in range(0, len(rows), SLICE):
            yield self._lines(rows[begin : begin + SLICE])

    def unseen(self) -> Sequence[Sequence[object]]:
        """The rows of `copy_stage_series` that came up since the last time."""
        unseen, self._unseen = self._unseen, []
        return unseen

    def _lines(self, rows: Sequence[CostRow]) -> str:
        numbers, parts, days = self._numbers, self.parts, self._days
        lines: list[str] = []
        # One loop without calls: a run may have millions of rows.
        for row in rows:
            group = _group_of(row)
            region, tags, part, day, billed, effective, estimated = _rest_of(row)
            series = (group, region, tuple(tags.items()))
            number = numbers.get(series)
            if number is None:
                number = self._numbered(series)
            if part not in parts:
                parts[part] = part.translate(_ESCAPES)
            if day not in days:
                days[day] = str(day)
            flag = "t" if estimated else "f"
            lines.append(
                f"{parts[part]}\t{days[day]}\t{number}\t{billed!s}\t{effective!s}\t{flag}\n"
            )
        return "".join(lines)

    def _numbered(self, series: _Series) -> int:
        group, region, tags = series
        # One copy of each group: a run may hold hundreds of thousands of series.
        known = self._groups.setdefault(group, group)
        number = self._numbers[known, region, tags] = len(self._numbers)
        self._unseen.append((number, *known, region, json.dumps(dict(tags), sort_keys=True)))
        return number
