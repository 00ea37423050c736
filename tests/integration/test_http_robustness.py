"""Thousands of clients that do everything wrong, and others that scrape and must notice nothing.

The server runs in the test's own event loop, so that its tasks, sockets and log can be counted.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import logging
import os
import re
import tracemalloc
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from finops_exporter.web import connection
from unit.web.support import LOOPBACK, OPTIONS, VIEWS, Body, Page, raw, serving, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from finops_exporter.web.server import Listener

ROUNDS = 6
CLIENTS = 500
AT_ONCE = 50
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
STATUSES = {200, 400, 404, 405, 408, 413, 431, 505}

Dice = Random  # seeded: what failed once fails again


def dice_of(seed: float) -> Dice:
    return Random(seed)  # noqa: S311 -- nothing here is secret


def noise(dice: Dice) -> bytes:
    return dice.randbytes(dice.randrange(1, 3000))


def cut(dice: Dice) -> bytes:
    return SCRAPE[: dice.randrange(len(SCRAPE))]


def flipped(dice: Dice) -> bytes:
    """A good request with some bytes changed."""
    data = bytearray(SCRAPE * dice.randrange(1, 4))
    for _ in range(dice.randrange(1, 6)):
        data[dice.randrange(len(data))] = dice.choice((0, 9, 10, 13, 32, 58, 127, 128, 255))
    return bytes(data)


def giant(dice: Dice) -> bytes:
    line = b"X-%d: %b\r\n" % (dice.randrange(100), b"a" * dice.randrange(1, 20_000))
    return b"GET /metrics HTTP/1.1\r\n" + line * dice.randrange(1, 200) + b"\r\n"


def chunked(dice: Dice) -> bytes:
    size = dice.choice((b"-1", b"0x5", b"ffffffffffffffffff", b"5;a=b", b"", b" 5", b"5\n", b"zz"))
    return (
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        + size
        + b"\r\nhello\r\n0\r\n\r\n"
    )


def pipelined(dice: Dice) -> bytes:
    one = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
    paths = (b"/metrics", b"/-/ready", b"/nothing", b"/%00", b"*", b"//", b"/a?b#c")
    return b"".join(one % dice.choice(paths) for _ in range(dice.randrange(1, 120)))


def with_nul(dice: Dice) -> bytes:
    place = dice.randrange(len(SCRAPE))
    return SCRAPE[:place] + b"\0" + SCRAPE[place:]


def odd_target(dice: Dice) -> bytes:
    targets = (
        b"http://elsewhere.example/metrics",
        b"http://[::1/metrics",
        b"http://x:99999/",
        b"elsewhere.example:443",
        b"/../../etc/passwd",
        b"/%ff%fe/%zz",
        b"/metrics%0d%0aSet-Cookie:x",
        "/ü".encode(),
        b"?",
        b"",
        b"/ /",
        b"/" + b"a/" * 4000,
    )
    method = dice.choice((b"GET", b"HEAD", b"CONNECT", b"OPTIONS", b"PRI", b"get", b"G\xc3\xa9T"))
    version = dice.choice((b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"", b"HTTP/1.1 x"))
    return b"%b %b %b\r\nHost: x\r\n\r\n" % (method, dice.choice(targets), version)


def smuggling(dice: Dice) -> bytes:
    headers = [
        b"Content-Length: 4",
        b"Content-Length: 40",
        b"Content-Length: +4",
        b"Transfer-Encoding: chunked",
        b"Transfer-Encoding: xchunked",
        b"Transfer-Encoding:\tchunked",
        b"Transfer-Encoding: chunked, identity",
        b"Upgrade: websocket\r\nConnection: upgrade",
        b"Expect: 100-continue",
    ]
    chosen = b"\r\n".join(dice.sample(headers, dice.randrange(1, 4)))
    return b"GET / HTTP/1.1\r\nHost: x\r\n" + chosen + b"\r\n\r\n0\r\n\r\n" + SCRAPE


def header(dice: Dice) -> bytes:
    """A good request with an odd value in a header that we read."""
    name = dice.choice(
        (
            b"Accept",
            b"Accept-Encoding",
            b"Authorization",
            b"X-Prometheus-Scrape-Timeout-Seconds",
            b"Connection",
            b"Host",
        )
    )
    odd = (b'"', b"\\", b";q=", b",", b"*/*", b"\xff", b"nan", b"1e999", b"=", b" ", b"Basic ")
    value = b"".join(dice.choices(odd, k=dice.randrange(400)))
    return b"GET /metrics HTTP/1.1\r\nHost: x\r\n" + name + b": " + value + b"\r\n\r\n"


KINDS: tuple[Callable[[Dice], bytes], ...] = (
    noise,
    cut,
    flipped,
    giant,
    chunked,
    pipelined,
    with_nul,
    odd_target,
    smuggling,
    header,
)


async def misbehave(port: int, dice: Dice) -> bytes:
    """One client: it sends something and then ends, resets, reads on or reads until the end."""
    data = dice.choice(KINDS)(dice)
    ending = dice.randrange(4)
    if ending == 0:
        return await raw(port, data)
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    try:
        for start in range(0, len(data), step := dice.choice((len(data) or 1, 700))):
            writer.write(data[start : start + step])
            await writer.drain()
            await asyncio.sleep(0)
        if ending == 1:
            writer.write_eof()
            await reader.read()
        elif ending == 2:
            await reader.read(dice.randrange(1, 500))
    except (ConnectionError, OSError):
        pass
    finally:
        writer.transport.abort()
    return b""


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 -- no paths are wanted


@contextmanager
def traced() -> Iterator[None]:
    """Memory that Python objects take can be asked for."""
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def taken_bytes() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


def check_answers(answer: bytes) -> None:
    """Every status in what came back is one that we give."""
    assert not answer or answer.startswith(b"HTTP/")
    found = {int(status) for status in re.findall(rb"HTTP/[0-9.]+ ([0-9]{3}) ", answer)}
    assert found <= STATUSES


def check_quiet(entries: Sequence[Mapping[str, object]]) -> None:
    """What clients do wrong is told on level debug alone, and nothing went wrong here."""
    loud = [entry for entry in entries if entry["log_level"] != "debug" or "exc_info" in entry]
    assert loud == []


@pytest.fixture
def quiet(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> Iterator[list[dict[str, object]]]:
    """What is logged while the server is tortured: nothing above debug may be."""
    monkeypatch.setattr(connection, "HEAD_SECONDS", 1.0)
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.2)
    with capture_logs() as entries:
        yield entries  # type: ignore[misc]  # structlog's mutable mappings
    check_quiet(entries)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="counts in /proc, as Linux has it")
def test_malformed_requests_leave_nothing_behind(quiet: list[dict[str, object]]) -> None:
    metrics = b"".join(VIEWS.page().text.identity)

    async def polite(listener: Listener) -> bytes:
        # Where the whole machine stands still for HEAD_SECONDS, a good client is cut off as a slow
        # one is, without a word, and asks again. Nobody is sooner.
        clock = asyncio.get_running_loop().time
        while True:
            began = clock()
            scraped = await raw(listener.port, SCRAPE)
            if scraped or clock() - began < connection.HEAD_SECONDS:
                return scraped.partition(b"\r\n\r\n")[2]

    async def one_round(listener: Listener, seed: int) -> None:
        dice = dice_of(seed)
        at_once = asyncio.Semaphore(AT_ONCE)

        async def client(number: int) -> None:
            async with at_once:
                check_answers(await misbehave(listener.port, dice_of(dice.random())))
                if number % 10 == 0:
                    assert await polite(listener) == metrics

        await asyncio.gather(*(client(number) for number in range(CLIENTS)))
        await until(lambda: listener.open == 0)
        assert quiet  # much was malformed
        check_quiet(quiet)
        quiet.clear()

    async def go() -> None:
        async with serving() as listener:
            await one_round(listener, 0)  # what is made once and stays
            tasks, files, memory = len(asyncio.all_tasks()), open_files(), taken_bytes()
            for seed in range(1, ROUNDS + 1):
                await one_round(listener, seed)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
            await until(lambda: open_files() <= files)
            assert taken_bytes() - memory < 1 << 20

    with traced():
        asyncio.run(go())


SHARED = b"".join(b"metric%d 1\n" % number for number in range(30_000))


class Changing:
    """Pages whose first and last line hold their number; there is another whenever one asks."""

    def __init__(self) -> None:
        self.number = 0

    def page(self) -> Page:
        self.number += 1
        line = b"version %d\n" % self.number
        packed = gzip.compress(line + SHARED[:50_000] + b"\n" + line, compresslevel=1)
        body = Body((line, SHARED, SHARED, line), (packed[:1000], packed[1000:]))
        return Page(body, body)


def version_of(answer: bytes) -> int | None:
    """The version of a complete answer; None where it was cut, which its length must tell."""
    head, _, body = answer.partition(b"\r\n\r\n")
    told = re.search(rb"\r\nContent-Length: ([0-9]+)", head)
    if told is None or len(body) < int(told[1]):
        return None
    assert len(body) == int(told[1])
    if b"Content-Encoding: gzip" in head:
        body = gzip.decompress(body)
    first, last = body.splitlines()[0], body.splitlines()[-1]
    assert first == last
    assert first.startswith(b"version ")
    return int(first.split()[1])


async def scrape_oddly(port: int, dice: Dice) -> int | None:
    """Scrape slowly, or in haste, or drop the connection on the way."""
    extra = dice.choice((b"", b"Accept-Encoding: gzip\r\n"))
    drops_after = dice.choice((None, None, 0, 1, 3))
    reader, writer = await asyncio.open_connection(LOOPBACK, port, limit=1 << 14)
    found = bytearray()
    try:
        writer.write(SCRAPE.replace(b"\r\n\r\n", b"\r\n" + extra + b"\r\n"))
        pieces = 0
        while data := await reader.read(dice.choice((1 << 12, 1 << 16))):
            found += data
            if pieces == drops_after:
                break
            pieces += 1
            if dice.random() < 0.02:
                await asyncio.sleep(0.001)  # a slow reader is what is tested
    finally:
        writer.transport.abort()
    version = version_of(bytes(found))
    assert drops_after is not None or version is not None
    return version


def test_every_whole_body_is_of_one_version(quiet: list[dict[str, object]]) -> None:
    changing = Changing()

    async def client(listener: Listener, seed: int) -> list[int]:
        dice = dice_of(seed)
        scraped = [await scrape_oddly(listener.port, dice) for _ in range(12)]
        return [version for version in scraped if version is not None]

    async def go() -> list[list[int]]:
        async with serving(replace(VIEWS, page=changing.page), OPTIONS) as listener:
            clients = (client(listener, seed) for seed in range(40))
            found = await asyncio.gather(*clients)
            await until(lambda: listener.open == 0)
            return found

    seen = asyncio.run(go())
    assert quiet == []
    assert sum(map(len, seen)) >= 200
    for versions in seen:
        assert versions == sorted(versions)
    every = [version for versions in seen for version in versions]
    assert len(set(every)) == len(every)
    assert max(every) <= changing.number
