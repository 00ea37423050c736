"""The ledger in a process that serves it: with its journal, its upkeep and its API."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from finops_exporter.ai_budget import api
from finops_exporter.ai_budget.ledger import Ledger
from finops_exporter.ai_budget.meters import Meters
from finops_exporter.ai_budget.pricing import PriceList, tokens_of
from finops_exporter.ai_budget.upkeep import Upkeep
from finops_exporter.ai_model import Terms
from finops_exporter.errors import FinopsError
from finops_exporter.store import tokens
from finops_exporter.store.ledger import ContendedError, LockedError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from prometheus_client import CollectorRegistry

    from finops_exporter.ai_budget.fail_open import FailOpen
    from finops_exporter.ai_config import Ai
    from finops_exporter.api_token import ApiToken
    from finops_exporter.store.database import Database
    from finops_exporter.web.protection import Protection

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of.

    `database` is a pool of its own, in which nothing slow is in the way; it is opened and closed.
    `registry` is shown with the process's metrics; `server_version` goes with every answer.
    """

    database: Database
    config: Ai
    protection: Protection
    registry: CollectorRegistry
    clock: Callable[[], datetime]
    max_connections: int
    server_version: str = ""


class AiService:
    """Serves the API until it is stopped; to be made in a running event loop.

    Raises FinopsError where the journal cannot be used.
    """

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._stack = ExitStack()
        parts.database.open()
        self._stack.callback(parts.database.close)
        self._stopping = asyncio.Event()
        config = parts.config
        # Where nothing is enforced, unknown tenants are not refused either.
        denies = config.unknown_tenant == "deny" and config.enforce
        terms = Terms(config.hold, denies, config.enforce)
        meters = Meters(parts.registry)
        self._stack.callback(meters.close)
        self._fail_open = self._with_journal(terms)
        self._prices = PriceList(config.prices, config.unknown_model)
        self._ledger = Ledger(parts.database, terms, meters, fail_open=self._fail_open)
        self._upkeep = Upkeep(
            parts.database,
            config,
            self._prices,
            meters,
            clock=parts.clock,
            fail_open=self._fail_open,
        )
        self._api: api.AiApi | None = None

    async def start(self) -> tuple[str, int]:
        """Listen; where. Raises FinopsError when it cannot listen there."""
        config = self._parts.config
        wanted = api.Parts(
            self._ledger,
            self._prices,
            tokens_of,
            self._tokens,
            self._parts.protection,
            self._parts.clock,
        )
        try:
            self._api = await api.start(
                wanted,
                config,
                max_connections=self._parts.max_connections,
                server_version=self._parts.server_version,
            )
        except OSError as error:
            raise FinopsError(
                f"cannot listen on {config.listen}: {error.strerror}; end what listens there, or "
                "choose another with ai.listen, or set ai.enabled to false"
            ) from error
        return config.address[0], self._api.listener.port

    async def run(self) -> None:
        """Keep the ledger up until `stop`."""
        await self._upkeep.run(self._ledger, self._stopping)

    async def stop(self) -> None:
        """Finish what is under way, decide what waits, and give back what was set aside."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        if self._api is not None:
            await self._api.stop()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._ledger.stop()
        try:
            if self._fail_open is not None:
                with self._parts.database.connection() as connection:
                    self._fail_open.give_back(connection)
        except (FinopsError, ContendedError, LockedError) as error:
            log.warning("what was set aside could not be given back", error=str(error))
        finally:
            self._stack.close()

    def _with_journal(self, terms: Terms) -> FailOpen | None:
        folder = self._parts.config.journal_dir
        if folder is None:
            return None
        from finops_exporter.ai_budget.fail_open import FailOpen  # noqa: PLC0415 -- few have one
        from finops_exporter.ai_budget.journal import Journal  # noqa: PLC0415 -- the same

        journal = Journal(folder)
        fail_open = FailOpen(journal, terms, self._parts.clock, lambda: None)
        self._stack.callback(fail_open.close)
        return fail_open

    def _tokens(self) -> Sequence[ApiToken]:
        return tokens.tokens(self._parts.database)
