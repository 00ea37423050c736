"""Which page a request gets: /metrics, /-/healthy, /-/ready, the landing page, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from aiohttp import HttpVersion10, HttpVersion11, web

from finops_exporter.web.landing import landing_page
from finops_exporter.web.negotiation import OPENMETRICS, TEXT, accepts_gzip, prefers_openmetrics
from finops_exporter.web.sending import Chunks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from multidict import CIMultiDictProxy

    from finops_exporter.web.connection import Connection
    from finops_exporter.web.views import Views

GZIP_WORTH = 256
"""Bodies below so many bytes are not worth unpacking."""

METHODS = ("GET", "HEAD")
VERSIONS = (HttpVersion10, HttpVersion11)


class Pages:
    """Answers requests.

    `admits` is asked with the Authorization header of each, whatever page it wants; `headers`
    belong to every answer.
    """

    def __init__(
        self,
        views: Views,
        *,
        admits: Callable[[str], Awaitable[bool]],
        headers: Callable[[], Mapping[str, str]],
        telemetry_path: str,
        show_version: bool,
    ) -> None:
        self._views = views
        self._admits = admits
        self._headers = headers
        self._telemetry_path = telemetry_path
        self._show_version = show_version
        self._pages = {
            "/": self._landing,
            telemetry_path: self._metrics,
            "/-/healthy": self._healthy,
            "/-/ready": self._ready,
        }

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """The answer to a request that is understood."""
        cast("Connection", request.protocol).head_is_complete()
        answer = await self._answer(request)
        answer.headers.extend(self._headers())
        if request.body_exists or request.version not in VERSIONS:
            # Nobody reads what follows, so it must not be taken for another request.
            answer.force_close()
        return answer

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if not await self._admits(request.headers.get("Authorization", "")):
            challenge = {"WWW-Authenticate": 'Basic realm="finops-exporter", charset="UTF-8"'}
            return web.Response(status=401, text="unauthorized\n", headers=challenge)
        if request.version not in VERSIONS:
            return web.Response(status=505, text="HTTP/1.1 is spoken here\n")
        if request.method not in METHODS:
            allowed = {"Allow": ", ".join(METHODS)}
            return web.Response(status=405, text="method not allowed\n", headers=allowed)
        if request.body_exists:
            return web.Response(status=413, text="a request must not have a body\n")
        page = self._pages.get(request.path)
        if page is None:
            return web.Response(status=404, text="not found\n")
        return page(request)

    def _metrics(self, request: web.BaseRequest) -> web.StreamResponse:
        page = self._views.page()
        body, content_type = page.text, TEXT
        if prefers_openmetrics(_whole(request.headers, "Accept")):
            body, content_type = page.openmetrics, OPENMETRICS
        headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
        chunks = body.identity
        is_worth_it = sum(map(len, chunks)) >= GZIP_WORTH
        if is_worth_it and accepts_gzip(_whole(request.headers, "Accept-Encoding")):
            chunks = body.gzip
            headers["Content-Encoding"] = "gzip"
        return Chunks(chunks, headers, head_only=request.method == "HEAD")

    def _healthy(self, _request: web.BaseRequest) -> web.Response:
        return web.Response(text="healthy\n")

    def _ready(self, _request: web.BaseRequest) -> web.Response:
        reasons = self._views.not_ready()
        if not reasons:
            return web.Response(text="ready\n")
        text = "".join(f"not ready: {reason}\n" for reason in reasons)
        return web.Response(status=503, text=text)

    def _landing(self, _request: web.BaseRequest) -> web.Response:
        text = landing_page(
            self._views, telemetry_path=self._telemetry_path, show_version=self._show_version
        )
        return web.Response(text=text, content_type="text/html")


def _whole(headers: CIMultiDictProxy[str], name: str) -> str:
    """A header that may be given in several lines."""
    return ", ".join(headers.getall(name, ()))
