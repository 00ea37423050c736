"""The API of AI budgets: our real `serve --only api` on PostgreSQL beside a bare aiohttp one."""

from __future__ import annotations

import asyncio
import itertools
import json
import secrets
import tempfile
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.ai_model import BudgetChange
from finops_exporter.api_token import ApiToken, issue
from finops_exporter.store import ai_budgets, tokens
from integration.api_processes import PRICES
from integration.processes import COMMAND, as_url, configure, environment, free_port

from .harness import Row, bar, percentile99, say
from .postgres import database_url, opened
from .processes import first_answer, running, server
from .servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECTIONS = 16
CALL = {"tenant_id": "acme", "model": "small", "input_tokens": 1200}
REQUESTS = {
    "check": {**CALL, "max_output_tokens": 300},
    "track": {**CALL, "output_tokens": 150, "report_type": "chat"},
}


class Place(NamedTuple):
    """A server, and how to ask it."""

    port: int
    token: str


class Measured(NamedTuple):
    """Seconds between two answers, and the slowest of a hundred requests."""

    each: float
    p99: float


def rows(*, quick: bool) -> Iterator[Row]:
    """Checks, and reports of calls, over connections that stay open."""
    rounds, seconds = (3, 0.5) if quick else (5, 2.0)
    with _ours() as ours, server("post", 0) as bare:
        places = {"ours": ours, "bare": Place(bare.port, "nobody asks for it")}
        for path, body in REQUESTS.items():
            say(f"{path}, {CONNECTIONS} connections")
            found = _in_turns(places, path, body, rounds, seconds)
            what = f"AI {path} over HTTP, {CONNECTIONS} connections"
            baseline, taken = found["bare"], found["ours"]
            # Recorded: PostgreSQL and the API share the two cores that a bare handler has for
            # itself (docs/performance.md).
            most = bar(2, "at most", quick=quick)
            yield Row(
                what, "bare aiohttp POST", baseline.each, taken.each, most, "at most", gating=False
            )
            yield Row(f"{what}, p99", "bare aiohttp POST", baseline.p99, taken.p99, None, "at most")


@contextmanager
def _ours() -> Iterator[Place]:
    with tempfile.TemporaryDirectory() as folder, database_url() as url:
        made, now = issue(), datetime.now(UTC)
        with opened(url) as store:
            token = ApiToken(made.id, "bench", "service", (), made.digest, now, None)
            tokens.create(store, token, "bench")
            with store.connection() as connection:
                ai_budgets.put(connection, BudgetChange("acme", limit_usd=Decimal(10**8)))
        port, pages = free_port(), free_port()
        ai = {"listen": f"{LOOPBACK}:{port}", "prices": PRICES}
        listen = {"listen": f"{LOOPBACK}:{pages}"}
        config = configure(Path(folder), as_url(url), server=listen, ai=ai)
        command = (*COMMAND, "serve", "--only", "api", "--config", config)
        with running(*command, env=environment()) as process:
            first_answer(process, port, "/api/ai-budget/health")
            yield Place(port, made.text)


def _in_turns(
    places: dict[str, Place], path: str, body: dict[str, object], rounds: int, seconds: float
) -> dict[str, Measured]:
    taken: dict[str, list[Measured]] = {name: [] for name in places}
    for _ in range(rounds):
        for name, place in places.items():
            taken[name].append(asyncio.run(_load(place, path, body, seconds)))
    return {
        name: Measured(median(one.each for one in all_), median(one.p99 for one in all_))
        for name, all_ in taken.items()
    }


async def _load(place: Place, path: str, body: dict[str, object], seconds: float) -> Measured:
    loop = asyncio.get_running_loop()
    run = secrets.token_hex(4)
    names = (f"{run}-{number:012}" for number in itertools.count())
    taken: list[float] = []
    until = perf_counter() + seconds

    def request() -> bytes:
        text = json.dumps({"request_id": next(names), **body}).encode()
        return (
            f"POST /api/ai-budget/{path} HTTP/1.1\r\nHost: bench\r\n"
            f"Authorization: Bearer {place.token}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n"
        ).encode() + text

    began = perf_counter()
    clients = []
    for _ in range(CONNECTIONS):
        _, client = await loop.create_connection(
            lambda: _Client(request, until, taken), LOOPBACK, place.port
        )
        clients.append(client)
    await asyncio.gather(*(client.over for client in clients))
    return Measured((perf_counter() - began) / len(taken), percentile99(taken))


class _Client(asyncio.Protocol):
    """Asks again as soon as it is answered; with so little of its own that servers are measured."""

    def __init__(self, request: Callable[[], bytes], until: float, taken: list[float]) -> None:
        self._request = request
        self._until = until
        self._taken = taken
        self._answer = b""
        self._asked = 0.0
        self._transport: asyncio.Transport | None = None
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        length = head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0]
        if len(body) < int(length):
            return
        now = perf_counter()
        self._taken.append(now - self._asked)
        if not head.startswith(b"HTTP/1.1 200"):
            self.over.set_exception(AssertionError(self._answer.decode()))
        elif now < self._until:
            self._ask()
            return
        else:
            self.over.set_result(None)
        assert self._transport
        self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_exception(exc or ConnectionError("the server hung up"))

    def _ask(self) -> None:
        assert self._transport
        self._answer = b""
        self._asked = perf_counter()
        self._transport.write(self._request())
