"""What the reader is asked to do with a file, and what it finds in it before it reads a row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.collectors.focus.columns import DEFAULTED, OPTIONAL, REQUIRED
from finops_exporter.collectors.focus.delimited import Reject, header
from finops_exporter.collectors.focus.statements import columns as columns_of
from finops_exporter.collectors.focus.views import Column, Padded, Source, literal

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Job:
    """One file to read; `since` and `until` are ISO days or None, `defaults` by FOCUS column."""

    path: str
    memory_limit: str
    tags: dict[str, list[str]]
    defaults: dict[str, str]
    since: str | None
    until: str | None

    @property
    def is_parquet(self) -> bool:
        """Whether it is Parquet; else it is CSV."""
        return self.path.lower().endswith(".parquet")

    @property
    def is_gzip(self) -> bool:
        """Whether it is CSV compressed with gzip."""
        return self.path.lower().endswith(".gz")

    @property
    def where(self) -> str:
        """The WHERE clause that keeps to the window."""
        if self.since is None or self.until is None:
            return ""
        return f"WHERE start_at >= DATE '{self.since}' AND start_at < DATE '{self.until}'"


def parquet(database: DuckDBPyConnection, link: Path, job: Job) -> Source:
    """The source behind a Parquet file."""
    relation = f"read_parquet({literal(str(link))})"
    described = database.execute(columns_of(relation)).fetchall()
    names = [(row[0], '"' + row[0].replace('"', '""') + '"', row[1]) for row in described]
    return _source(relation, names, job)


def csv_file(link: Path, job: Job, *, in_sequence: bool = False) -> Source:
    """The source behind a CSV file; raises Reject where the header is wrong.

    DuckDB reads a file in pieces, each from a line break that it takes for the end of a row. Where
    fields hold line breaks it must read `in_sequence`, with memory that grows with the file.
    """
    names = header(link, gzipped=job.is_gzip)
    # Columns get names of ours: those in the file may be doubled or blank.
    columns = [(name, f"c{place}", "VARCHAR") for place, name in enumerate(names)]
    options = (
        "auto_detect = false, header = true, delim = ',', quote = '\"', escape = '\"',"
        f" strict_mode = true, parallel = {not in_sequence},"
        f" compression = '{'gzip' if job.is_gzip else 'none'}'"
    )

    def relation(width: int, more: str) -> str:
        types = ", ".join(f"c{place}: 'VARCHAR'" for place in range(width))
        return f"read_csv({literal(str(link))}, columns = {{{types}}}, {options}{more})"

    beyond = len(names)
    # An empty field must differ from one that is not there.
    padding = ", null_padding = true, nullstr = chr(1)"
    padded = Padded(relation(beyond + 1, padding), f"c{beyond - 1}", f"c{beyond}")
    return _source(relation(beyond, ""), columns, job, padded)


def _source(
    relation: str,
    names: list[tuple[str, str, str]],
    job: Job,
    padded: Padded | None = None,
) -> Source:
    """Match the file's columns (name, SQL, type) with FOCUS, ignoring case and blanks around."""
    known = {name.lower(): name for name in (*REQUIRED, *OPTIONAL)}
    columns: dict[str, Column] = {}
    for spelt, text, kind in names:
        if (name := known.get(spelt.strip().lower())) is None:
            continue
        if name in columns:
            raise Reject(
                "duplicate_column", "the file has this column twice; remove one", column=name
            )
        columns[name] = Column(text, kind)
    source = Source(relation, columns, job.defaults, reads_tags=bool(job.tags), padded=padded)
    if missing := source.missing():
        remedies = [f"{DEFAULTED[name]} for {name}" for name in missing if name in DEFAULTED]
        remedy = f", or set {' and '.join(remedies)}" if remedies else ""
        raise Reject(
            "missing_columns",
            f"the file has no column {', '.join(missing)}; export it with these FOCUS columns"
            + remedy,
        )
    return source
