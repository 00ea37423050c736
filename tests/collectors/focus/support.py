"""What the tests of the FOCUS collector share: rows to write, and a run of the collector."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import duckdb

from finops_exporter.collectors.focus.collector import FocusCollector
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.model import Complete, CostRow, Rejected, Task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from finops_exporter.model import Api, Item, Window

T = TypeVar("T")

TAGS = {"environment": ["environment", "env"], "team": ["team"]}

ROW = {
    "BilledCost": "1.25",
    "EffectiveCost": "1",
    "ChargePeriodStart": "2026-11-01T00:00:00Z",
    "ChargePeriodEnd": "2026-11-01T01:00:00Z",
    "ChargeCategory": "Usage",
    "ProviderName": "AWS",
    "BillingCurrency": "USD",
    "SubAccountId": "111",
    "ServiceName": "Amazon EC2",
    "RegionId": "eu-west-1",
    "Tags": "",
}
"""A row that has all that is needed."""


NUMBER = (
    " is not a number; write digits with an optional sign, point and exponent,"
    " such as -12.5 or 1.5E-7, without currency sign or thousands separator"
)
TIME = " is not a date and time; write ISO 8601, such as 2025-04-01T00:00:00Z"
INEXACT = (
    " cannot be added up exactly with the other amounts of this column:"
    " more than 38 digits would be needed; correct it or split the file"
)
"""What the reader says of a value that it cannot take."""


NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
TASK = Task(NOW)


def ask(api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None) -> T:
    raise AssertionError(f"files ask no {api.name}: {call} {prepare}")


def csv_text(*changes: Mapping[str, str], without: Sequence[str] = ()) -> str:
    """A CSV file of one row per mapping, each ROW with these columns changed."""
    columns = list(dict.fromkeys([*ROW, *(n for c in changes for n in c)]))
    text = io.StringIO()
    writer = csv.DictWriter(text, [name for name in columns if name not in without])
    writer.writeheader()
    for change in changes:
        full = dict.fromkeys(columns, "") | ROW | dict(change)
        writer.writerow({name: full[name] for name in writer.fieldnames})
    return text.getvalue()


def collector(paths: Iterable[Path | str], tags: Any = None, **options: Any) -> FocusCollector:
    config = FocusOptions(paths=[str(path) for path in paths], **options)
    return FocusCollector("files", config, TAGS if tags is None else tags)


def items_of(
    *paths: Path, tags: Any = None, window: Window | None = None, **opts: Any
) -> list[Item]:
    source = collector(paths, tags, **opts)
    task = Task(NOW, window)
    plan = source.plan(task, ask)
    assert plan.unreadable == ()
    return list(source.collect(task, plan, ask))


def rows_in(items: Iterable[Item]) -> list[CostRow]:
    """The rows of a run in which every file was loaded."""
    kept = list(items)
    assert [item for item in kept if isinstance(item, Rejected)] == []
    return [item for item in kept if isinstance(item, CostRow)]


def rejection_in(items: Iterable[Item]) -> Rejected:
    """The one rejection of a run in which nothing was loaded."""
    kept = list(items)
    assert not any(isinstance(item, Complete | CostRow) for item in kept)
    (found,) = [item for item in kept if isinstance(item, Rejected)]
    return found


def parquet(path: Path, rows: str, **columns: str) -> Path:
    """A Parquet file of the columns of ROW as text, some replaced by SQL over the table `rows`."""
    texts = {name: f"'{text}'" for name, text in ROW.items() if text}
    listed = ", ".join(f"{sql} AS {name}" for name, sql in (texts | columns).items())
    with duckdb.connect() as database:
        database.execute(f"COPY (SELECT {listed} FROM {rows}) TO '{path}' (FORMAT parquet)")
    return path
