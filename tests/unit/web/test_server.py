from __future__ import annotations

import asyncio
import gzip
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, TCPConnector

from finops_exporter.web.server import (
    ProviderLine,
    SourceLine,
    Views,
    accepts_gzip,
    application,
    start,
)

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Body:
    identity: tuple[bytes, ...]
    gzip: tuple[bytes, ...]


@dataclass(frozen=True)
class Page:
    text: Body


LARGE = Page(Body((b"x 1\n" * 500,), (gzip.compress(b"x 1\n" * 500),)))
VIEWS = Views(
    page=lambda: LARGE,
    content_type="text/plain; version=0.0.4; charset=utf-8",
    not_ready=list,
    problem=str,
    providers=lambda: [ProviderLine("<aws>", "2026-11", "2026-11-20", "12 hours ago")],
    sources=lambda: [SourceLine("bill", "failed", "2026-11-21 06:00", "never", "no <file>")],
    version="1.2.3",
)


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(views: Views, path: str, method: str = "GET", **headers: str) -> Answer:
    """One request over a real socket; the body comes as it was sent."""

    async def go() -> Answer:
        runner, port = await start(application(views), "127.0.0.1", 0)
        try:
            async with (
                ClientSession(
                    connector=TCPConnector(),
                    auto_decompress=False,
                    skip_auto_headers=["Accept-Encoding"],
                ) as session,
                session.request(method, f"http://127.0.0.1:{port}{path}", headers=headers) as got,
            ):
                return Answer(got.status, dict(got.headers), await got.read())
        finally:
            await runner.cleanup()

    return asyncio.run(go())


def test_metrics_as_it_is() -> None:
    answer = ask(VIEWS, "/metrics")
    assert answer.status == 200
    assert answer.body == LARGE.text.identity[0]
    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "Content-Encoding" not in answer.headers


def test_metrics_as_gzip() -> None:
    answer = ask(VIEWS, "/metrics", **{"Accept-Encoding": "gzip"})
    assert answer.body == LARGE.text.gzip[0]
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Vary"] == "Accept-Encoding"


def test_a_small_body_is_not_packed() -> None:
    small = Page(Body((b"x 1\n",), (gzip.compress(b"x 1\n"),)))
    answer = ask(replace(VIEWS, page=lambda: small), "/metrics", **{"Accept-Encoding": "gzip"})
    assert answer.body == b"x 1\n"


def test_head_has_the_headers_only() -> None:
    answer = ask(VIEWS, "/metrics", method="HEAD")
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers["Content-Length"] == str(len(LARGE.text.identity[0]))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("br;q=1, zstd", False),
        ("gzip;q=nonsense", False),
        (",,;;=,", False),
    ],
)
def test_accept_encoding(header: str, expected: bool) -> None:  # noqa: FBT001 -- a table's column
    assert accepts_gzip(header) is expected


def test_healthy_and_ready() -> None:
    assert ask(VIEWS, "/-/healthy").body == b"healthy\n"
    assert ask(VIEWS, "/-/ready").body == b"ready\n"


def test_not_ready_says_why() -> None:
    views = replace(VIEWS, not_ready=lambda: ["the database db:5432/finops is unreachable"])
    answer = ask(views, "/-/ready")
    assert answer.status == 503
    assert answer.body == b"not ready: the database db:5432/finops is unreachable\n"
    assert ask(views, "/-/healthy").status == 200
    assert b"is unreachable" in ask(views, "/").body


def test_the_landing_page_says_that_old_values_are_shown() -> None:
    views = replace(VIEWS, problem=lambda: "The last good values are shown: db is <gone>")
    page = ask(views, "/").body.decode()
    assert "<strong>The last good values are shown: db is &lt;gone&gt;</strong>" in page
    assert "Ready." not in page


def test_the_landing_page_shows_version_links_and_ages_escaped() -> None:
    page = ask(VIEWS, "/").body.decode()
    assert "finops-exporter 1.2.3" in page
    for link in ("/metrics", "/-/healthy", "/-/ready"):
        assert f'href="{link}"' in page
    assert "<td>&lt;aws&gt;</td><td>2026-11</td><td>2026-11-20</td><td>12 hours ago</td>" in page
    assert "<td>bill</td><td>failed</td>" in page
    assert "<td>never</td><td>no &lt;file&gt;</td>" in page
    empty = replace(VIEWS, providers=list, sources=list)
    assert ask(empty, "/").body.decode().count("Nothing is stored yet.") == 2


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("POST", "/metrics", 405), ("DELETE", "/", 405)],
)
def test_other_requests_are_refused(method: str, path: str, status: int) -> None:
    assert ask(VIEWS, path, method=method).status == status
