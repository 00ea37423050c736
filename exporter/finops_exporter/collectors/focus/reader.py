"""The child process that reads FOCUS files: DuckDB lives and dies here, within its memory limit.

Jobs come as JSON lines on stdin, answers go as JSON lines to stdout; a job ends with `complete` or
`rejected`. The end of stdin means that the parent is gone, at whatever point: then so are we.
"""

from __future__ import annotations

import csv
import itertools
import json
import os
import queue
import shutil
import signal
import sys
import threading
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb

from finops_exporter.collectors.focus import columns as focus
from finops_exporter.collectors.focus import statements as sql
from finops_exporter.collectors.focus.delimited import Reject, locate, verify_gzip
from finops_exporter.collectors.focus.files import Job, csv_file, parquet
from finops_exporter.collectors.focus.views import MACROS, MAX_DIGITS, Source
from finops_exporter.model import NONE

if TYPE_CHECKING:
    from collections.abc import Iterator

_BATCH = 1000
_SHOWN = 60
_MOST_NAMES = 1000
_ROOMY = 28

Message = dict[str, Any] | str
"""What is told; or the JSON of it, where DuckDB has written that."""


@dataclass(frozen=True, slots=True)
class _Profile:
    """What a file is like whose every row is right.

    `names` tells what the raw names stand for, `scales` the digits after the point of the amounts
    kept as text (or as doubles), and `keys` those of tags that are a map.
    """

    names: dict[str, dict[str, str]]
    scales: dict[str, int]
    keys: list[str]
    rows: int


def read(job: Job, spool: Path) -> Iterator[Message]:
    """All messages about one file but the verdict of a Reject; `spool` is a private folder."""
    path = Path(job.path).resolve()
    size = path.stat().st_size
    yield {"progress": [0, size]}
    if size == 0:
        raise Reject("empty_file", "the file has no bytes, not even a header; export it again")
    if job.is_gzip:
        verify_gzip(path)
    # DuckDB takes a path for a pattern; the link holds no character that it could take for one.
    link = spool / "input"
    link.unlink(missing_ok=True)
    link.symlink_to(path)
    with closing(_connect(job.memory_limit, spool, [link, path])) as database:
        yield from _answers(database, job, link, size)


def _connect(memory_limit: str, spool: Path, readable: list[Path]) -> duckdb.DuckDBPyConnection:
    database = duckdb.connect(
        config={
            "memory_limit": memory_limit,
            "threads": 1,
            "temp_directory": str(spool / "spill"),
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
        }
    )
    for macro in MACROS:
        database.execute(f"CREATE TEMP MACRO {macro}")
    database.execute("SET TimeZone = 'UTC'")
    database.execute("SET enable_progress_bar = false")  # it would write to stdout
    database.execute("SET allowed_paths = $paths", {"paths": [str(path) for path in readable]})
    database.execute("SET enable_external_access = false")
    database.execute("SET lock_configuration = true")
    return database


def _answers(
    database: duckdb.DuckDBPyConnection, job: Job, link: Path, size: int
) -> Iterator[Message]:
    """Check the whole file first, so that a wrong one is rejected before its first row is given."""
    source = parquet(database, link, job) if job.is_parquet else csv_file(link, job)
    yield {"progress": [size // 4, size]}
    try:
        profile = _profile(database, source)
    except duckdb.Error as error:
        if job.is_parquet or "quoted new lines" not in str(error):
            raise
        # Read that way, DuckDB overlooks an end within quotes; Python's csv does not.
        if verdict := locate(link, gzipped=job.is_gzip):
            raise verdict from None
        source = csv_file(link, job, in_sequence=True)
        profile = _profile(database, source)
    facts = source.facts(profile.names, profile.scales, job.where)
    yield {"progress": [size // 2, size]}
    try:
        found = _all(database, sql.summary(facts))
    except duckdb.OutOfRangeException:
        raise _overflow(database, source, profile.rows) from None
    yield {
        "accounts": [
            [row[1], *row[6:10]] for row in found if row[0] == sql.ACCOUNT and row[6] != NONE
        ]
    }
    yield {"progress": [size * 3 // 4, size]}
    keys = profile.keys
    if job.tags and not source.maps_tags:
        keys = [row[0] for row in _all(database, sql.tag_keys(facts))]
    database.execute(sql.groups(facts, *sql.tag_values(job.tags, keys, mapped=source.maps_tags)))
    while batch := database.fetchmany(_BATCH):
        # One array of all fields: a hundred thousand small ones would cost the parent more time.
        yield f'{{"rows": [{",".join(row[1:-1] for (row,) in batch)}]}}'
    yield {"totals": [row[1:6] for row in found if row[0] == sql.TOTAL]}
    yield {"progress": [size, size]}
    yield {"complete": {row[1]: row[10] for row in found if row[0] == sql.REACH and row[10]}}


def _all(database: duckdb.DuckDBPyConnection, statement: str) -> list[tuple[Any, ...]]:
    return database.execute(statement).fetchall()


def _profile(database: duckdb.DuckDBPyConnection, source: Source) -> _Profile:
    """Check every row; raises Reject for the first bad one."""
    texts = source.texts()
    checks = [check for check in sql.CHECKS if check.column != "Tags" or not source.maps_tags]
    statement = sql.profile(source.checked(), checks, source.digits())
    found = database.execute(statement).fetchmany(_MOST_NAMES + 1)
    nuls = dict(_all(database, sql.map_keys(source.tags()))) if source.maps_tags else {}
    rows = sum(group[3] for group in found)
    raws = {name: {group[place] for group in found} for place, name in enumerate(focus.NAMES)}
    wrong = [
        sql.name_check(name, bad)
        for name, column in focus.NAMES.items()
        if (bad := _wrong(name, raws[name], has_default=column in source.defaults))
    ]
    if wrong or any(group[4] for group in found) or any(nuls.values()):
        checks = [*sql.CHECKS, *wrong]
        statement = sql.first_bad(source.checked(numbered=True), checks)
        raise _bad_row(checks, _one(database, statement), rows)
    if len(found) > _MOST_NAMES:
        raise Reject(
            "too_many_names",
            f"holds more than {_MOST_NAMES} combinations of {', '.join(focus.NAMES.values())};"
            " these columns cannot be what they are called",
        )
    scales = {
        name: _scale(database, source, name, [group[place : place + 2] for group in found], rows)
        for place, name in zip(itertools.count(5, 2), texts, strict=False)
    }
    names = {
        name: {raw: known for raw in raws[name] if raw and (known := focus.canonical(name, raw))}
        for name in focus.NAMES
    }
    return _Profile(names, scales, list(nuls), rows)


def _scale(
    database: duckdb.DuckDBPyConnection,
    source: Source,
    name: str,
    written: list[tuple[int | None, int | None]],
    rows: int,
) -> int:
    """How many digits after the point keep every value of an amount exactly.

    What is written (after the point, before it) will do, unless it is long: then zeros are left
    away, because the sums need room too.
    """
    fraction, whole = (max((pair[n] or 0 for pair in written), default=0) for n in (0, 1))
    if fraction + whole <= _ROOMY:
        return fraction
    needed = _one(database, sql.needed_digits(source.checked(), name))
    if sum(needed) > MAX_DIGITS:
        statement = sql.longest(source.checked(numbered=True), name)
        raise _inexact(focus.AMOUNTS[name], _one(database, statement), rows)
    return int(needed[0])


def _wrong(name: str, raws: set[str | None], *, has_default: bool) -> set[str | None]:
    """The raw texts that stand for nothing; where there is a default, no text is fine too.

    Those with a NUL character are none of them: SQL finds them, and cannot be told them.
    """
    return {
        raw
        for raw in raws
        if "\0" not in (raw or "")
        and focus.canonical(name, raw) is None
        and not (has_default and focus.cleaned(raw) is None)
    }


def _one(database: duckdb.DuckDBPyConnection, statement: str) -> tuple[Any, ...]:
    found = database.execute(statement).fetchone()
    if found is None:
        raise AssertionError(f"no row from {statement}")
    return found


def _bad_row(checks: list[sql.Check], found: tuple[Any, ...], rows: int) -> Reject:
    row, shifted, flags, raws = found
    if shifted:
        raise csv.Error(f"row {row} has more or fewer fields than the header")
    check, raw = next((check, raws[n]) for n, check in enumerate(checks) if flags[n])
    if focus.cleaned(raw) is None:
        reason, message = "missing_value", f"is empty; {check.column} must be given in every row"
    else:
        reason, message = check.reason, f"{_shown(raw)} {check.rule}"
    return Reject(reason, message, row=row, column=check.column, rows=rows)


def _inexact(column: str, found: tuple[Any, ...], rows: int) -> Reject:
    row, raw = found
    message = (
        f"{_shown(raw)} cannot be added up exactly with the other amounts of this column:"
        f" more than {MAX_DIGITS} digits would be needed; correct it or split the file"
    )
    return Reject("not_exact", message, row=row, column=column, rows=rows)


def _overflow(database: duckdb.DuckDBPyConnection, source: Source, rows: int) -> Reject:
    checked = source.checked(numbered=True)
    worst = {
        column: _one(database, sql.largest(checked, name)) for name, column in focus.AMOUNTS.items()
    }
    column = max(worst, key=lambda each: abs(Decimal(worst[each][1])))
    return _inexact(column, worst[column], rows)


def _shown(raw: str) -> str:
    return repr(raw if len(raw) <= _SHOWN else raw[:_SHOWN] + "...")


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def messages(job: Job, spool: Path) -> Iterator[Message]:
    """All messages about one file; the last one is `complete` or `rejected`."""
    try:
        yield from read(job, spool)
    except Reject as verdict:
        yield {"rejected": verdict.fields}
    except (duckdb.Error, csv.Error, OSError, UnicodeError) as error:
        yield {"rejected": _verdict(job, spool, error).fields}


def _verdict(job: Job, spool: Path, error: Exception) -> Reject:
    """What an error that came up while reading says about the file."""
    why = _first_line(error).replace(str(spool / "input"), job.path)
    match error:
        case FileNotFoundError():
            return Reject("changed_while_read", "has vanished; it is read when it is back")
        case duckdb.OutOfMemoryException():
            return Reject(
                "out_of_memory",
                f"needs more than memory_limit = {job.memory_limit}, or more disk space for"
                " temporary files; raise it or split the file",
            )
        case duckdb.InvalidInputException() if job.is_parquet:
            return Reject("bad_parquet", f"is not valid Parquet ({why}); export it again")
        case duckdb.InvalidInputException() | csv.Error():
            unknown = Reject("bad_csv", f"is not valid CSV ({why}); export it again")
            return locate(Path(job.path), gzipped=job.is_gzip) or unknown
        case _:
            return Reject("unreadable", f"cannot be read: {why}")


def main() -> None:
    """Serve jobs until stdin ends; the one argument is the private folder, removed at the end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    spool = Path(sys.argv[1])
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs, spool), daemon=True).start()
    try:
        while True:
            for message in messages(jobs.get(), spool):
                line = message if isinstance(message, str) else json.dumps(message)
                sys.stdout.buffer.write(f"{line}\n".encode())  # UTF-8, whatever the locale
                sys.stdout.buffer.flush()
    except BrokenPipeError:
        _leave(spool)


def _receive(jobs: queue.SimpleQueue[Job], spool: Path) -> None:
    for line in sys.stdin:
        jobs.put(Job(**json.loads(line)))
    _leave(spool)


def _leave(spool: Path) -> None:
    """End at once, even in the middle of a query."""
    shutil.rmtree(spool, ignore_errors=True)
    os._exit(0)


if __name__ == "__main__":
    main()
