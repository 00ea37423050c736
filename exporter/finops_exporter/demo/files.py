"""Writes the demo's bills as FOCUS 1.0 Parquet files, one for each cloud and month."""

from __future__ import annotations

import re
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

import numpy as np

from finops_exporter.demo.billing import MONTHS, parts
from finops_exporter.demo.columns import columns_of
from finops_exporter.demo.company import DEMO
from finops_exporter.errors import FinopsError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from finops_exporter.demo.billing import Charge
    from finops_exporter.demo.catalogue import Provider

_OWN_FILE = re.compile(r"\.?(aws|gcp|azure)-\d{4}-\d{2}\.parquet(\.tmp)?")
"""What a demo run may have left behind; a `.tmp` is one that was killed while writing."""


@dataclass(frozen=True, slots=True)
class Totals:
    """The sum of a cloud's charges in USD, exact."""

    billed: Decimal = Decimal(0)
    effective: Decimal = Decimal(0)

    def plus(self, charges: Sequence[Charge]) -> Totals:
        """These and the sums of more charges."""
        return Totals(
            sum((charge.billed for charge in charges), self.billed),
            sum((charge.effective for charge in charges), self.effective),
        )


@dataclass(frozen=True, slots=True)
class DemoFiles:
    """What a run left in the folder; `totals` go by provider key, `rows` counts all files."""

    written: tuple[Path, ...]
    unchanged: tuple[Path, ...]
    removed: tuple[Path, ...]
    totals: Mapping[str, Totals]
    rows: int


def generate(
    now: datetime,
    folder: Path,
    *,
    seed: int = 0,
    months: int = MONTHS,
    progress: Callable[[int, int], None] | None = None,
) -> DemoFiles:
    """Write the charges until `now` into `folder`, and remove files of an earlier run.

    Each file appears at once and whole, and one whose content would not change is not touched.
    `progress` hears (files done, files in all). Raises UsageError without DuckDB, FinopsError when
    the folder cannot be written, ValueError as `billing.charges` does.
    """
    bills = parts(now, seed, months)
    total = months * len(DEMO.providers)
    written: list[Path] = []
    unchanged: list[Path] = []
    totals: dict[str, Totals] = defaultdict(Totals)
    rows = 0
    with _writable(folder) as connection:
        for done, bill in enumerate(bills, start=1):
            charges = list(bill.charges)
            key = bill.provider.key
            if charges:
                path = folder / f"{key}-{bill.month:%Y-%m}.parquet"
                changed = _write(connection, charges, bill.provider, path)
                (written if changed else unchanged).append(path)
                totals[key] = totals[key].plus(charges)
                rows += len(charges)
            if progress:
                progress(done, total)
        removed = _remove_others(folder, {*written, *unchanged})
    return DemoFiles(tuple(written), tuple(unchanged), removed, dict(totals), rows)


@contextmanager
def _writable(folder: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An in-memory DuckDB for a folder that exists; what goes wrong with either is told plainly."""
    try:
        import duckdb  # noqa: PLC0415 - an extra: only this function needs it
    except ImportError as error:
        raise UsageError(
            "the demo writes Parquet files and needs DuckDB: pip install 'finops-exporter[focus]'"
        ) from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # One thread: the same charges give the same bytes, so that a file can stay untouched.
        with duckdb.connect(config={"threads": 1, "memory_limit": "256MB"}) as connection:
            yield connection
    except (OSError, duckdb.Error) as error:
        raise FinopsError(
            f"cannot write the demo's billing files into {folder}: {error}; "
            "name a folder that this user may write, with about 20 MB free"
        ) from error


def _write(
    connection: duckdb.DuckDBPyConnection,
    charges: Sequence[Charge],
    provider: Provider,
    path: Path,
) -> bool:
    """Put the charges at `path` atomically; False when exactly that was there already."""
    columns = columns_of(provider)
    # All goes in as text, which DuckDB casts: so no amount ever passes through a float.
    texts = {
        column.name: np.array([column.text(charge) for charge in charges], dtype=object)
        for column in columns
    }
    connection.register("charges", texts)
    casts = ", ".join(f'"{column.name}"::{column.cast} AS "{column.name}"' for column in columns)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        rows = connection.sql(f"SELECT {casts} FROM charges")  # noqa: S608 - our own names only
        rows.write_parquet(str(temporary), compression="zstd")
        if path.exists() and path.read_bytes() == temporary.read_bytes():
            return False
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    return True


def _remove_others(folder: Path, kept: set[Path]) -> tuple[Path, ...]:
    """Remove what earlier runs wrote and this one did not; foreign files stay."""
    others = [path for path in sorted(folder.iterdir()) if _OWN_FILE.fullmatch(path.name)]
    removed = tuple(path for path in others if path not in kept)
    for path in removed:
        path.unlink()
    return removed
