"""The exporter's own pages: /metrics, /-/healthy, /-/ready and a landing page."""

from __future__ import annotations

import html
from dataclasses import astuple, dataclass
from functools import partial
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GZIP_WORTH = 256
"""Bodies below so many bytes are not worth unpacking."""


class Body(Protocol):
    """A body in both encodings, in chunks."""

    @property
    def identity(self) -> Sequence[bytes]:
        """As it is."""
        ...

    @property
    def gzip(self) -> Sequence[bytes]:
        """As one gzip member."""
        ...


class Page(Protocol):
    """A page in each format."""

    @property
    def text(self) -> Body:
        """The text format 0.0.4."""
        ...


@dataclass(frozen=True, slots=True)
class ProviderLine:
    """A line of the landing page: through which day a provider's numbers hold."""

    provider: str
    month: str
    newest_complete_day: str
    age: str


@dataclass(frozen=True, slots=True)
class SourceLine:
    """A line of the landing page: how a source's newest run ended."""

    source: str
    outcome: str
    started: str
    last_success: str
    error: str


@dataclass(frozen=True, slots=True)
class Views:
    """What the pages show, asked anew for each request; none of these may block or fail.

    `not_ready` gives the reasons, none meaning ready; `problem` is what is wrong right now although
    the last good values are served, or "".
    """

    page: Callable[[], Page]
    content_type: str
    not_ready: Callable[[], Sequence[str]]
    problem: Callable[[], str]
    providers: Callable[[], Sequence[ProviderLine]]
    sources: Callable[[], Sequence[SourceLine]]
    version: str


def application(views: Views) -> web.Application:
    """The routes; GET and HEAD only."""
    app = web.Application()
    app.router.add_get("/", partial(_landing, views))
    app.router.add_get("/metrics", partial(_metrics, views))
    app.router.add_get("/-/healthy", _healthy)
    app.router.add_get("/-/ready", partial(_ready, views))
    return app


async def start(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, int]:
    """Listen, and return what stops it and the port (a free one where 0 was asked for)."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    return runner, int(runner.addresses[0][1])


def accepts_gzip(header: str) -> bool:
    """Whether an Accept-Encoding header takes gzip (RFC 9110: q=0 refuses, * stands for any)."""
    quality: dict[str, float] = {}
    for item in header.lower().split(","):
        coding, _, parameters = item.strip().partition(";")
        quality[coding.strip()] = _quality(parameters)
    return quality.get("gzip", quality.get("*", 0.0)) > 0


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, number = parameter.strip().partition("=")
        if name.strip() == "q":
            try:
                return float(number)
            except ValueError:
                return 0.0
    return 1.0


async def _metrics(views: Views, request: web.Request) -> web.Response:
    body = views.page().text
    headers = {"Content-Type": views.content_type, "Vary": "Accept-Encoding"}
    if sum(map(len, body.identity)) >= GZIP_WORTH and accepts_gzip(
        request.headers.get("Accept-Encoding", "")
    ):
        return web.Response(
            body=b"".join(body.gzip), headers={**headers, "Content-Encoding": "gzip"}
        )
    return web.Response(body=b"".join(body.identity), headers=headers)


async def _healthy(_request: web.Request) -> web.Response:
    return web.Response(text="healthy\n")


async def _ready(views: Views, _request: web.Request) -> web.Response:
    reasons = views.not_ready()
    if not reasons:
        return web.Response(text="ready\n")
    text = "".join(f"not ready: {reason}\n" for reason in reasons)
    return web.Response(status=503, text=text)


async def _landing(views: Views, _request: web.Request) -> web.Response:
    reasons = [f"Not ready: {reason}" for reason in views.not_ready()] or [views.problem()]
    state = "".join(
        f"<p><strong>{html.escape(reason)}</strong></p>" for reason in reasons if reason
    )
    text = _PAGE.format(
        version=html.escape(views.version),
        state=state or "<p>Ready.</p>",
        providers=_table(
            ("provider", "current month", "newest complete day (UTC)", "ended"), views.providers()
        ),
        sources=_table(
            ("source", "newest run", "started (UTC)", "last stored (UTC)", "error"), views.sources()
        ),
    )
    return web.Response(text=text, content_type="text/html")


def _table(head: Sequence[str], lines: Sequence[ProviderLine | SourceLine]) -> str:
    if not lines:
        return "<p>Nothing is stored yet.</p>"
    rows = [head, *(astuple(line) for line in lines)]
    cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>finops-exporter</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; }}
table {{ border-collapse: collapse; }}
tr:first-child {{ font-weight: bold; }}
td {{ vertical-align: top; padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid #8884; }}
</style>
</head>
<body>
<h1>finops-exporter {version}</h1>
<p>
<a href="/metrics">Metrics</a> ·
<a href="/-/healthy">Healthy</a> ·
<a href="/-/ready">Ready</a>
</p>
{state}
<h2>Billing data</h2>
{providers}
<h2>Sources</h2>
{sources}
</body>
</html>
"""
