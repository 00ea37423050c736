"""Sends bodies that are there already: slice by slice, so that nothing grows with the body."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SLICE = 64 * 1024
"""Bytes that are handed over at a time; the event loop copies what the socket does not take."""

LONGEST_SECONDS = 600.0
"""No answer may take longer, whatever a client says that it waits."""

TIMEOUT_HEADER = "X-Prometheus-Scrape-Timeout-Seconds"


class Chunks(web.StreamResponse):
    """An answer whose body is `chunks` one after the other; its length is told beforehand."""

    def __init__(
        self, chunks: Sequence[bytes], headers: Mapping[str, str], *, head_only: bool
    ) -> None:
        super().__init__(headers=headers)
        self.content_length = sum(map(len, chunks))
        self._chunks = () if head_only else chunks

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body; each slice waits until the one before is with the kernel."""
        chunks, self._chunks = self._chunks, ()
        for chunk in chunks:
            view = memoryview(chunk)
            for start in range(0, len(view), SLICE):
                await self.write(view[start : start + SLICE])
        await super().write_eof(data)


def seconds_to_send(headers: Mapping[str, str], default: float) -> float:
    """How long the client waits for its answer, if it says so in numbers that make sense."""
    told = headers.get(TIMEOUT_HEADER)
    if told is None:
        return default
    try:
        asked = float(told)
    except ValueError:
        return default
    if not math.isfinite(asked) or asked <= 0:
        return default
    return min(asked, LONGEST_SECONDS)
