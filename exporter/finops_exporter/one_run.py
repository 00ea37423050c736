"""One run of one source: plan, collect, stage, swap, and the row in source_runs that says so."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, Protocol

import structlog

from finops_exporter.asking import Asking, CapReachedError
from finops_exporter.errors import CollectError, FinopsError, StoreError
from finops_exporter.model import (
    Account,
    Checkpoint,
    Complete,
    ControlTotal,
    CostRow,
    Notice,
    Plan,
    Progress,
    Rejected,
    Task,
)
from finops_exporter.store import runs
from finops_exporter.store.costs import Changes, Declared, staging

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import timedelta

    from finops_exporter.asking import Patience
    from finops_exporter.collectors import Collector
    from finops_exporter.model import Item, Window
    from finops_exporter.store.costs import Staging
    from finops_exporter.store.database import Connection, Database

log = structlog.get_logger()

NAMED_REJECTIONS = 5
"""So many rejections are spelled out in a run's error; the others are counted."""


class Runnable(Protocol):
    """What a run needs of a source; kernel.Source is one."""

    @property
    def name(self) -> str:
        """The configured name."""

    @property
    def collector(self) -> Collector:
        """What reads it."""

    @property
    def timeout(self) -> timedelta:
        """How long a run may take."""

    @property
    def lag(self) -> timedelta:
        """How long after midnight a day is complete."""

    def daily_usd(self, stored: Mapping[str, str]) -> Decimal:
        """What asking is planned to cost a day, in US dollars."""

    def cap(self, stored: Mapping[str, str]) -> Decimal:
        """What asking may cost a day, in US dollars."""

    def low_cap(self, stored: Mapping[str, str]) -> str | None:
        """A sentence when that is less than what is planned."""


@dataclass(frozen=True, slots=True)
class Report:
    """How a run of `source` ended, for people and for the exit code."""

    source: str
    outcome: Literal["succeeded", "partial", "failed", "skipped"]
    parts: int = 0
    unchanged: int = 0
    withdrawn: int = 0
    rows: int = 0
    changes: Changes = field(default_factory=Changes)
    requests: int = 0
    cost_usd: Decimal = Decimal(0)
    rejected: tuple[Rejected, ...] = ()
    notices: tuple[Notice, ...] = ()
    error: str | None = None


@dataclass(slots=True)
class _Tally:
    """What has come so far, and been stored; `ended` says that nothing follows."""

    rejected: list[Rejected] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    unchanged: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    gone: list[str] = field(default_factory=list)
    rows: int = 0
    changes: Changes = field(default_factory=Changes)
    next_usd: Decimal = Decimal(0)
    stored: bool = False
    ended: bool = False


class OneRun:
    """A run under the source's lock, on the connection that holds it."""

    def __init__(
        self,
        database: Database,
        connection: Connection,
        source: Runnable,
        patience: Patience,
        stop: threading.Event,
    ) -> None:
        self._database = database
        self._connection = connection
        self._source = source
        self._clock = patience.clock
        self._stop = stop
        self._began = patience.clock()
        self._deadline = self._began + source.timeout
        self._asking = Asking(connection, source.collector, self._deadline, patience)
        self._tally = _Tally()

    def collect(self, window: Window | None, progress: Callable[[Progress], None]) -> Report:
        """Do it, and write down how it ended; raises StoreError only when it cannot begin.

        What was stored at a checkpoint stays even when it fails afterwards.
        """
        run_id = runs.start(self._connection, self._source.name, window, self._began)
        try:
            with self._database.translated():
                return self._collect(run_id, window, progress)
        except CapReachedError as error:
            # What was paid for up to a checkpoint is stored; the rest goes on another day.
            return self._end(run_id, "partial" if self._tally.stored else "failed", str(error))
        except FinopsError as error:
            return self._end(run_id, "failed", str(error))
        except Exception as error:
            # A mistake in a collector must not end the others; the traceback is for its author.
            log.exception("source crashed", source=self._source.name)
            text = f"{self._source.name}: {type(error).__name__}: {error}"
            return self._end(run_id, "failed", text)

    def _collect(
        self, run_id: int, window: Window | None, progress: Callable[[Progress], None]
    ) -> Report:
        source, collector, tally = self._source, self._source.collector, self._tally
        stored = runs.fingerprints(self._connection, source.name)
        self._asking.cap_usd = source.cap(stored)
        task = Task(self._began, window, stored, source.lag)
        plan = collector.plan(task, self._asking)
        # The plan may have found out what makes a run dearer than was thought.
        self._asking.cap_usd = source.cap(stored)
        if low := source.low_cap(stored):
            tally.notices.append(Notice("low_cap", low))
        todo = pending(plan, task)
        tally.unchanged = {part.key for part in plan.parts} - {part.key for part in todo.parts}
        tally.rejected += plan.unreadable
        self._asking.afford(todo.least_usd)
        with staging(self._connection, source.name) as stage, _alarm(source):
            items = collector.collect(task, todo, self._asking)
            for declared in self._batches(items, stage, progress):
                if tally.ended:
                    tally.gone = withdrawn(plan, stored, tally.rejected)
                    declared.withdrawn = tally.gone
                result = _result(self._report()) if tally.ended else None
                tally.changes += stage.swap(run_id, declared, result, self._clock(), source.lag)
                tally.stored = True
                if not tally.ended:
                    self._asking.spare(tally.next_usd, source.daily_usd(stored))
        return self._report()

    def _batches(
        self,
        items: Iterator[Item],
        stage: Staging,
        progress: Callable[[Progress], None],
    ) -> Iterator[Declared]:
        """What may be stored now, its rows in the stage: at every checkpoint, and at the end."""
        tally = self._tally
        with _closed_early(items):
            while not tally.ended:
                # What was left out is told at the end, for the whole run.
                declared = Declared(rejected=tally.rejected, notices=tally.notices)
                tally.rows += stage.add(self._rows(items, declared, progress))
                tally.completed |= {one.part for one in declared.complete}
                progress(Progress("storing", 0, 1))
                yield declared

    def _rows(
        self,
        items: Iterator[Item],
        declared: Declared,
        progress: Callable[[Progress], None],
    ) -> Iterator[CostRow]:
        """Let the rows through and put everything else where it belongs."""
        for item in items:
            if self._stop.is_set():
                raise CollectError(f"{self._source.name}: stopped before the run was through")
            if self._clock() > self._deadline:
                raise CollectError(
                    f"{self._source.name}: took longer than its timeout of {self._source.timeout}"
                )
            match item:
                case CostRow():
                    yield item
                case Progress():
                    progress(item)
                case Checkpoint():
                    self._tally.next_usd = item.next_usd
                    return
                case _:
                    _put(item, declared)
        self._tally.ended = True

    def _report(self) -> Report:
        tally = self._tally
        unchanged = len(tally.unchanged - tally.completed)
        outcome: Literal["succeeded", "partial", "failed"] = "succeeded"
        if tally.rejected:
            outcome = "partial" if tally.completed or unchanged else "failed"
        return Report(
            self._source.name,
            outcome,
            parts=len(tally.completed),
            unchanged=unchanged,
            withdrawn=len(tally.gone),
            rows=tally.rows,
            changes=tally.changes,
            requests=self._asking.requests,
            cost_usd=self._asking.cost_usd,
            rejected=tuple(tally.rejected),
            notices=tuple(tally.notices),
            error=_summary(tally.rejected),
        )

    def _end(self, run_id: int, outcome: Literal["partial", "failed"], why: str) -> Report:
        """Write down how the run ended, when no swap does it."""
        report = replace(self._report(), outcome=outcome, error=why)
        if not self._connection.broken:
            self._write_down(self._connection, run_id, report)
            return report
        # The run stays "running" when the database is gone for good; the next one marks it killed.
        try:
            with self._database.connection() as fresh:
                self._write_down(fresh, run_id, report)
        except StoreError as error:
            log.warning("how the run ended could not be written down", error=str(error))
        return report

    def _write_down(self, connection: Connection, run_id: int, report: Report) -> None:
        name, notices = self._source.name, self._tally.notices
        runs.finish_alone(connection, name, run_id, _result(report), self._clock(), notices=notices)


def pending(plan: Plan, task: Task) -> Plan:
    """The plan without the parts whose stored content is the same; a window reads all of them."""
    return replace(plan, parts=tuple(part for part in plan.parts if task.wants(part)))


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


def _put(item: Rejected | Complete | ControlTotal | Account | Notice, declared: Declared) -> None:
    match item:
        case Rejected():
            declared.rejected.append(item)
        case Complete():
            declared.complete.append(item)
        case ControlTotal():
            declared.controls.append(item)
        case Account():
            declared.accounts.append(item)
        case Notice():
            declared.notices.append(item)


@contextmanager
def _alarm(source: Runnable) -> Iterator[None]:
    """End a read that says nothing for longer than its timeout, by cancelling it."""
    timer = threading.Timer(source.timeout.total_seconds(), source.collector.cancel)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@contextmanager
def _closed_early(items: Iterator[Item]) -> Iterator[None]:
    """End the collector's generator at once when we stop early: it may hold a child process."""
    try:
        yield
    finally:
        close = getattr(items, "close", None)
        if close is not None:
            close()


def _result(report: Report) -> runs.RunResult:
    assert report.outcome != "skipped"  # noqa: S101 -- tells the type checker; a run was begun
    return runs.RunResult(
        report.outcome,
        parts=report.parts,
        rows=report.rows,
        rejected_rows=sum(one.rows for one in report.rejected),
        requests=report.requests,
        estimated_cost_usd=report.cost_usd,
        error=report.error,
    )


def _summary(rejected: Sequence[Rejected]) -> str | None:
    if not rejected:
        return None
    named = "; ".join(str(one) for one in rejected[:NAMED_REJECTIONS])
    more = len(rejected) - NAMED_REJECTIONS
    return f"{named}; and {more} more" if more > 0 else named
