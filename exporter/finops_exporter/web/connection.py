"""One client: how much and how slowly it may send and read; and all clients: how many there are.

What a client may do wrong is answered in a line and logged on level debug: nobody who can reach the
port can fill the log.
"""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, cast

import structlog
from aiohttp import web
from yarl import URL

from finops_exporter.web.sending import seconds_to_send

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter
    from aiohttp.http import RawRequestMessage

log = structlog.get_logger()

LINE_BYTES = 8 * 1024
HEAD_BYTES = 32 * 1024
HEAD_LINES = 100
HEAD_SECONDS = 10.0
"""How long a client may take for the head of a request, from the connection or its first byte."""

IDLE_SECONDS = 330.0
"""How long a connection without a request stays open: scrapes every five minutes keep theirs."""

HEAD_END = b"\r\n\r\n"

RESERVED = 8
"""Connections from this machine that are taken although there are too many: health checks."""

COMPLAINT_SECONDS = 60.0
"""How often at most it is logged that connections are turned away."""


class Connection(web.RequestHandler):
    """A client's connection."""

    def __init__(self, manager: Clients, **options: Any) -> None:
        super().__init__(manager, **options)
        self._clients = manager
        self._socket: asyncio.Transport | None = None
        self._unanswered = 0
        self._newest = b""
        self._answering = False
        self._head_has_come = False
        self._is_over = False
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client in, or turn it away when there are too many or it may not come in."""
        self._socket = cast("asyncio.Transport", transport)
        if not self._clients.may_come_in(self._socket):
            self._socket.abort()
            return
        # Sent means: with the kernel. Nothing of a finished answer waits here for a slow reader.
        self._socket.set_write_buffer_limits(high=1, low=0)
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Forget the client."""
        self._stop_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, unless the client sends more than the head of a request can have."""
        if not data:  # aiohttp goes on with what it had put aside
            super().data_received(data)
            return
        if self._is_body(data):
            # Not counted: aiohttp takes in no more than the reader of the body asks for.
            self._stop_timer()
            super().data_received(data)
            return
        self._unanswered += len(data)
        self._newest = (self._newest + data)[-len(HEAD_END) :]
        if self._unanswered > HEAD_BYTES:
            self._turn_away(b"431 Request Header Fields Too Large")
            return
        if not self._is_within_a_head:
            # At once: the answer begins a turn of the event loop later, and the timer may be first.
            self._stop_timer()
        elif self._timer is None and not self._answering:
            self._await_head()
        super().data_received(data)

    def head_is_complete(self) -> None:
        """A request is understood and will be answered now."""
        self._stop_timer()
        self._unanswered = 0
        self._answering = True

    async def start(self) -> None:
        """Answer requests one after the other; a mistake of ours leaves no connection behind."""
        try:
            await super().start()
        except BaseException:
            self.abort()
            raise

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; a client that does not read it in time is cut off."""
        limit = seconds_to_send(request.headers, self._clients.write_seconds)
        timer = asyncio.get_running_loop().call_later(limit, self._answer_is_late, limit)
        try:
            sent = await super().finish_response(request, resp, start_time)
        finally:
            timer.cancel()
        if sent[1]:  # the client has gone
            return sent
        self._answering = False
        self._is_over = not resp.keep_alive
        if self._head_has_come:
            # Where the next head begins is not known: it has as long as any, from its next byte on.
            self._head_has_come = False
            self._newest = b""
        if self._is_within_a_head:
            self._await_head()
        return sent

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 -- aiohttp's signature
    ) -> web.StreamResponse:
        """A line for what is no request (400), or for a mistake of ours (500), which is logged."""
        self.head_is_complete()
        if status >= 500:  # noqa: PLR2004 - where mistakes of the server begin in HTTP
            self.log_exception("a request could not be answered", exc_info=exc)
        else:
            # Not the message: it quotes the request, in which a password may stand.
            log.debug("a request was malformed", status=status, error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionResetError("half an answer is sent already")
        answer = self._clients.complaint(status)
        answer.headers.extend(self._clients.headers())
        answer.force_close()
        return answer

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log like the rest of the process."""
        log.error(*args, **kw)

    def abort(self) -> None:
        """Drop the connection with all that waits to be sent."""
        if self._socket is not None:
            self._socket.abort()

    def _is_body(self, data: bytes) -> bool:
        """Whether the data are (or end a head and begin) a body, where bodies are taken at all.

        What follows an answer that ends the connection is the rest of a body that nobody wants.
        """
        if not self._clients.takes_bodies:
            return False
        if not (self._is_over or self._head_has_come):
            end = (self._newest + data).find(HEAD_END)
            size = self._unanswered - len(self._newest) + end
            self._head_has_come = end >= 0 and size <= HEAD_BYTES
        return self._is_over or self._head_has_come

    @property
    def _is_within_a_head(self) -> bool:
        """Whether the client has begun a request whose head is not complete."""
        return self._newest not in (b"", HEAD_END)

    def _await_head(self) -> None:
        self._stop_timer()
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(HEAD_SECONDS, self._head_is_late)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _answer_is_late(self, limit: float) -> None:
        log.debug("a client was cut off: it did not read its answer", seconds=limit)
        self.abort()

    def _head_is_late(self) -> None:
        self._turn_away(b"408 Request Timeout" if self._is_within_a_head else b"")

    def _turn_away(self, status: bytes) -> None:
        self._stop_timer()
        if self._socket is None or self._answering:
            self.abort()
            return
        if status and not self._is_over:
            self._socket.write(
                b"HTTP/1.1 %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % status
            )
        if self._socket.get_write_buffer_size():
            self.abort()  # it does not even read; closing would wait for it
        else:
            self.force_close()


def _complaint(status: int) -> web.Response:
    # From 500 on it is the server's mistake, in HTTP.
    text = "internal error\n" if status >= 500 else "bad request\n"  # noqa: PLR2004
    return web.Response(status=status, text=text)


class Clients(web.Server):
    """All connections to the port.

    `headers` belong to every answer; `write_seconds` is how long an answer may take where the
    client does not say; `allows` is asked whether a client's certificate may come in; `complaint`
    makes the answer to what is no request (below 500) and for a mistake of ours. With
    `takes_bodies`, requests may have a body, and the handler limits its length and its time.
    """

    def __init__(
        self,
        handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
        *,
        headers: Callable[[], Mapping[str, str]],
        write_seconds: float,
        most: int,
        allows: Callable[[asyncio.Transport], bool],
        complaint: Callable[[int], web.Response] = _complaint,
        takes_bodies: bool = False,
    ) -> None:
        super().__init__(handler, request_factory=_request)
        self.headers = headers
        self.complaint = complaint
        self.takes_bodies = takes_bodies
        self.write_seconds = write_seconds
        self.turned_away = 0
        self._most = most
        self._allows = allows
        self._complained_at: float | None = None

    def __call__(self) -> web.RequestHandler:
        """A handler for a new connection."""
        return Connection(
            self,
            loop=asyncio.get_running_loop(),
            access_log=None,
            keepalive_timeout=IDLE_SECONDS,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=HEAD_LINES,
            lingering_time=1.0,
            auto_decompress=False,
        )

    def may_come_in(self, transport: asyncio.Transport) -> bool:
        """Whether there is room for the client and its certificate is welcome."""
        room = self._most + (RESERVED if _is_local(transport) else 0)
        if len(self.connections) >= room:
            self.turned_away += 1
            self._complain()
            return False
        return self._allows(transport)

    async def stop(self, seconds: float) -> None:
        """End idle connections at once and the others after their answer, within `seconds`."""
        left = self.connections
        self.pre_shutdown()
        # It waits for the answer, and then once more for the connection's task.
        await self.shutdown(seconds / 2)
        for connection in left:
            if isinstance(connection, Connection):
                connection.abort()

    def _complain(self) -> None:
        now = asyncio.get_running_loop().time()
        if self._complained_at is None or now - self._complained_at >= COMPLAINT_SECONDS:
            self._complained_at = now
            log.warning(
                "too many connections: clients are turned away; raise server.max_connections or "
                "see who connects",
                open=len(self.connections),
                turned_away=self.turned_away,
            )


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: web.RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    """A request as aiohttp makes it, which fails where its parser found no target at all."""
    if not message.url:  # it is None then, whatever its type says
        message = message._replace(url=URL())
    return web.BaseRequest(message, payload, protocol, writer, task, asyncio.get_running_loop())


def _is_local(transport: asyncio.Transport) -> bool:
    peer = transport.get_extra_info("peername")
    try:
        return ip_address(peer[0]).is_loopback
    except (TypeError, ValueError, IndexError):
        return False
