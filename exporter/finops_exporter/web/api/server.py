"""Listens for the clients of an API, beside the pages and with the same TLS."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from finops_exporter.web.api.docs_page import docs_page
from finops_exporter.web.api.openapi import OPENAPI_PATH, document
from finops_exporter.web.api.problem import DOCS_PATH
from finops_exporter.web.api.rate import Rates
from finops_exporter.web.api.service import Api, File, complaint
from finops_exporter.web.api.writing import to_json
from finops_exporter.web.connection import Clients
from finops_exporter.web.server import Listener, headers_of, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from finops_exporter.web.api.bearer import Bearers
    from finops_exporter.web.api.openapi import Json
    from finops_exporter.web.api.route import Route
    from finops_exporter.web.protection import Protection

POLICY = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"
"""The docs page needs its own style and nothing else."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve an API; port 0 is any free one. `per_second` is for each token; None: no limit.

    `version` is that of the API; `server` that of what serves it, which is told if it is given.
    `write_seconds` is how long an answer may take.
    """

    host: str
    port: int
    title: str
    version: str
    about: str
    per_second: int | None = None
    server: str = ""
    write_seconds: float = 30.0
    max_connections: int = 512


async def start(
    routes: Sequence[Route[Any]],
    options: Options,
    *,
    bearers: Bearers,
    protection: Protection,
    clock: Callable[[], datetime],
) -> Listener:
    """Serve the routes and their description; raises OSError when it cannot listen there.

    Of the protection, TLS and headers are used: who may ask is told by tokens, not by its users.
    Whoever made it follows its file and closes it.
    """
    headers = headers_of(options.server, protection)
    rates = Rates(options.per_second, asyncio.get_running_loop().time)
    api = Api(
        routes,
        files(routes, options),
        bearers=bearers,
        rates=rates,
        headers=headers,
        clock=clock,
    )
    clients = Clients(
        api,
        headers=headers,
        write_seconds=options.write_seconds,
        most=options.max_connections,
        allows=protection.may_come_in,
        complaint=complaint,
        takes_bodies=True,
    )
    return Listener(await listen(clients, options.host, options.port, protection), clients)


def files(routes: Sequence[Route[Any]], options: Options) -> Mapping[str, File]:
    """The description of the routes by its paths, for programs and for people."""

    @cache
    def described() -> Json:
        about = options.about
        return document(routes, title=options.title, version=options.version, about=about)

    html = {"Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": POLICY}
    return {
        OPENAPI_PATH: File(
            cache(lambda: to_json(described())), {"Content-Type": "application/json"}
        ),
        DOCS_PATH: File(cache(lambda: docs_page(routes, described()).encode()), html),
    }
