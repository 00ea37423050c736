"""What the servers of the demo are asked over HTTP."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import aiohttp

if TYPE_CHECKING:
    from local_stack.child import Child

PAUSE_SECONDS = 0.2
LIMIT = aiohttp.ClientTimeout(total=10)


class Asker:
    """Asks one server; what it does not answer is None."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def json(self, path: str) -> Any:
        """The `data` of an answer of Prometheus' API."""
        try:
            async with self._session.get(f"{self._url}{path}", timeout=LIMIT) as answer:
                return (await answer.json()).get("data") if answer.ok else None
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return None

    async def answers(self, path: str) -> bool:
        """Whether there is such a page."""
        try:
            async with self._session.get(f"{self._url}{path}", timeout=LIMIT) as answer:
                return answer.status == HTTPStatus.OK
        except (aiohttp.ClientError, TimeoutError):
            return False

    async def until_ready(self, child: Child) -> bool:
        """Wait until it is ready; False when its process ends before."""
        while child.runs:
            if await self.answers("/-/ready"):
                return child.runs
            await asyncio.sleep(PAUSE_SECONDS)
        return False
