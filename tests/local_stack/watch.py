"""Looks at the alerts again and again, and says what is new."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from local_stack.alert_states import AlertState, evaluated, news, states, table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from local_stack.asking import Asker
    from local_stack.child import Child

PAUSE_SECONDS = 1.0


class Watch:
    """How the alerts stand; `alerts` is None until they were evaluated for the first time."""

    def __init__(self, say: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._say = say
        self._clock = clock
        self.alerts: Sequence[AlertState] | None = None

    async def run(self, prometheus: Asker, child: Child) -> None:
        """Say which alerts fire or will, then what begins and ends, until Prometheus does."""
        since = await self._scraped(prometheus, child)
        while child.runs:
            answer = await prometheus.json("/api/v1/rules?type=alert")
            if answer is not None:
                self._look(answer["groups"], since)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _scraped(self, prometheus: Asker, child: Child) -> datetime:
        """Wait for the first values, and return when they were there."""
        while child.runs:
            answer = await prometheus.json("/api/v1/query?query=up==1")
            if answer is not None and answer["result"]:
                break
            await asyncio.sleep(PAUSE_SECONDS)
        return self._clock()

    def _look(self, groups: Sequence[dict[str, Any]], since: datetime) -> None:
        if self.alerts is None and not evaluated(groups, since):
            return
        found = states(groups)
        if self.alerts is None:
            self._say(f"What the alerts say of the demo:\n{self._indented(found)}\n")
        else:
            for line in news(self.alerts, found):
                self._say(f"{self._clock():%H:%M:%S} UTC  {line}")
        self.alerts = found

    def _indented(self, found: Sequence[AlertState]) -> str:
        text = table(found, self._clock()) or "nothing"
        return "\n".join(f"  {line}" for line in text.splitlines())
