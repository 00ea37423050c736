"""An aiohttp server in a thread of its own, so that tests without an event loop can ask it."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.typedefs import Handler


class ThreadedServer:
    """Answers POST at `url`, a free port of 127.0.0.1, until it is left.

    `_handlers` gives who answers, by path; `_begin` and `_end` run in the thread, for what else a
    double serves.
    """

    def __init__(self) -> None:
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._runner: web.AppRunner | None = None

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(30)
        return self

    def __exit__(self, *_exception: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(30)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(30)
        self._loop.close()

    def _handlers(self) -> Mapping[str, Handler]:
        raise AssertionError("each double says who answers")

    async def _begin(self) -> None:
        """Nothing else."""

    async def _end(self) -> None:
        """Nothing else."""

    async def _start(self) -> None:
        app = web.Application()
        for path, handler in self._handlers().items():
            app.router.add_post(path, handler)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        await self._begin()

    async def _stop(self) -> None:
        await self._end()
        if self._runner is not None:
            await self._runner.cleanup()
