"""Calls from a CSV file; every mistake names the file, the line, the column and what is allowed."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import TYPE_CHECKING

from finops_exporter.ai_model import FUTURE, MOST_TOKENS, MOST_USD, Tokens, UsageRow
from finops_exporter.csv_file import opened, places
from finops_exporter.errors import FinopsError
from finops_exporter.explain import shown
from finops_exporter.model import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from finops_exporter.ai_budget.rates import Found

ROWS_A_STEP = 10_000
"""So often is told how far the file is read."""

EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""A call from before is a mistake of whoever wrote its time down."""

_TIME = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,12})?)?( ?(Z|[+-]\d\d(:?\d\d)?))?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Columns:
    """What the columns are called: when a call was made, and how many tokens it took and gave."""

    time: str = "TIMESTAMP"
    input: str = "ContextTokens"
    output: str = "GeneratedTokens"


@dataclass(frozen=True, slots=True)
class UsageFile:
    """A file of calls of one tenant and model.

    `price` gives what the model costs at an instant. Calls of before `kept_since` are kept no
    longer (None: all are).
    """

    path: Path
    tenant_id: str
    model: str
    price: Callable[[datetime], Found | None]
    columns: Columns = Columns()
    report_type: str = ""
    kept_since: datetime | None = None


def read(
    file: UsageFile, now: datetime, progress: Callable[[Progress], None]
) -> Iterator[UsageRow]:
    """The calls of the file (which may be packed by gzip), in its order.

    The id of a call is made of its content and of the number of its row: the same in each reading
    of the file, also when rows were added at its end. Times without a zone are UTC; they are kept
    to the microsecond. Raises FinopsError at the first row that is wrong.
    """
    with opened(file.path) as (text, done):
        size = file.path.stat().st_size
        rows = _Rows(file, now)
        for number, row in enumerate(rows.read(text), 1):
            yield row
            if number % ROWS_A_STEP == 0:
                progress(Progress(file.path.name, done(), size))
        if not rows.count:
            raise FinopsError(f"{file.path} is empty: it has no row below its header")
        progress(Progress(file.path.name, size, size))


class _Rows:
    """Turns lines into calls."""

    def __init__(self, file: UsageFile, now: datetime) -> None:
        self._file = file
        self._latest = now + FUTURE
        self._names = file.columns
        # Whoever calls it otherwise later means the same call: the kind of report is left out.
        self._mark = blake2b(f"{file.tenant_id}\0{file.model}\0".encode(), digest_size=16)
        self.count = 0

    def read(self, text: Iterator[str]) -> Iterator[UsageRow]:
        reader = csv.reader(text, strict=True)
        names = self._names
        try:
            wanted = (names.time, names.input, names.output)
            when, given, made = places(self._file.path, next(reader, []), wanted)
            for row in reader:
                if not row:
                    continue
                self.count += 1
                line = reader.line_num
                if len(row) <= max(when, given, made):
                    raise FinopsError(
                        f"{self._file.path}, line {line}: it has only {len(row)} columns"
                    )
                yield self._row(
                    self._time(row[when], line),
                    self._tokens(row[given], names.input, line),
                    self._tokens(row[made], names.output, line),
                    line,
                )
        except csv.Error as error:
            raise FinopsError(f"{self._file.path}, line {reader.line_num}: {error}") from error

    def _row(self, time: datetime, given: int, made: int, line: int) -> UsageRow:
        file, tokens = self._file, Tokens(given, made)
        price = file.price(time)
        if price is None:
            raise self._wrong(
                line,
                self._names.time,
                f"no price is known of the model {file.model!r} on {time:%Y-%m-%d}; give "
                "--input-price and --output-price, or a price in the configuration (ai.prices)",
            )
        usd = price.cost(tokens)
        if usd > MOST_USD:
            raise self._wrong(
                line, self._names.input, f"the call costs ${usd:,.2f}; ${MOST_USD:,} is the most"
            )
        mark = self._mark.copy()
        mark.update(f"{self.count}\0{time.isoformat()}\0{given}\0{made}".encode())
        return UsageRow(
            f"import-{mark.hexdigest()}",
            time,
            file.tenant_id,
            file.model,
            tokens,
            usd,
            price.source,
            file.report_type,
        )

    def _time(self, text: str, line: int) -> datetime:
        found = instant(text)
        name = self._names.time
        if found is None:
            raise self._wrong(
                line,
                name,
                "must be a time such as 2026-01-31 08:15:00.5 (UTC) or 2026-01-31T08:15:00+01:00, "
                f"not {shown(text)}",
            )
        if found > self._latest:
            raise self._wrong(
                line, name, f"{text.strip()} is in the future; times without a zone are UTC"
            )
        if found < EARLIEST:
            raise self._wrong(
                line, name, f"must be in the year {EARLIEST.year} or later, not {text}"
            )
        kept_since = self._file.kept_since
        if kept_since is not None and found < kept_since:
            raise self._wrong(
                line,
                name,
                f"{text.strip()} is older than calls are kept (ai.usage_retention); it would be "
                "removed again, and to import it twice would count it twice",
            )
        return found

    def _tokens(self, text: str, name: str, line: int) -> int:
        digits = text.strip()
        # Not whatever int takes: it knows underscores, signs and the digits of all scripts.
        if digits.isascii() and digits.isdecimal() and len(digits) <= len(str(MOST_TOKENS)):
            found = int(digits)
            if found <= MOST_TOKENS:
                return found
        raise self._wrong(
            line, name, f"must be a whole number from 0 to {MOST_TOKENS:,}, not {shown(text)}"
        )

    def _wrong(self, line: int, column: str, what: str) -> FinopsError:
        return FinopsError(f"{self._file.path}, line {line}, column {column}: {what}")


def instant(text: str) -> datetime | None:
    """The time that is meant (UTC where no zone is said), to the microsecond; None: none is."""
    text = text.strip()
    if not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(text.replace(" +", "+").replace(" -", "-"))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
