"""Listens for clients and ends orderly: answers under way are finished, nothing new begins."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.web.connection import Clients
from finops_exporter.web.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from finops_exporter.web.protection import Protection
    from finops_exporter.web.views import Views

NAME = "finops-exporter"

HANDSHAKE_SECONDS = 10.0
"""How long a client may take for a TLS handshake, and for its end."""

FINISH_SECONDS = 2.0
"""How long answers under way may take when the process ends."""


@dataclass(frozen=True, slots=True)
class Options:
    """How to serve; port 0 is any free one.

    `write_seconds` is how long an answer may take where the client does not say how long it waits.
    """

    host: str
    port: int
    telemetry_path: str = "/metrics"
    show_version: bool = False
    write_seconds: float = 30.0
    max_connections: int = 512


class Listener:
    """Serves until it is stopped; `port` is where."""

    def __init__(self, listening: asyncio.Server, clients: Clients) -> None:
        self._listening = listening
        self._clients = clients
        self.port = int(listening.sockets[0].getsockname()[1])

    @property
    def open(self) -> int:
        """How many connections there are."""
        return len(self._clients.connections)

    @property
    def turned_away(self) -> int:
        """How many clients did not come in because there were too many."""
        return self._clients.turned_away

    async def stop(self) -> None:
        """Refuse new clients, end idle connections, and finish what is under way, within 2 s."""
        self._listening.close()
        await asyncio.sleep(0)  # a request that has just come in counts as under way
        await self._clients.stop(FINISH_SECONDS)


class PagesListener(Listener):
    """Serves the pages, and follows the web configuration."""

    def __init__(self, listening: asyncio.Server, clients: Clients, protection: Protection) -> None:
        super().__init__(listening, clients)
        self._protection = protection
        self._watching = asyncio.create_task(protection.watch())

    async def stop(self) -> None:
        """The same; after that, nobody's password is checked any more."""
        await super().stop()
        self._watching.cancel()
        await asyncio.wait({self._watching})
        self._protection.close()


async def start(views: Views, options: Options, protection: Protection) -> PagesListener:
    """Serve the pages; raises OSError when it cannot listen there."""
    headers = headers_of(views.version if options.show_version else "", protection)
    pages = Pages(
        views,
        admits=protection.admits,
        headers=headers,
        telemetry_path=options.telemetry_path,
        show_version=options.show_version,
    )
    clients = Clients(
        pages,
        headers=headers,
        write_seconds=options.write_seconds,
        most=options.max_connections,
        allows=protection.may_come_in,
    )
    listening = await listen(clients, options.host, options.port, protection)
    return PagesListener(listening, clients, protection)


def headers_of(version: str, protection: Protection) -> Callable[[], Mapping[str, str]]:
    """What gives the headers of every answer; `version` may be empty."""
    name = f"{NAME}/{version}" if version else NAME
    return lambda: {"Server": name, **protection.headers}


async def listen(clients: Clients, host: str, port: int, protection: Protection) -> asyncio.Server:
    """Let clients in, over TLS where the protection says so; raises OSError."""
    with_tls = protection.ssl_context is not None
    return await asyncio.get_running_loop().create_server(
        clients,
        host,
        port,
        backlog=128,
        ssl=protection.ssl_context,
        ssl_handshake_timeout=HANDSHAKE_SECONDS if with_tls else None,
        ssl_shutdown_timeout=HANDSHAKE_SECONDS if with_tls else None,
    )
