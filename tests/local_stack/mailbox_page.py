"""Serves the page of the mailbox on a port of 127.0.0.1."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from local_stack import page
from local_stack.addresses import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

TEMPLATE = Path(__file__).with_name("page.html")


class MailboxPage:
    """The page with what `shown` gives at each request."""

    def __init__(self, port: int, shown: Callable[[], page.Shown]) -> None:
        self._shown = shown
        self._hosts = {f"{HOST}:{port}", f"localhost:{port}"}
        app = web.Application()
        app.router.add_get("/", self._page)
        app.router.add_get("/changes", self._changes)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        self._port = port

    async def start(self) -> None:
        """Listen; raises OSError."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()

    async def stop(self) -> None:
        """Listen no longer."""
        await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        self._expect_own_name(request)
        nonce = secrets.token_urlsafe(16)
        # Frames with a mail inherit this: a mail loads nothing either.
        policy = (
            f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'unsafe-inline'; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
        text = page.whole(TEMPLATE.read_text(encoding="utf-8"), self._shown(), nonce)
        headers = {"Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff"}
        return web.Response(text=text, content_type="text/html", headers=headers)

    async def _changes(self, request: web.Request) -> web.Response:
        self._expect_own_name(request)
        shown = self._shown()
        return web.json_response(
            {"now": page.now(shown), "messages": page.messages(shown.messages)}
        )

    def _expect_own_name(self, request: web.Request) -> None:
        """Refuse names that somebody else's page has made to point here."""
        if request.host not in self._hosts:
            raise web.HTTPForbidden(text="ask for 127.0.0.1 or localhost")
