"""When sources run: each at its interval by what is stored of its runs, until told to stop."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import structlog

from finops_exporter.analysis.due import RETRY
from finops_exporter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    from finops_exporter.kernel import Source
    from finops_exporter.one_run import Report

T = TypeVar("T")
log = structlog.get_logger()

LOOK = timedelta(minutes=1)
"""The wall clock is looked at so often: it may jump, and a sleeping machine does not count."""

LONGEST_JITTER = timedelta(minutes=5)


class Runner(Protocol):
    """What the schedule needs of the kernel; see kernel.Kernel."""

    def run(self, source: Source, *, only_if_due: bool) -> Report:
        """Collect now."""

    def next_run(self, source: Source) -> datetime:
        """When the source is due; raises StoreError."""


async def _sleep(stopping: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stopping.wait()


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Time and threads, so that a test can bring its own.

    `clock` gives aware UTC datetimes; `sleep` ends early when the event is set; `in_thread` runs
    what blocks.
    """

    clock: Callable[[], datetime]
    sleep: Callable[[asyncio.Event, float], Awaitable[None]] = _sleep
    in_thread: Callable[..., Awaitable[Any]] = asyncio.to_thread
    dice: Random = field(default_factory=Random)


class Scheduler:
    """Runs every source when it is due, until told to stop.

    What is free runs at start as well; what is paid only when it is due, however often we restart.
    No more than `at_once` runs are under way together: each holds a connection until it ends, and
    the readers of the store need one as well. `after` is called after each run.
    """

    def __init__(
        self,
        runner: Runner,
        sources: Sequence[Source],
        after: Callable[[], None],
        surroundings: Surroundings,
        at_once: int = 1,
    ) -> None:
        self._runner = runner
        self._sources = sources
        self._after = after
        self._around = surroundings
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
        at_start, earliest = not source.is_paid, self._around.clock()
        while not self._stopping.is_set():
            if not at_start:
                await self._until(max(await self._next(source), earliest))
            async with self._free:
                if self._stopping.is_set():
                    return
                await self._around.in_thread(self._runner.run, source, only_if_due=not at_start)
            at_start = False
            # Whatever the store says then: one that cannot be written must not make us spin.
            earliest = self._around.clock() + min(RETRY, source.interval)
            self._after()

    async def _next(self, source: Source) -> datetime:
        try:
            due: datetime = await self._around.in_thread(self._runner.next_run, source)
        except StoreError as error:
            log.warning("the schedule cannot be read", source=source.name, error=str(error))
            return self._around.clock() + RETRY
        # Replicas and sources that are due together come apart: later, never earlier.
        longest = min(LONGEST_JITTER, max(due - self._around.clock(), timedelta()) / 20)
        return due + longest * self._around.dice.random()

    async def _until(self, instant: datetime) -> None:
        """Wait for the instant, or until the clock is set back: then it is to be judged anew."""
        seen = self._around.clock()
        while not self._stopping.is_set():
            now = self._around.clock()
            left = instant - now
            if left <= timedelta() or now < seen:
                return
            seen = now
            await self._around.sleep(self._stopping, min(left, LOOK).total_seconds())
