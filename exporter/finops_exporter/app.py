"""The composition root: the only place that knows how the parts are put together."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar

from finops_exporter.asking import Asking, Patience
from finops_exporter.collectors import collector_class
from finops_exporter.config import Config, options_of
from finops_exporter.errors import CollectError, ConfigError, FinopsError, UsageError
from finops_exporter.exposition.families import Settings
from finops_exporter.kernel import Kernel, Source
from finops_exporter.model import Task
from finops_exporter.one_run import Report, pending, withdrawn
from finops_exporter.source_table import Planned
from finops_exporter.source_table import source_lines as read_source_lines
from finops_exporter.store import runs
from finops_exporter.store.database import Database
from finops_exporter.store.embedded import EmbeddedPostgres, default_data_dir
from finops_exporter.store.migrate import migrate, migrations
from finops_exporter.store.migrate import pending as pending_migrations

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from decimal import Decimal

    from finops_exporter.model import Api, Plan, Progress, Window
    from finops_exporter.source_table import SourceLine

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SourcePlan:
    """What a run of a source would do, for people."""

    source: str
    plan: Plan
    unchanged: int
    withdrawn: tuple[str, ...]
    daily_usd: Decimal
    cap_usd: Decimal


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
        except ValueError as error:
            problems.append(str(entry.place.error("tags", str(error))))
            continue
        lag = kind.default_lag if entry.lag is None else entry.lag
        source = Source(collector, entry.interval, entry.timeout, lag, entry.daily_cap_usd)
        if low := source.low_cap({}):
            problems.append(str(entry.place.error("daily_cap_usd", low)))
        found.append(source)
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
        intervals={source.name: source.interval for source in configured},
        providers={
            source.name: provider
            for source in configured
            if (provider := source.collector.provider) is not None
        },
        rate=config.billing.rate,
        names={key: account.name for key, account in accounts.items() if account.name},
        owners={key: account.owner for key, account in accounts.items() if account.owner},
        max_series=config.server.max_series,
        anomaly_method=config.anomalies.method,
        forecast_method=config.forecasts.method,
        counts_customers=config.customers.is_known,
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
            embedded = _embedded(config, env)
            stack.callback(embedded.stop)
            url = embedded.start()
        database = Database(url, pool_size=config.database.pool_size, wait_seconds=wait)
        database.open()
        stack.callback(database.close)
        yield database


def _embedded(config: Config, env: Mapping[str, str]) -> EmbeddedPostgres:
    return EmbeddedPostgres(config.database.data_dir or default_data_dir(env))


@contextmanager
def store_of(config: Config, env: Mapping[str, str]) -> Iterator[Database]:
    """The same with its schema brought up to date: for the commands that need it now."""
    with database_of(config, env) as database:
        database.probe()
        migrate(database)
        yield database


@contextmanager
def readable_store_of(
    config: Config,
    env: Mapping[str, str],
    nothing: str = "no cost is stored yet; run: finops-exporter collect --once --config FILE",
) -> Iterator[Database]:
    """The database for reading alone; raises FinopsError when its schema is not ours yet.

    `nothing` is said where there is no schema at all.
    """
    if config.database.url is None and not _embedded(config, env).exists:
        raise FinopsError(nothing)
    with database_of(config, env) as database:
        database.probe()
        missing = pending_migrations(database)
        if missing == list(migrations()):
            raise FinopsError(nothing)
        if missing:
            raise FinopsError(
                f"the schema lacks {len(missing)} migrations; run: finops-exporter migrate"
            )
        yield database


def collect_once(
    database: Database,
    chosen_sources: Sequence[Source],
    window: Window | None = None,
    progress: Callable[[str, Progress], None] | None = None,
) -> list[Report]:
    """Run each source once, one after the other."""
    stop = threading.Event()
    patience = Patience.until(stop, utc_now)
    kernel = (
        Kernel(database, patience, stop, progress) if progress else Kernel(database, patience, stop)
    )
    return [kernel.run(source, window) for source in chosen_sources]


def source_lines(config: Config, database: Database) -> list[SourceLine]:
    """How each configured source stands, and each that was removed."""
    configured = {one.name: Planned(one.interval, one.lag) for one in sources(config)}
    return read_source_lines(database, configured, utc_now())


def migrate_store(database: Database, *, dry_run: bool) -> list[str]:
    """Apply what is missing in the schema (or only name it); the names of the migrations."""
    todo = pending_migrations(database) if dry_run else migrate(database)
    return [migration.name for migration in todo]


def plans(
    database: Database, chosen_sources: Sequence[Source], window: Window | None = None
) -> list[SourcePlan]:
    """What a run would read, without reading it; a database without a schema stores nothing yet."""
    is_new = pending_migrations(database) == list(migrations())
    return [_plan(database, source, window, is_new=is_new) for source in chosen_sources]


class OfflineError(CollectError):
    """The plan cannot be told without asking the cloud."""


def offline_plan(source: Source) -> SourcePlan:
    """What a first run would read, asking neither database nor cloud; raises OfflineError."""

    def refuse(api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None) -> T:
        del call, prepare
        raise OfflineError(f"what it would read is known only to {api.name}, which is not asked")

    task = Task(utc_now(), lag=source.lag)
    return _source_plan(source, source.collector.plan(task, refuse), task)


def _plan(database: Database, source: Source, window: Window | None, *, is_new: bool) -> SourcePlan:
    now = utc_now()
    with database.connection() as connection:
        stored = {} if is_new else runs.fingerprints(connection, source.name)
        patience = Patience.until(threading.Event(), utc_now)
        asking = Asking(connection, source.collector, now + source.timeout, patience)
        asking.cap_usd = source.cap(stored)
        task = Task(now, window, stored, source.lag)
        plan = source.collector.plan(task, _uncounted if is_new else asking)
    return _source_plan(source, plan, task)


def _uncounted(api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None) -> T:
    """Asks what a plan may ask where there is no schema yet to count it in."""
    del api
    prepare()
    return call()


def _source_plan(source: Source, plan: Plan, task: Task) -> SourcePlan:
    todo, stored = pending(plan, task), task.stored
    return SourcePlan(
        source=source.name,
        plan=todo,
        unchanged=len(plan.parts) - len(todo.parts),
        withdrawn=tuple(withdrawn(plan, stored)),
        daily_usd=source.daily_usd(stored),
        cap_usd=source.cap(stored),
    )
