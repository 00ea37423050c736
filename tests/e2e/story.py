"""The life of one alert from its cause to its end, told and timed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from e2e.delays import Delay
from e2e.hearing import Hearing

if TYPE_CHECKING:
    from doubles.receivers import Receivers
    from e2e.hearing import Message

BROKEN = ("error expanding", "%!", "<no value>", "<nil>", "NaN", "+Inf", "$ ", "${")
"""What no message contains."""


class Story:
    """Begins when it is made, which is when nothing of the alert was heard yet.

    Call `caused` in the moment in which the cause is complete, and `mended` in that in which it is
    taken away.
    """

    def __init__(self, alert: str, cause: str, receivers: Receivers) -> None:
        self.delay = Delay(alert, cause)
        self._page = f"/finops/{alert}.md"  # of runbooks: alerts about one thing begin alike
        self.hearing = Hearing(receivers)
        self._since = time.monotonic()

    def caused(self) -> None:
        """From now on it takes its time until it is told."""
        self._since = time.monotonic()

    mended = caused

    def fires(self, about: str, where: tuple[str, ...], words: str = "") -> dict[str, Message]:
        """The messages to all of them that it fires; `about` stands in their first lines."""
        first, messages = self.hearing.firing(about, where, self._page, words)
        for one in messages.values():
            assert [word for word in BROKEN if word in one.text] == [], one.text
        self.delay.firing = first - self._since
        self.delay.receivers = where
        return messages

    def over(self, about: str, where: tuple[str, ...]) -> dict[str, Message]:
        """The messages to all of them that it is resolved."""
        first, messages = self.hearing.over(about, where, self._page)
        self.delay.resolved = first - self._since
        return messages
