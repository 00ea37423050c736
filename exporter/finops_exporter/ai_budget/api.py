"""Puts the API together: routes, tokens and a port."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from finops_exporter.ai_budget.handlers import Budgets
from finops_exporter.ai_budget.routes import ABOUT, TITLE, VERSION, routes
from finops_exporter.web.api import server
from finops_exporter.web.api.bearer import Bearers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from finops_exporter.ai_budget.service_ports import Ledger, PriceList, TokensOf
    from finops_exporter.ai_config import Ai
    from finops_exporter.api_token import ApiToken
    from finops_exporter.web.protection import Protection
    from finops_exporter.web.server import Listener

log = structlog.get_logger()

FIRST_TOKENS_SECONDS = 5.0
"""How long the port waits for the tokens to be read."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API is made of; `tokens` reads those that hold, in a thread, or raises FinopsError.

    `protection` gives TLS and headers; it is followed and closed by whoever serves the pages.
    """

    ledger: Ledger
    prices: PriceList
    tokens_of: TokensOf
    tokens: Callable[[], Iterable[ApiToken]]
    protection: Protection
    clock: Callable[[], datetime]


class AiApi:
    """Serves the API until it is stopped; `listener` tells where."""

    def __init__(self, listener: Listener, following: asyncio.Task[None]) -> None:
        self.listener = listener
        self._following = following

    async def stop(self) -> None:
        """Refuse new clients and finish what is under way, within 2 s."""
        await self.listener.stop()
        self._following.cancel()
        await asyncio.wait({self._following})


async def start(
    parts: Parts, config: Ai, *, max_connections: int = 512, server_version: str = ""
) -> AiApi:
    """Serve on the address of the configuration; raises OSError when it cannot listen there."""
    host, port = config.address
    bearers = Bearers()
    following = asyncio.create_task(bearers.follow(parts.tokens))
    following.add_done_callback(_tell_failure)
    with suppress(TimeoutError):
        # Better a port that is closed than one that knows nobody; but a database that does not
        # answer must not keep it closed.
        async with asyncio.timeout(FIRST_TOKENS_SECONDS):
            await bearers.tried.wait()
    options = server.Options(
        host,
        port,
        title=TITLE,
        version=VERSION,
        about=ABOUT,
        per_second=config.requests_per_second,
        server=server_version,
        max_connections=max_connections,
    )
    table = routes(Budgets(parts.ledger, parts.prices, parts.tokens_of, config, parts.clock))
    try:
        listener = await server.start(
            table, options, bearers=bearers, protection=parts.protection, clock=parts.clock
        )
    except OSError:
        following.cancel()
        raise
    return AiApi(listener, following)


def _tell_failure(following: asyncio.Task[None]) -> None:
    if not following.cancelled() and (mistake := following.exception()):
        log.error("tokens are not read any more, so none holds", exc_info=mistake)
