"""The long-running process: the schedule, the refresh of the snapshot, and the pages."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import structlog

from finops_exporter import __version__
from finops_exporter.asking import Patience
from finops_exporter.customers import count
from finops_exporter.errors import FinopsError, StoreError
from finops_exporter.kernel import Kernel, Source
from finops_exporter.landing import provider_lines, source_lines
from finops_exporter.memory import give_back
from finops_exporter.scheduler import Scheduler, Surroundings
from finops_exporter.store.budgets import apply_configured
from finops_exporter.store.migrate import migrate
from finops_exporter.web import server
from finops_exporter.web.views import Views

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime, timedelta

    from finops_exporter.ai_budget.service import AiService
    from finops_exporter.customer_config import Customers
    from finops_exporter.exposition.exposition import Exposition
    from finops_exporter.model import Budget
    from finops_exporter.store.database import Database
    from finops_exporter.web.protection import Protection

log = structlog.get_logger()

RETRY_SECONDS = 5.0
"""How long to wait before the database is tried again at start."""

FIRST_PAGE_SECONDS = 5.0
"""How long the pages wait for the first state of the store before they are served without it."""

ANSWER_SECONDS = 30.0
"""A database that takes longer for the snapshot counts as gone until it answers."""

STOP_SECONDS = 15.0
"""How long runs under way may take to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the process is made of; `at_once` is how many sources may run side by side.

    `look` sets `clock` right before values are read, or as often where none are; it may block.

    Without `budgets` (not even an empty list) those in the store are left alone.
    """

    database: Database
    sources: Sequence[Source]
    budgets: Sequence[Budget] | None
    exposition: Exposition
    clock: Callable[[], datetime]
    refresh: timedelta
    at_once: int
    customers: Customers | None = None
    look: Callable[[], None] = lambda: None


class Urls(NamedTuple):
    """Where the process serves; `api` is None where it has none."""

    pages: str
    api: str | None


class Service:
    """Serves from the first moment, collects once the database can be used, ends by a signal.

    `ai` makes the service of AI budgets, if there is to be one, in the running event loop.
    """

    def __init__(self, parts: Parts, ai: Callable[[], AiService] | None = None) -> None:
        self._parts = parts
        self._ai = ai
        self._exposition = parts.exposition
        self._stopping = asyncio.Event()
        self._stop_runs = threading.Event()
        self._changed = asyncio.Event()
        self._patience = threading.Timer(STOP_SECONDS, _leave)
        self._patience.daemon = True
        self._start_problem: StoreError | None = StoreError("the database is not prepared yet")

    async def run(
        self, options: server.Options, protection: Protection, started: Callable[[Urls], None]
    ) -> None:
        """Serve and collect until told to stop; `started` gets the URLs.

        Raises FinopsError when it cannot listen there.
        """
        self._watch_signals()
        # The first page, before anybody can ask: the last good data, if the database is there. One
        # that does not answer must not keep the port closed.
        first = asyncio.create_task(asyncio.to_thread(self._first_page))
        await asyncio.wait({first}, timeout=FIRST_PAGE_SECONDS)
        # What is there by now lives as long as the process: no collection need look at it again,
        # which would hold up scrapes.
        gc.collect()
        gc.freeze()
        async with AsyncExitStack() as serving:
            # Libraries complain at the end if nobody took their objects away.
            serving.callback(gc.unfreeze)
            listener = await self._listen(options, protection)
            serving.push_async_callback(listener.stop)
            if protection.is_reloadable:
                asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, protection.look_now)
            scheme = "https" if protection.ssl_context else "http"
            pages = _url(scheme, options.host, listener.port)
            log.info("listening", url=pages, database=self._parts.database.place)
            ai, api = self._ai() if self._ai is not None else None, None
            if ai is not None:
                serving.push_async_callback(ai.stop)
                api = _url(scheme, *await ai.start())
                log.info("the API of AI budgets is listening", url=api)
            # Setting up takes more than what is kept.
            await asyncio.to_thread(give_back)
            started(Urls(pages, api))
            async with asyncio.TaskGroup() as group:
                if ai is not None:
                    group.create_task(ai.run())
                    group.create_task(self._until_stopping(ai.stop))
                group.create_task(self._refresh_forever(first))
                group.create_task(self._collect())
                if self._parts.customers is not None:
                    group.create_task(self._count(self._parts.customers))
                await self._stopping.wait()
                log.info("stopping")
                # Before runs end, which may take longer: nobody new is to come in meanwhile.
                await listener.stop()

    async def collect_only(self) -> None:
        """Run the schedule alone."""
        self._watch_signals()
        self._start_problem = None
        # First: the schedule asks the clock what is due.
        await asyncio.to_thread(self._parts.look)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._collect())
            group.create_task(self._look_forever())
            await self._stopping.wait()

    async def _look_forever(self) -> None:
        """Where no values are read, nothing else looks at the clock."""
        while not self._stopping.is_set():
            await _wait(self._stopping, self._parts.refresh.total_seconds())
            await asyncio.to_thread(self._parts.look)

    async def _until_stopping(self, stop: Callable[[], Awaitable[None]]) -> None:
        await self._stopping.wait()
        await stop()

    def ended(self) -> None:
        """Call it when the event loop is closed, which waits for threads: nothing hangs then."""
        self._patience.cancel()

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)

    def _stop(self) -> None:
        if not self._stopping.is_set():
            self._patience.start()
        self._stop_runs.set()
        self._stopping.set()
        self._changed.set()
        for source in self._parts.sources:
            source.collector.cancel()

    async def _listen(self, options: server.Options, protection: Protection) -> server.Listener:
        views = Views(
            page=lambda: self._exposition.page,
            not_ready=self._not_ready,
            problem=self._problem,
            providers=lambda: provider_lines(self._exposition.snapshot, self._parts.clock()),
            sources=lambda: source_lines(self._exposition.snapshot),
            version=__version__,
        )
        try:
            return await server.start(views, options, protection)
        except OSError as error:
            raise FinopsError(
                f"cannot listen on {options.host}:{options.port}: {error.strerror}; end what "
                "listens there, or choose another with server.listen or --web.listen-address"
            ) from error

    def _first_page(self) -> None:
        self._prepare()
        if self._start_problem is None:
            self._exposition.refresh(self._parts.clock())
        else:
            self._exposition.keep(self._start_problem)

    def _prepare(self) -> None:
        try:
            migrate(self._parts.database)
            self._parts.look()
            if self._parts.budgets is not None:
                _apply(self._parts.database, self._parts.budgets, self._parts.clock())
        except StoreError as error:
            if str(error) != str(self._start_problem):
                log.warning("the database cannot be used yet", error=str(error))
            self._start_problem = error
        else:
            self._start_problem = None

    async def _collect(self) -> None:
        while self._start_problem is not None and not self._stopping.is_set():
            await _wait(self._stopping, RETRY_SECONDS)
            await asyncio.to_thread(self._prepare)
        if self._stopping.is_set():
            return
        patience = Patience.until(self._stop_runs, self._parts.clock)
        scheduler = Scheduler(
            Kernel(self._parts.database, patience, self._stop_runs),
            self._parts.sources,
            after=self._changed.set,
            surroundings=Surroundings(self._parts.clock),
            at_once=self._parts.at_once,
        )
        async with asyncio.TaskGroup() as group:
            group.create_task(scheduler.run())
            await self._stopping.wait()
            scheduler.stop()

    async def _count(self, customers: Customers) -> None:
        while not self._stopping.is_set():
            wait = RETRY_SECONDS
            if self._start_problem is None:
                now = self._parts.clock()
                asked = asyncio.to_thread(count, self._parts.database, customers, now)
                counting = asyncio.create_task(asked)
                await asyncio.wait({counting})
                if mistake := counting.exception():
                    log.error("customers could not be counted", exc_info=mistake)
                else:
                    wait = counting.result().total_seconds()
                    self._changed.set()
            await _wait(self._stopping, wait)

    async def _refresh_forever(self, first: asyncio.Task[None]) -> None:
        interval = self._parts.refresh.total_seconds()
        was_up = True
        reading: asyncio.Task[None] | None = first
        while not self._stopping.is_set():
            await _wait(self._changed, interval)
            self._changed.clear()
            reading = reading or asyncio.create_task(self._refresh())
            await asyncio.wait({reading}, timeout=ANSWER_SECONDS)
            if reading.done():
                if mistake := reading.exception():
                    # A mistake of ours: the last good page stays, and its age shows.
                    log.error("the pages could not be built anew", exc_info=mistake)
                reading = None
            else:
                # One read at a time: a database that hangs must not take a thread at every turn.
                self._exposition.keep(StoreError("the database does not answer"))
            problem = self._exposition.problem
            if (problem is None) != was_up:
                was_up = problem is None
                if problem is None:
                    log.info("the database is back")
                else:
                    log.warning(
                        "the database is gone; the last good values stay", error=str(problem)
                    )

    async def _refresh(self) -> None:
        await asyncio.to_thread(self._look_and_refresh)

    def _look_and_refresh(self) -> None:
        self._parts.look()
        self._exposition.refresh(self._parts.clock())

    def _not_ready(self) -> list[str]:
        if self._exposition.is_ready:
            return []
        problem = self._start_problem or self._exposition.problem
        return [str(problem) if problem else "the first snapshot is being built"]

    def _problem(self) -> str:
        problem = self._exposition.problem
        return f"The last good values are shown: {problem}" if problem else ""


def _apply(database: Database, budgets: Sequence[Budget], now: datetime) -> None:
    """Take the configured budgets over, and tell what that changed: others may rely on those."""
    applied = apply_configured(database, budgets, now)
    if applied.changed:
        log.info("budgets changed: as the configuration has them", budgets=applied.changed)
    if applied.ended:
        log.warning("budgets ended: the configuration has them no more", budgets=applied.ended)


def _leave() -> None:
    """End the process although a thread waits for a database that does not answer."""
    log.error("a run did not end in time; what it has not committed is rolled back")
    os._exit(1)


def _url(scheme: str, host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 -- compares only
    return f"{scheme}://{f'[{shown}]' if ':' in shown and '[' not in shown else shown}:{port}"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
