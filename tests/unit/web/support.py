"""A server of ours inside the test, and what it answers over a real socket."""

from __future__ import annotations

import asyncio
import gzip
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import ClientSession

from finops_exporter.web.protection import Protection
from finops_exporter.web.server import Listener, Options, start
from finops_exporter.web.views import ProviderLine, SourceLine, Views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping, Sequence

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Body:
    identity: Sequence[bytes]
    gzip: Sequence[bytes]


@dataclass(frozen=True)
class Page:
    text: Body
    openmetrics: Body


def body(*chunks: bytes) -> Body:
    """A body in both encodings; the packed one comes in several chunks as well."""
    packed = gzip.compress(b"".join(chunks))
    half = len(packed) // 2
    return Body(chunks, (packed[:half], packed[half:]))


def views_of(page: Page) -> Views:
    return Views(
        page=lambda: page,
        not_ready=list,
        problem=str,
        providers=lambda: [ProviderLine("<aws>", "2026-11", "2026-11-20", "12 hours ago")],
        sources=lambda: [SourceLine("bill", "failed", "2026-11-21 06:00", "never", "no <file>")],
        version="1.2.3",
    )


LARGE = body(b"x 1\n" * 300, b"", b"y 2\n" * 200)
OPEN = body(b"x 1.0\n" * 500, b"# EOF\n")
VIEWS = views_of(Page(LARGE, OPEN))
MEGABYTE = b"x" * 999_999 + b"\n"
HUGE = views_of(Page(*[Body((MEGABYTE,) * 60, (MEGABYTE,))] * 2))
OPTIONS = Options(LOOPBACK, 0)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@asynccontextmanager
async def serving(
    views: Views = VIEWS, options: Options = OPTIONS, protection: Protection | None = None
) -> AsyncIterator[Listener]:
    listener = await start(views, options, protection or Protection(None, {}))
    try:
        yield listener
    finally:
        await listener.stop()


def ask(
    path: str,
    method: str = "GET",
    *,
    views: Views = VIEWS,
    options: Options = OPTIONS,
    headers: Mapping[str, str] | None = None,
    data: bytes | None = None,
) -> Answer:
    """One request over a real socket; the body comes as it was sent."""

    async def go() -> Answer:
        async with (
            serving(views, options) as listener,
            ClientSession(auto_decompress=False, skip_auto_headers=["Accept-Encoding"]) as session,
            session.request(
                method,
                f"http://{LOOPBACK}:{listener.port}{path}",
                headers=headers,
                data=data,
            ) as got,
        ):
            return Answer(got.status, dict(got.headers), await got.read())

    return asyncio.run(go())


async def raw(port: int, sent: bytes) -> bytes:
    """What comes back on a connection of its own until the server ends it in any way."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    found = bytearray()
    try:
        writer.write(sent)
        while data := await reader.read(1 << 16):
            found += data
    except ConnectionError:
        pass
    finally:
        writer.close()
    return bytes(found)


async def until(condition: Callable[[], bool]) -> None:
    """Let the server go on until the condition holds; pytest's own time limit is the end."""
    while not condition():  # noqa: ASYNC110 -- nothing tells a test what happens in the server
        await asyncio.sleep(0.005)
