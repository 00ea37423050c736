"""The kernel: runs each source at its interval, one process at a time, and writes down what it did.

A source that fails never stops the others; what was stored before it failed stays.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, TypeVar

import structlog

from finops_exporter.errors import CollectError, FinopsError, StoreError
from finops_exporter.model import (
    Account,
    Complete,
    ControlTotal,
    CostRow,
    Progress,
    Rejected,
)
from finops_exporter.store import runs
from finops_exporter.store.costs import Declared, staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from finops_exporter.collectors import Collector
    from finops_exporter.model import Item, Plan, Window
    from finops_exporter.store.database import Connection, Database

T = TypeVar("T")
log = structlog.get_logger()

RETRY = timedelta(seconds=30)
"""The first wait after a failed run."""

NAMED_REJECTIONS = 5
"""So many rejections are spelled out in a run's error; the others are counted."""


@dataclass(frozen=True, slots=True)
class Source:
    """A configured collector, when it runs, and how long after midnight a day is complete."""

    collector: Collector
    interval: timedelta
    timeout: timedelta
    lag: timedelta

    @property
    def name(self) -> str:
        """The configured name; what it stored belongs to this name."""
        return self.collector.name


@dataclass(frozen=True, slots=True)
class Report:
    """How a run of `source` ended, for people and for the exit code."""

    source: str
    outcome: Literal["succeeded", "partial", "failed", "skipped"]
    parts: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    rows: int = 0
    facts_written: int = 0
    facts_removed: int = 0
    restated_days: int = 0
    rejected: tuple[Rejected, ...] = ()
    error: str | None = None


class Kernel:
    """Runs sources against a store.

    `clock` gives aware UTC datetimes; `stop` ends a run between two items; `progress` is told
    the source and how far it is.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], datetime],
        stop: threading.Event,
        progress: Callable[[str, Progress], None] = lambda _source, _progress: None,
    ) -> None:
        self._database = database
        self._clock = clock
        self._stop = stop
        self._progress = progress

    def run(self, source: Source, window: Window | None = None) -> Report:
        """Collect `source` now; never raises for what a source or the database does."""
        began = self._clock()
        try:
            with self._database.connection() as connection:
                report = self._run_locked(connection, source, window)
        except FinopsError as error:
            report = Report(source.name, "failed", error=str(error))
        self._log(report, self._clock() - began)
        return report

    def _run_locked(self, connection: Connection, source: Source, window: Window | None) -> Report:
        with runs.source_lock(connection, source.name) as mine:
            if not mine:
                return Report(
                    source.name, "skipped", error="another process is collecting this source"
                )
            run_id = runs.start(connection, source.name, window, self._clock())
            try:
                with self._database.translated():
                    return self._collect(connection, source, window, run_id)
            except FinopsError as error:
                self._fail(connection, run_id, error)
                raise
            except Exception as error:
                self._fail(connection, run_id, error)
                # A mistake in a collector must not end the others; the traceback is for its author.
                log.exception("source crashed", source=source.name)
                raise CollectError(f"{source.name}: {type(error).__name__}: {error}") from error

    def _collect(
        self, connection: Connection, source: Source, window: Window | None, run_id: int
    ) -> Report:
        stored = runs.fingerprints(connection, source.name)
        plan = source.collector.plan(window)
        todo = pending(plan, stored)
        declared = Declared(rejected=list(plan.unreadable))
        with staging(connection, source.name) as stage, _alarm(source):
            items = source.collector.collect(todo, _ask)
            rows = stage.add(self._sort(source, items, declared))
            self._progress(source.name, Progress("storing", 0, 1))
            declared.withdrawn = withdrawn(plan, stored, declared.rejected)
            report = _report(source.name, plan, todo, declared, rows)
            changes = stage.swap(run_id, declared, _result(report), self._clock(), source.lag)
        return replace(
            report,
            facts_written=changes.written,
            facts_removed=changes.removed,
            restated_days=changes.restated_days,
        )

    def _sort(self, source: Source, items: Iterator[Item], declared: Declared) -> Iterator[CostRow]:
        """Let the rows through and put everything else where it belongs."""
        deadline = self._clock() + source.timeout
        for item in _closing(items):
            if self._stop.is_set():
                raise CollectError(f"{source.name}: stopped before the run was through")
            if self._clock() > deadline:
                raise CollectError(
                    f"{source.name}: took longer than its timeout of {source.timeout}"
                )
            match item:
                case CostRow():
                    yield item
                case Progress():
                    self._progress(source.name, item)
                case Rejected():
                    declared.rejected.append(item)
                case Complete():
                    declared.complete.append(item)
                case ControlTotal():
                    declared.controls.append(item)
                case Account():
                    declared.accounts.append(item)

    def _fail(self, connection: Connection, run_id: int, error: Exception) -> None:
        result = runs.RunResult("failed", error=f"{error}")
        if not connection.broken:
            runs.finish_failed(connection, run_id, result, self._clock())
            return
        # The run stays "running" when the database is gone for good; the next one marks it killed.
        try:
            with self._database.connection() as fresh:
                runs.finish_failed(fresh, run_id, result, self._clock())
        except StoreError as again:
            log.warning("the failed run could not be written down", error=str(again))

    def _log(self, report: Report, took: timedelta) -> None:
        write = log.info if report.outcome in {"succeeded", "skipped"} else log.warning
        write(
            "source collected" if report.outcome == "succeeded" else f"source {report.outcome}",
            source=report.source,
            seconds=round(took.total_seconds(), 3),
            parts=report.parts,
            unchanged=report.unchanged,
            withdrawn=report.withdrawn,
            rows=report.rows,
            facts_written=report.facts_written,
            facts_removed=report.facts_removed,
            restated_days=report.restated_days,
            rejected=len(report.rejected),
            error=report.error,
        )


class Scheduler:
    """Runs every source at start and then at its interval, until told to stop.

    No more than `at_once` runs are under way together: each holds a connection until it ends, and
    the readers of the store need one as well.
    """

    def __init__(
        self,
        kernel: Kernel,
        sources: Sequence[Source],
        after: Callable[[], None],
        at_once: int = 1,
    ) -> None:
        self._kernel = kernel
        self._sources = sources
        self._after = after
        self._stopping = asyncio.Event()
        self._free = asyncio.Semaphore(at_once)

    async def run(self) -> None:
        """Until `stop`; runs under way end first."""
        async with asyncio.TaskGroup() as group:
            for source in self._sources:
                group.create_task(self._repeat(source))

    def stop(self) -> None:
        """Start nothing new."""
        self._stopping.set()

    async def _repeat(self, source: Source) -> None:
        failures = 0
        while not self._stopping.is_set():
            async with self._free:
                if self._stopping.is_set():
                    return
                report = await asyncio.to_thread(self._kernel.run, source)
            self._after()
            failures = failures + 1 if report.outcome in {"failed", "skipped"} else 0
            try:
                async with asyncio.timeout(pause(source.interval, failures).total_seconds()):
                    await self._stopping.wait()
            except TimeoutError:
                continue


def pause(interval: timedelta, failures: int) -> timedelta:
    """How long to wait after so many failures in a row: doubled each time, up to the interval."""
    if failures == 0:
        return interval
    # Beyond a day of doubling nothing changes any more, and the number stays small.
    return min(interval, RETRY * (1 << min(failures - 1, 12)))


def pending(plan: Plan, stored: dict[str, str]) -> Plan:
    """The plan without the parts whose stored content is the same; a window reads all of them."""
    if plan.window is not None:
        return plan
    changed = tuple(part for part in plan.parts if stored.get(part.key) != part.fingerprint)
    return replace(plan, parts=changed)


def withdrawn(
    plan: Plan, stored: Mapping[str, str], rejected: Iterable[Rejected] = ()
) -> list[str]:
    """Stored parts that the source no longer has, and that it has under another name now.

    None of the former while not everything could be listed, or while a new part was rejected: it
    may be the successor of a part that is gone. `stored` maps a part to its fingerprint.
    """
    if plan.window is not None:
        return []
    listed = {part.key for part in plan.parts}
    gone = {key for key in stored if key not in listed}
    lost_successor = any(one.part in listed and one.part not in stored for one in rejected)
    if not plan.withdraws or not plan.whole or lost_successor:
        renamed = {part.fingerprint for part in plan.parts if part.key not in stored}
        gone = {key for key in gone if stored[key] in renamed}
    return sorted(gone)


def _ask(api: str, call: Callable[[], T]) -> T:  # noqa: ARG001 -- the name is part of the seam
    """No source has a remote API yet, so there is nothing to count, price or cap."""
    return call()


@contextmanager
def _alarm(source: Source) -> Iterator[None]:
    """End a read that says nothing for longer than its timeout, by cancelling it."""
    timer = threading.Timer(source.timeout.total_seconds(), source.collector.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _closing(items: Iterator[Item]) -> Iterator[Item]:
    """End the collector's generator at once when we stop early: it may hold a child process."""
    try:
        yield from items
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _report(source: str, plan: Plan, todo: Plan, declared: Declared, rows: int) -> Report:
    rejected = tuple(declared.rejected)
    unchanged = len(plan.parts) - len(todo.parts)
    nothing_good = not declared.complete and not unchanged
    outcome: Literal["succeeded", "partial", "failed"] = "succeeded"
    if rejected:
        outcome = "failed" if nothing_good else "partial"
    return Report(
        source,
        outcome,
        parts=len(declared.complete),
        unchanged=unchanged,
        withdrawn=len(declared.withdrawn),
        rows=rows,
        rejected=rejected,
        error=_summary(rejected),
    )


def _result(report: Report) -> runs.RunResult:
    assert report.outcome != "skipped"  # noqa: S101 -- tells the type checker; a run was begun
    return runs.RunResult(
        report.outcome,
        parts=report.parts,
        rows=report.rows,
        rejected_rows=sum(one.rows for one in report.rejected),
        error=report.error,
    )


def _summary(rejected: Sequence[Rejected]) -> str | None:
    if not rejected:
        return None
    named = "; ".join(str(one) for one in rejected[:NAMED_REJECTIONS])
    more = len(rejected) - NAMED_REJECTIONS
    return f"{named}; and {more} more" if more > 0 else named
