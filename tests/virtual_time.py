"""An event loop whose time stands still while anybody works and jumps to the next alarm otherwise.

Everything of asyncio works in it as ever; a week passes in milliseconds.
"""

from __future__ import annotations

import asyncio
import selectors
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    """Waits for nothing: says how long it was to wait."""

    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits, and nothing will ever come")
        self.passed += max(timeout, 0.0)
        return super().select(0)


class VirtualTime:
    """A virtual loop and the wall clock beside it, which can be set as a real one."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._selector = _Selector()
        self._jumped = timedelta()
        self._loop = asyncio.SelectorEventLoop(self._selector)
        self._loop.time = lambda: self._selector.passed  # type: ignore[method-assign]

    def clock(self) -> datetime:
        """What the wall clock shows."""
        return self._start + timedelta(seconds=self._selector.passed) + self._jumped

    def set_clock(self, by: timedelta) -> None:
        """Somebody sets the wall clock; the loop does not notice."""
        self._jumped += by

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run it to its end in no time."""
        try:
            return self._loop.run_until_complete(coroutine)
        finally:
            self._loop.close()
