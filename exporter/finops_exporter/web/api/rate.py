"""How often a token may ask: a bucket for each, filled with what may be asked in a second."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Rates:
    """Counts by token; `clock` gives seconds that never go back. None a second: as often as liked.

    One that was idle may ask for a whole second's worth at once.
    """

    def __init__(self, per_second: int | None, clock: Callable[[], float]) -> None:
        self._most = per_second
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}

    def admits(self, token_id: str) -> bool:
        """Whether the token may ask now; if so, that is counted."""
        if self._most is None:
            return True
        now = self._clock()
        left, at = self._left.get(token_id, (self._most, now))
        left = min(self._most, left + (now - at) * self._most)
        admitted = left >= 1
        self._left[token_id] = (left - admitted, now)
        return admitted
