"""What the tests of the FOCUS collector share: rows to write, and a run of the collector."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any, TypeVar

from finops_exporter.collectors.focus import FocusCollector, FocusOptions
from finops_exporter.model import Complete, CostRow, Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from finops_exporter.model import Item, Window

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


def ask(api: str, call: Callable[[], T]) -> T:
    raise AssertionError(f"files ask no {api}: {call}")


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
    plan = source.plan(window)
    assert plan.unreadable == ()
    return list(source.collect(plan, ask))


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
