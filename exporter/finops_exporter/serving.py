"""Puts the long-running process together: what it serves, and what it is made of."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Literal, TypeAlias

import structlog
from prometheus_client import REGISTRY

from finops_exporter import __version__
from finops_exporter.app import chosen, database_of, settings, sources, store_of, utc_now
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.server_clock import ServerClock
from finops_exporter.service import Parts, Service, Urls
from finops_exporter.wal import watching
from finops_exporter.web.protection import Protection
from finops_exporter.web.server import Options

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from finops_exporter.ai_budget.service import AiService
    from finops_exporter.config import Config
    from finops_exporter.kernel import Source
    from finops_exporter.store.database import Database

log = structlog.get_logger()

Component: TypeAlias = Literal["metrics", "api"]

LEDGER_POOL = 4
"""Connections of the ledger: one decides, others answer questions and keep it up."""

LEDGER_WAIT_SECONDS = 2.0
LEDGER_STATEMENT_SECONDS = 5.0
LEDGER_LOCK_SECONDS = 0.5
"""How long the ledger waits for a connection, a statement and a lock: callers wait meanwhile."""


def serve(
    config: Config,
    env: Mapping[str, str],
    *,
    only: Component | None = None,
    started: Callable[[Urls], None] = lambda _urls: None,
) -> None:
    """Collect on schedule, serve /metrics and the API of AI budgets until SIGTERM or SIGINT.

    `only` leaves the other of the two out (the API still shows metrics of its own); `started` gets
    the URLs. Raises FinopsError when it cannot serve.
    """
    configured = sources(config) if only != "api" else []
    protected = protection(config, env)
    for warning in protected.warnings():
        log.warning(warning)
    with database_of(config, env) as database:
        parts = _parts(config, database, configured, shows_costs=only != "api")
        with_api = config.ai.enabled or only == "api"
        ai = partial(_ai_service, config, database, protected, parts.clock)
        service = Service(parts, ai if with_api and only != "metrics" else None)
        watched = config.postgres if only != "api" else ()
        with watching(watched, database, REGISTRY):
            asyncio.run(service.run(_options(config), protected, started))
        service.ended()


def protection(config: Config, env: Mapping[str, str]) -> Protection:
    """What the web configuration file says, if there is one; raises ConfigError."""
    return Protection(config.server.web_config_file, env)


def collect_on_schedule(config: Config, env: Mapping[str, str], names: Sequence[str]) -> None:
    """Collect on schedule without serving, until SIGTERM or SIGINT."""
    configured = chosen(config, names)
    with store_of(config, env) as database:
        service = Service(_parts(config, database, configured))
        asyncio.run(service.collect_only())
        service.ended()


def _options(config: Config) -> Options:
    host, port = config.server.address
    return Options(
        host,
        port,
        telemetry_path=config.server.telemetry_path,
        show_version=config.server.show_version,
        write_seconds=config.server.write_timeout.total_seconds(),
        max_connections=config.server.max_connections,
    )


def _parts(
    config: Config, database: Database, configured: Sequence[Source], *, shows_costs: bool = True
) -> Parts:
    ai = AiSettings(config.ai.max_tenants, config.server.max_series) if config.ai.enabled else None
    exposition = (
        Exposition(database, settings(config, configured), ai)
        if shows_costs
        else Exposition(database, None)
    )
    clock = ServerClock(database, utc_now)
    return Parts(
        database=database,
        sources=configured,
        budgets=config.configured_budgets() if shows_costs else None,
        customers=config.customers if config.customers.is_known and shows_costs else None,
        exposition=exposition,
        clock=clock,
        look=clock.look,
        refresh=config.server.refresh,
        # One connection is left for the pages.
        at_once=config.database.pool_size - 1,
    )


def _ai_service(
    config: Config, database: Database, protected: Protection, clock: Callable[[], datetime]
) -> AiService:
    # A process that serves metrics alone shall not hold what it never uses.
    from finops_exporter.ai_budget.service import AiService, Parts  # noqa: PLC0415

    ledger = database.sibling(
        pool_size=LEDGER_POOL,
        wait_seconds=LEDGER_WAIT_SECONDS,
        statement_seconds=LEDGER_STATEMENT_SECONDS,
        lock_seconds=LEDGER_LOCK_SECONDS,
    )
    return AiService(
        Parts(
            ledger,
            config.ai,
            protected,
            REGISTRY,
            clock,
            config.server.max_connections,
            __version__ if config.server.show_version else "",
        )
    )
