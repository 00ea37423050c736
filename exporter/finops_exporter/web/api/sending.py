"""Sends small answers in one piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web
from aiohttp.helpers import rfc822_formatted_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import AbstractStreamWriter


class Whole(web.StreamResponse):
    """An answer of HTTP/1.1 with status 200 whose body is there already.

    aiohttp's own answers can do a lot more, which takes a quarter of the time of a request. So
    nothing of the base is used, not even its constructor; headers must be plain ASCII.
    """

    def __init__(self, body: bytes, *headers: Mapping[str, str]) -> None:
        lines = [f"{name}: {text}\r\n" for some in headers for name, text in some.items()]
        self._head = "".join(lines)
        self._whole = body
        self._stays = True

    @property
    def keep_alive(self) -> bool:
        """Whether the connection stays open."""
        return self._stays

    def force_close(self) -> None:
        """Have the connection closed after the answer."""
        self._stays = False

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Make ready to answer the request."""
        self._stays = self._stays and request.keep_alive
        self._writer = request.writer
        return self._writer

    async def write_eof(self, data: bytes = b"") -> None:
        """Send everything."""
        body = self._whole + data
        close = "" if self._stays else "Connection: close\r\n"
        head = (
            f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nDate: {rfc822_formatted_time()}\r\n"
            f"{close}{self._head}\r\n"
        )
        await self._writer.write_eof(head.encode("ascii") + body)
