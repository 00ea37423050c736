"""A program that runs beside us: its end is noticed, its last words are kept, its end is sure."""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LAST_LINES = 5


class Child:
    """One process with a group of its own: Ctrl-C reaches us alone, and we end it in order.

    What it writes goes into `log`, or where ours does.
    """

    def __init__(self, name: str, log: Path | None = None) -> None:
        self.name = name
        self._log = log
        self._process: asyncio.subprocess.Process | None = None
        self._is_ending = False

    async def start(
        self,
        command: Sequence[object],
        *,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start it; raises OSError."""
        log = self._log.open("wb") if self._log else None
        try:
            self._process = await asyncio.create_subprocess_exec(
                *map(str, command),
                cwd=folder,
                env=env,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        finally:
            if log:
                log.close()

    @property
    def runs(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def died(self) -> int:
        """Its exit code, once it ends without being told to; of one that was told, never."""
        assert self._process is not None
        code = await self._process.wait()
        if self._is_ending:
            await asyncio.Event().wait()
        return code

    async def end(self, seconds: float) -> None:
        """Ask it to end, and make it end when it does not."""
        self._is_ending = True
        if self._process is None:
            return
        with suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self._process.wait(), seconds)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            await self._process.wait()

    def last_words(self) -> str:
        """The last lines of its log, set in."""
        if self._log is None or not self._log.exists():
            return ""
        lines = self._log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "".join(f"\n    {line[:500]}" for line in lines[-LAST_LINES:])
