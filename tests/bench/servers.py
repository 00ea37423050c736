"""The servers of the scrape benchmark, one to a process, started as a module: KIND SERIES.

Prints the port on which it listens (loopback only) and ends when its standard input does, so that
none outlives the benchmark, however that ends. The line "trace" there begins to count what is
allocated from then on; "peak" prints the most of it that was held at once, in bytes.
"""

from __future__ import annotations

import asyncio
import sys
import tracemalloc
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import start_http_server

from finops_exporter.web import negotiation, protection, server, views

from .samples import families, ready_page, registry

if TYPE_CHECKING:
    from finops_exporter.exposition.metric import Family

LOOPBACK = "127.0.0.1"


def main(kind: str, series: int) -> None:
    """Serve `series` samples with the server called `kind` until standard input ends."""
    given = families(series)
    if kind == "prometheus_client":
        httpd, _ = start_http_server(0, LOOPBACK, registry(given))
        _announce(httpd.server_port)
        _obey()
    else:
        asyncio.run({"ours": _ours, "aiohttp": _bare, "post": _post}[kind](given))


async def _ours(given: list[Family]) -> None:
    ready = ready_page(given)
    shown = views.Views(lambda: ready, list, str, list, list, "bench")
    listener = await server.start(
        shown, server.Options(LOOPBACK, 0), protection.Protection(None, {})
    )
    _announce(listener.port)
    await asyncio.to_thread(_obey)
    await listener.stop()


async def _bare(given: list[Family]) -> None:
    """The least that aiohttp can do: bytes that are there, chosen by the path alone."""
    ready = ready_page(given)
    plain, packed = b"".join(ready.text.identity), b"".join(ready.text.gzip)
    headers = {"Content-Type": negotiation.TEXT}

    async def identity(_request: web.Request) -> web.Response:
        return web.Response(body=plain, headers=headers)

    async def gzip(_request: web.Request) -> web.Response:
        return web.Response(body=packed, headers={**headers, "Content-Encoding": "gzip"})

    app = web.Application()
    app.router.add_get("/identity", identity)
    app.router.add_get("/gzip", gzip)
    await _serve(app)


async def _post(_given: list[Family]) -> None:
    """The least that an API can do: JSON is read, and some other JSON is answered."""

    async def answer(request: web.Request) -> web.Response:
        asked = await request.json()
        return web.json_response({"request_id": asked["request_id"], "allowed": True})

    app = web.Application()
    app.router.add_post("/api/ai-budget/{path}", answer)
    await _serve(app)


async def _serve(app: web.Application) -> None:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    _announce(runner.addresses[0][1])
    await asyncio.to_thread(_obey)
    await runner.cleanup()


def _obey() -> None:
    for line in sys.stdin:
        if line == "trace\n":
            tracemalloc.stop()
            tracemalloc.start()
        _announce(tracemalloc.get_traced_memory()[1])


def _announce(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
