"""The composition root: the only place that knows how the parts are put together."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from pydantic import ValidationError

from finops_exporter import __version__, demo
from finops_exporter.collectors import collector_class
from finops_exporter.config import Config, Server, load, options_of
from finops_exporter.errors import ConfigError, FinopsError, StoreError, UsageError
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.exposition.render import CONTENT_TYPE
from finops_exporter.exposition.snapshot import Settings
from finops_exporter.model import Progress, utc_midnight
from finops_exporter.scheduler import Kernel, Report, Scheduler, Source, pending, withdrawn
from finops_exporter.store import runs
from finops_exporter.store.database import Database
from finops_exporter.store.embedded import EmbeddedPostgres, default_data_dir
from finops_exporter.store.migrate import migrate, migrations
from finops_exporter.store.migrate import pending as pending_migrations
from finops_exporter.web import server

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from aiohttp import web

    from finops_exporter.model import Plan, Window

log = structlog.get_logger()

RETRY_SECONDS = 5.0
"""How long to wait before the database is tried again at start."""

STOP_SECONDS = 15.0
"""How long runs under way may take to end after SIGTERM."""


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What a run of a source would do, for people."""

    source: str
    plan: Plan
    unchanged: int
    withdrawn: tuple[str, ...]


def utc_now() -> datetime:
    """The clock; everything below gets the time as an argument."""
    return datetime.now(UTC)


def sources(config: Config) -> list[Source]:
    """The configured sources; raises ConfigError with every mistake in their options."""
    found, problems = [], []
    for entry in config.collectors:
        try:
            kind = collector_class(entry.type)
        except LookupError as error:
            problems.append(str(entry.place.error("type", str(error.args[0]))))
            continue
        try:
            collector = kind(entry.name, options_of(entry, kind.Config), config.tags)
        except ConfigError as error:
            problems.append(str(error))
            continue
        lag = kind.default_lag if entry.lag is None else entry.lag
        found.append(Source(collector, entry.interval, entry.timeout, lag))
    if problems:
        raise ConfigError("\n".join(problems))
    return found


def chosen(config: Config, names: Sequence[str]) -> list[Source]:
    """The sources called `names` (all, if none is named); raises UsageError for an unknown one."""
    configured = {source.name: source for source in sources(config)}
    for name in names:
        if name not in configured:
            known = ", ".join(configured) or "none is configured"
            raise UsageError(f"there is no source {name!r} (configured: {known})")
    return [configured[name] for name in names] if names else list(configured.values())


def settings(config: Config, configured: Sequence[Source]) -> Settings:
    """What the snapshot needs to know of the configuration."""
    accounts = {(account.provider, account.id): account for account in config.accounts}
    return Settings(
        basis=config.billing.basis,
        hold=timedelta(days=config.billing.period_hold_days),
        tags=tuple(config.tags),
        lags={source.name: source.lag for source in configured},
        rate=config.billing.rate,
        names={key: account.name for key, account in accounts.items() if account.name},
        owners={key: account.owner for key, account in accounts.items() if account.owner},
    )


@contextmanager
def database_of(
    config: Config, env: Mapping[str, str], *, wait: float = 10.0
) -> Iterator[Database]:
    """The configured database, or the embedded one; raises StoreError when it does not start."""
    with ExitStack() as stack:
        if config.database.url is not None:
            url = config.database.url.get_secret_value()
        else:
            embedded = EmbeddedPostgres(config.database.data_dir or default_data_dir(env))
            stack.callback(embedded.stop)
            url = embedded.start()
        database = Database(url, pool_size=config.database.pool_size, wait_seconds=wait)
        database.open()
        stack.callback(database.close)
        yield database


@contextmanager
def store_of(config: Config, env: Mapping[str, str]) -> Iterator[Database]:
    """The same with its schema brought up to date: for the commands that need it now."""
    with database_of(config, env) as database:
        migrate(database)
        yield database


def collect_once(
    database: Database,
    chosen_sources: Sequence[Source],
    window: Window | None = None,
    progress: Callable[[str, Progress], None] | None = None,
) -> list[Report]:
    """Run each source once, one after the other."""
    stop = threading.Event()
    kernel = (
        Kernel(database, utc_now, stop, progress) if progress else Kernel(database, utc_now, stop)
    )
    return [kernel.run(source, window) for source in chosen_sources]


def migrate_store(database: Database, *, dry_run: bool) -> list[str]:
    """Apply what is missing in the schema (or only name it); the names of the migrations."""
    todo = pending_migrations(database) if dry_run else migrate(database)
    return [migration.name for migration in todo]


def listening_on(config: Config, listen: str) -> Config:
    """The configuration with another `server.listen`; raises UsageError when it is none."""
    try:
        changed = Server(listen=listen, refresh=config.server.refresh)
    except ValidationError as error:
        raise UsageError(f"--web.listen-address: must be HOST:PORT, not {listen!r}") from error
    return config.model_copy(update={"server": changed})


@dataclass(frozen=True, slots=True)
class Demo:
    """A demo that was made and collected."""

    config_file: Path
    config: Config
    reports: list[Report]


def make_demo(
    folder: Path | None,
    listen: str,
    env: Mapping[str, str],
    progress: Callable[[str, Progress], None],
) -> Demo:
    """Write the demo's bills and its configuration below `folder`, and collect them for real."""
    home = (folder or default_data_dir(env).parent / "demo").absolute()
    bills = home / "billing"
    try:
        bills.mkdir(parents=True, exist_ok=True)
        demo.generate(
            utc_now(), bills, progress=lambda done, of: progress("demo", Progress("", done, of))
        )
        config_file = home / "config.yaml"
        text = demo.config_text(bills, listen=listen, data_dir=home / "postgres")
        config_file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise FinopsError(f"cannot write the demo below {home}: {error.strerror}") from error
    # Not with the caller's environment: DATABASE_URL would put invented money into a real store.
    config = load(config_file, {})
    with store_of(config, env) as database:
        reports = collect_once(database, sources(config), progress=progress)
    return Demo(config_file, config, reports)


def plans(
    database: Database, chosen_sources: Sequence[Source], window: Window | None = None
) -> list[SourcePlan]:
    """What a run would read, without reading it; a database without a schema stores nothing yet."""
    found = []
    is_new = pending_migrations(database) == list(migrations())
    for source in chosen_sources:
        with database.connection() as connection:
            stored = {} if is_new else runs.fingerprints(connection, source.name)
        plan = source.collector.plan(window)
        todo = pending(plan, stored)
        gone = tuple(withdrawn(plan, stored))
        found.append(SourcePlan(source.name, todo, len(plan.parts) - len(todo.parts), gone))
    return found


def serve(
    config: Config, env: Mapping[str, str], started: Callable[[str], None] = lambda _url: None
) -> None:
    """Collect on schedule and serve /metrics until SIGTERM or SIGINT; `started` gets the URL."""
    configured = sources(config)
    with database_of(config, env) as database:
        service = Service(config, database, configured)
        asyncio.run(service.run(started))


def collect_on_schedule(config: Config, env: Mapping[str, str], names: Sequence[str]) -> None:
    """Collect on schedule without serving, until SIGTERM or SIGINT."""
    configured = chosen(config, names)
    with store_of(config, env) as database:
        asyncio.run(Service(config, database, configured).collect_only())


class Service:
    """The long-running process: the schedule, the refresh of the snapshot, and the pages."""

    def __init__(self, config: Config, database: Database, configured: Sequence[Source]) -> None:
        self._config = config
        self._database = database
        self._sources = configured
        self._exposition = Exposition(database, settings(config, configured))
        self._stopping = asyncio.Event()
        self._stop_runs = threading.Event()
        self._changed = asyncio.Event()
        self._patience = threading.Timer(STOP_SECONDS, _leave)
        self._patience.daemon = True
        self._start_problem: StoreError | None = StoreError("the database is not prepared yet")

    async def run(self, started: Callable[[str], None]) -> None:
        """Serve at once; collect as soon as the database can be used."""
        self._watch_signals()
        host, port = self._config.server.address
        # The first page, before anybody can ask: the last good data, if the database is there.
        await asyncio.to_thread(self._first_page)
        runner, port = await self._listen(host, port)
        started(_url(host, port))
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._refresh_forever())
                group.create_task(self._collect())
                await self._stopping.wait()
                log.info("stopping")
        finally:
            await runner.cleanup()
            self._patience.cancel()

    async def collect_only(self) -> None:
        """Run the schedule alone."""
        self._watch_signals()
        self._start_problem = None
        async with asyncio.TaskGroup() as group:
            group.create_task(self._collect())
            await self._stopping.wait()
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
        for source in self._sources:
            source.collector.cancel()

    async def _listen(self, host: str, port: int) -> tuple[web.AppRunner, int]:
        views = server.Views(
            page=lambda: self._exposition.page,
            content_type=CONTENT_TYPE,
            not_ready=self._not_ready,
            ages=self._ages,
            version=__version__,
        )
        try:
            return await server.start(server.application(views), host, port)
        except OSError as error:
            raise FinopsError(
                f"cannot listen on {host}:{port}: {error.strerror}; end what listens there, or "
                "choose another with server.listen or --web.listen-address"
            ) from error

    def _first_page(self) -> None:
        self._prepare()
        if self._start_problem is None:
            self._exposition.refresh(utc_now())
        else:
            self._exposition.keep(self._start_problem)

    def _prepare(self) -> None:
        try:
            migrate(self._database)
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
        kernel = Kernel(self._database, utc_now, self._stop_runs)
        # One connection is left for the pages.
        at_once = self._config.database.pool_size - 1
        scheduler = Scheduler(kernel, self._sources, self._changed.set, at_once)
        async with asyncio.TaskGroup() as group:
            group.create_task(scheduler.run())
            await self._stopping.wait()
            scheduler.stop()

    async def _refresh_forever(self) -> None:
        interval = self._config.server.refresh.total_seconds()
        was_up = True
        while not self._stopping.is_set():
            await _wait(self._changed, interval)
            self._changed.clear()
            await asyncio.to_thread(self._exposition.refresh, utc_now())
            problem = self._exposition.problem
            if (problem is None) != was_up:
                was_up = problem is None
                if problem is None:
                    log.info("the database is back")
                else:
                    log.warning(
                        "the database is gone; the last good values stay", error=str(problem)
                    )

    def _not_ready(self) -> list[str]:
        if self._exposition.snapshot is not None:
            return []
        problem = self._start_problem or self._exposition.problem
        return [str(problem) if problem else "the first snapshot is being built"]

    def _ages(self) -> list[server.ProviderAge]:
        snapshot = self._exposition.snapshot
        return [
            server.ProviderAge(
                time.provider,
                time.newest_complete.isoformat(),
                _age(utc_now() - utc_midnight(time.newest_complete) - timedelta(days=1)),
            )
            for time in (snapshot.times if snapshot else ())
        ]


def _leave() -> None:
    """End the process although a thread waits for a database that does not answer."""
    log.error("a run did not end in time; what it has not committed is rolled back")
    os._exit(1)


def _age(age: timedelta) -> str:
    if age >= timedelta(days=2):
        return f"{age.days} days ago"
    return f"{max(0, round(age.total_seconds() / 3600))} hours ago"


def _url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 -- compares only
    return f"http://{f'[{shown}]' if ':' in shown and '[' not in shown else shown}:{port}"


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
