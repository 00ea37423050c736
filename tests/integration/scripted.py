"""A collector that does what a test tells it, and a kernel to run it with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any, ClassVar

from finops_exporter.asking import Patience
from finops_exporter.collectors import Ask, Options
from finops_exporter.kernel import Kernel, Source
from finops_exporter.model import Api, Complete, Item, Plan, PlannedPart, Progress, Task
from integration.feeding import NOW, cost

if TYPE_CHECKING:
    from finops_exporter.model import Rejected, Window
    from finops_exporter.one_run import Report
    from finops_exporter.store.database import Database

Step = Item | Callable[[], Item]
Script = Callable[[Plan], Iterator[Step]]


@dataclass
class Scripted:
    """A collector with the given parts (key to fingerprint) whose reading is a function.

    What the script yields as a function is a call of `api` that gives the item.
    """

    Config: ClassVar[type[Options]] = Options
    default_lag: ClassVar[timedelta] = timedelta(0)
    provider: ClassVar[str | None] = None

    name: str = "scripted"
    options: Any = None
    tags: Mapping[str, Sequence[str]] = field(default_factory=dict)
    script: Script = lambda _plan: iter(())
    parts: Mapping[str, str] = field(default_factory=lambda: {"a": "1"})
    unreadable: tuple[Rejected, ...] = ()
    whole: bool = True
    api: Api = field(default_factory=lambda: Api("aws", "scripted"))
    daily: Decimal = Decimal(0)
    transient: Callable[[Exception], timedelta | None] = lambda _error: None
    cancelled: bool = False

    def plan(self, task: Task, ask: Ask) -> Plan:
        del ask
        parts = tuple(PlannedPart(*part) for part in self.parts.items())
        return Plan(
            parts,
            task.window,
            requests={self.api: 1},
            least_usd=self.api.request_usd,
            unreadable=self.unreadable,
            whole=self.whole,
        )

    def collect(self, task: Task, plan: Plan, ask: Ask) -> Iterator[Item]:
        del task
        for item in self.script(plan):
            yield ask(self.api, item) if callable(item) else item

    def daily_usd(self, interval: timedelta, stored: Mapping[str, str]) -> Decimal:
        del interval, stored
        return self.daily

    def retry_after(self, error: Exception) -> timedelta | None:
        return self.transient(error)

    def cancel(self) -> None:
        self.cancelled = True


def one_day(billed: str) -> Script:
    """Every part gives one row of `billed` and is complete."""

    def script(plan: Plan) -> Iterator[Item]:
        for part in plan.parts:
            yield Progress(part.key, 0, 1)
            yield cost("2026-11-20", billed, part=part.key)
            yield Complete(part.key, part.fingerprint, plan.window, {"aws": NOW})

    return script


def source(
    collector: Scripted,
    timeout: timedelta = timedelta(hours=1),
    cap_usd: Decimal | None = None,
    interval: timedelta = timedelta(hours=6),
) -> Source:
    return Source(collector, interval, timeout, timedelta(0), cap_usd)


def patience(clock: Callable[[], datetime] = lambda: NOW) -> Patience:
    """No wait takes time."""
    return Patience(clock, lambda _wait: False, Random(1))  # noqa: S311 -- dice for a jitter


def kernel(database: Database, clock: Callable[[], datetime] = lambda: NOW) -> Kernel:
    return Kernel(database, patience(clock), threading.Event())


def run(database: Database, collector: Scripted, window: Window | None = None) -> Report:
    return kernel(database).run(source(collector), window)
