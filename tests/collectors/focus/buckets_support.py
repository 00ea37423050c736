"""What the tests of objects share: an Ask that repeats and counts, and runs on a bucket."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, TypeVar

from collectors.focus.support import TASK, collector, csv_text, rows_in
from finops_exporter.model import Rejected, Task

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal
    from pathlib import Path

    from buckets import Bucket
    from finops_exporter.collectors.focus.collector import FocusCollector
    from finops_exporter.model import Api, Item, Plan

T = TypeVar("T")

CHANGED = "changed while it was read; it is read again next time"
"""What is said of an object that is not the one that was listed."""


class Asked:
    """An Ask that repeats what a collector calls transient, and counts the calls."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self.calls: Counter[str] = Counter()

    def __call__(self, api: Api, call: Callable[[], T]) -> T:
        self.calls[api.name] += 1
        try:
            return call()
        except Exception as error:
            if self._source.retry_after(error) is None or self.calls.total() > 5:
                raise
        return self(api, call)


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
