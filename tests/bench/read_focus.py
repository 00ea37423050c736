"""Our collector on one FOCUS file, in a process of its own, started as a module: FILE GROUPS.

Prints the seconds from the plan to the last item, and the most megabytes that the reading child
held, as JSON. Writes the rows to GROUPS as CSV afterwards.
"""

from __future__ import annotations

import csv
import json
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from finops_exporter.collectors.focus.collector import FocusCollector
from finops_exporter.collectors.focus.options import FocusOptions
from finops_exporter.model import Complete, CostRow, Task
from integration.processes import peak_megabytes

if TYPE_CHECKING:
    from collections.abc import Callable

    from finops_exporter.model import Api

T = TypeVar("T")

TAGS = {"team": ["team"], "environment": ["environment"]}


def main(file: str, groups: Path) -> None:
    """Read all of it, the rows kept as the items that the store is given."""
    collector = FocusCollector("bench", FocusOptions(paths=[file]), TAGS)
    task = Task(datetime.now(UTC))
    rows, peak = [], 0.0
    began = time.perf_counter()
    plan = collector.plan(task, _ask)
    for item in collector.collect(task, plan, _ask):
        if isinstance(item, CostRow):
            rows.append(item)
        elif isinstance(item, Complete):
            peak = max(peak_megabytes(pid) for pid in _children())
    seconds = time.perf_counter() - began
    sys.stdout.write(json.dumps({"seconds": seconds, "megabytes": peak}))
    with groups.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows(map(_fields, rows))


def _ask(api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None) -> T:
    raise AssertionError(f"files ask no {api.name}: {call} {prepare}")


def _children() -> list[int]:
    return [
        int(pid)
        for task in Path("/proc/self/task").iterdir()
        for pid in (task / "children").read_text().split()
    ]


def _fields(row: CostRow) -> tuple[object, ...]:
    return (
        row.day,
        row.account_id,
        row.service,
        row.region,
        row.charge_category,
        row.tags["team"],
        row.tags["environment"],
        f"{row.billed:f}",
        f"{row.effective:f}",
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
