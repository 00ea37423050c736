"""What a client may send and read, how slowly, and how many may come."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from structlog.testing import capture_logs

from finops_exporter.web import connection, server
from finops_exporter.web.sending import LONGEST_SECONDS, TIMEOUT_HEADER, seconds_to_send
from unit.web.support import HUGE, LOOPBACK, MEGABYTE, OPTIONS, VIEWS, Page, raw, serving, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

GET = b"GET /-/healthy HTTP/1.1\r\nHost: x\r\n"
HEALTHY = b"healthy\n"


def sent(data: bytes, **options: Any) -> bytes:
    """What comes back for the bytes until the server closes."""

    async def go() -> bytes:
        async with serving(options=replace(OPTIONS, **options)) as listener:
            return await raw(listener.port, data)

    return asyncio.run(go())


def status_of(answer: bytes) -> int:
    """The status of the (first) answer, whose version is that of the request as far as known."""
    found = re.match(rb"HTTP/[0-9.]+ ([0-9]{3}) ", answer)
    assert found
    return int(found[1])


@asynccontextmanager
async def slow_reader(port: int, request: bytes) -> AsyncIterator[socket.socket]:
    """A client that has sent the request and reads nothing by itself."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        await loop.sock_connect(client, (LOOPBACK, port))
        await loop.sock_sendall(client, request)
        yield client


async def all_of(client: socket.socket) -> bytes:
    """What the client can still read, until its connection ends in any way."""
    loop = asyncio.get_running_loop()
    found = bytearray()
    try:
        while data := await loop.sock_recv(client, 1 << 20):
            found += data
    except ConnectionError:
        pass
    return bytes(found)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (GET + b"X: " + b"a" * 8_000 + b"\r\n\r\n", 200),
        (GET + b"X: " + b"a" * 9_000 + b"\r\n\r\n", 400),
        (b"GET /" + b"a" * 9_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (GET + b"".join(b"X%d: %b\r\n" % (n, b"a" * 320) for n in range(95)) + b"\r\n", 200),
        (GET + b"".join(b"X%d: %b\r\n" % (n, b"a" * 380) for n in range(95)) + b"\r\n", 431),
        (GET + b"".join(b"X%d: a\r\n" % n for n in range(120)) + b"\r\n", 400),
        (GET + b"X: " + b"a" * 33_000, 431),
    ],
)
def test_a_head_has_limits(head: bytes, status: int) -> None:
    answer = sent(head.replace(b"Host: x\r\n", b"Host: x\r\nConnection: close\r\n"))
    assert status_of(answer) == status


def test_a_head_is_counted_in_whatever_pieces_it_comes() -> None:
    async def go(pieces: list[bytes]) -> int:
        async with serving() as listener:
            reader, writer = await asyncio.open_connection(LOOPBACK, listener.port)
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
            answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()
            return status_of(answer)

    assert asyncio.run(go([bytes([byte]) for byte in GET + b"\r\n"])) == 200
    lines = [b"X%d: %b\r\n" % (number, b"a" * 7_900) for number in range(4)]
    assert asyncio.run(go([GET, *lines, b"\r\n"])) == 200
    assert asyncio.run(go([GET, *lines, b"X: " + b"a" * 1_200])) == 431


@pytest.mark.parametrize("begun", [b"", b"G", GET, GET + b"\r\n" + GET])
def test_a_head_that_does_not_come_ends_the_connection(
    begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "HEAD_SECONDS", 0.05)
    answer = sent(begun)
    if begun.startswith(GET + b"\r\n"):
        assert HEALTHY in answer
        answer = answer.partition(HEALTHY)[2]
    assert answer.startswith(b"HTTP/1.1 408 " if begun else b"")
    assert bool(answer) is bool(begun)


def test_an_idle_connection_is_closed_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.05)
    assert sent(GET + b"\r\n").endswith(HEALTHY)


def test_a_connection_serves_many_requests_also_sent_at_once() -> None:
    several = (GET + b"\r\n") * 30 + GET + b"Connection: close\r\n\r\n"
    assert sent(several).count(b"HTTP/1.1 200 OK") == 31


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 40\r\nTransfer-Encoding: chunked",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nContent-Length: 40",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: -1",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 0x10",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity, chunked, x",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\x0bchunked",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n Transfer-Encoding: chunked",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 70",
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked",
    ],
)
def test_a_request_in_a_body_is_never_answered(request_: bytes) -> None:
    smuggled = b"0\r\n\r\nGET /-/ready HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 40 + b"\r\n\r\n"
    answer = sent(request_ + b"\r\n\r\n" + smuggled)
    assert answer.count(b"HTTP/1.") == 1
    assert status_of(answer) in {400, 405, 413}
    assert b"ready\n" not in answer


@pytest.mark.parametrize("version", [b"0.9", b"2.0"])
def test_other_versions_of_http_are_not_spoken(version: bytes) -> None:
    answer = sent(b"GET /metrics HTTP/%b\r\nHost: x\r\n\r\n" % version)
    assert answer.startswith(b"HTTP/%b 505 " % version)


def test_a_request_without_a_target_is_answered() -> None:
    assert status_of(sent(b"CONNECT  \r\nHost: x\r\n\r\n")) == 505


def test_malformed_requests_fill_no_log() -> None:
    with capture_logs() as entries:
        assert status_of(sent(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")) == 400
        assert status_of(sent(GET + b"Authorization: Basic aHVudGVy\x00\r\n\r\n")) == 400
    assert {entry["log_level"] for entry in entries} == {"debug"}
    assert "aHVudGVy" not in str(entries)


def test_a_mistake_of_ours_is_logged_and_told_without_its_reason() -> None:
    def fail() -> Page:
        raise LookupError("a secret detail")

    async def go() -> bytes:
        async with serving(replace(VIEWS, page=fail)) as listener:
            return await raw(listener.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")

    with capture_logs() as entries:
        answer = asyncio.run(go())
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert answer.endswith(b"\r\n\r\ninternal error\n")
    (entry,) = entries
    assert entry["log_level"] == "error"
    assert isinstance(entry["exc_info"], LookupError)


@pytest.mark.parametrize("header", [True, False])
def test_who_does_not_read_in_time_is_cut_off(header: bool) -> None:  # noqa: FBT001 -- a column
    told = f"{TIMEOUT_HEADER}: 0.2\r\n".encode() if header else b""
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n%b\r\n" % told
    options = replace(OPTIONS, write_seconds=600.0 if header else 0.2)

    async def go() -> bytes:
        async with (
            serving(HUGE, options) as listener,
            slow_reader(listener.port, request) as client,
        ):
            await until(lambda: listener.open == 1)
            await until(lambda: listener.open == 0)
            return await all_of(client)

    answer = asyncio.run(go())
    assert b"Content-Length: 60000000\r\n" in answer[:1000] or not answer
    assert len(answer) < 60_000_000


def test_who_reads_slowly_but_in_time_gets_everything() -> None:
    async def go() -> bytes:
        async with (
            serving(HUGE) as listener,
            slow_reader(
                listener.port, b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            ) as client,
        ):
            return await all_of(client)

    answer = asyncio.run(go())
    assert answer.partition(b"\r\n\r\n")[2] == MEGABYTE * 60


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (None, 30.0),
        ("10", 10.0),
        ("0.5", 0.5),
        ("1e9", LONGEST_SECONDS),
        ("0", 30.0),
        ("-1", 30.0),
        ("nan", 30.0),
        ("inf", 30.0),
        ("soon", 30.0),
        ("", 30.0),
    ],
)
def test_the_time_to_send_is_what_the_scrape_says_if_it_makes_sense(
    told: str | None, seconds: float
) -> None:
    assert seconds_to_send({} if told is None else {TIMEOUT_HEADER: told}, 30.0) == seconds


def test_too_many_clients_are_turned_away_but_a_few_of_this_machine_come_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "RESERVED", 2)

    async def go() -> None:
        async with serving(options=replace(OPTIONS, max_connections=3)) as listener:
            clients = [await asyncio.open_connection(LOOPBACK, listener.port) for _ in range(8)]
            await until(lambda: listener.turned_away == 3)
            assert listener.open == 5
            for _, writer in clients:
                writer.close()
            await until(lambda: listener.open == 0)
            assert (await raw(listener.port, GET + b"Connection: close\r\n\r\n")).endswith(HEALTHY)

    with capture_logs() as entries:
        asyncio.run(go())
    warnings = [entry for entry in entries if entry["log_level"] == "warning"]
    assert len(warnings) == 1
    assert "raise server.max_connections" in warnings[0]["event"]


def test_the_end_finishes_what_is_under_way_and_nothing_else() -> None:
    async def go() -> bytes:
        async with serving(HUGE) as listener:
            idle, idle_writer = await asyncio.open_connection(LOOPBACK, listener.port)
            idle_writer.write(GET + b"\r\n")
            await idle.readuntil(HEALTHY)
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            async with slow_reader(listener.port, request) as client:
                loop = asyncio.get_running_loop()
                begun = await loop.sock_recv(client, 100)
                stopping = asyncio.create_task(listener.stop())
                assert await idle.read() == b""
                with pytest.raises(ConnectionError):
                    await asyncio.open_connection(LOOPBACK, listener.port)
                answer = begun + await all_of(client)
                await stopping
                idle_writer.close()
                return answer

    assert asyncio.run(go()).partition(b"\r\n\r\n")[2] == MEGABYTE * 60


def test_the_end_does_not_wait_for_who_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "FINISH_SECONDS", 0.1)

    async def go() -> bytes:
        async with serving(HUGE) as listener:
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
            async with slow_reader(listener.port, request) as client:
                await asyncio.get_running_loop().sock_recv(client, 100)
                await listener.stop()
                await until(lambda: listener.open == 0)
                return await all_of(client)

    assert len(asyncio.run(go())) < 60_000_000
