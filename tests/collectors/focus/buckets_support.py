"""What the tests of objects share: runs on a bucket."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from collectors.focus.support import TASK, collector, csv_text, rows_in
from doubles.asked import Asked
from finops_exporter.model import Rejected, Task

if TYPE_CHECKING:
    from decimal import Decimal
    from pathlib import Path

    from doubles.buckets import Bucket
    from finops_exporter.collectors.focus.collector import FocusCollector
    from finops_exporter.model import Item, Plan

CHANGED = "changed while it was read; it is read again next time"
"""What is said of an object that is not the one that was listed."""


def source_of(bucket: Bucket, *paths: Path | str, **options: Any) -> FocusCollector:
    return collector(paths, aws=bucket.aws, **options)


def run(source: FocusCollector, task: Task = TASK) -> tuple[Plan, list[Item], Asked]:
    asked = Asked(source)
    plan = source.plan(task, asked)
    return plan, list(source.collect(task, plan, asked)), asked


def keys(plan: Plan) -> list[str]:
    return [part.key for part in plan.parts]


def bill(*amounts: str, **others: str) -> str:
    return csv_text(*({"BilledCost": amount, **others} for amount in amounts))


def billed(items: list[Item]) -> Decimal | int:
    return sum(row.billed for row in rows_in(items))


def rejected(items: list[Item]) -> list[Rejected]:
    return [item for item in items if isinstance(item, Rejected)]
