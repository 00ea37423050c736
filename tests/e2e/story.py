"""The life of one alert from its cause to its end, told and timed."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from e2e.delays import Delay
from e2e.hearing import DIGEST, Hearing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
        self._key = ""
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
        if "pagerduty" in where:
            self._key, _, action = messages["pagerduty"].key.partition(" ")
            assert action == "trigger"
        return messages

    def over(self, about: str, where: tuple[str, ...]) -> dict[str, Message]:
        """The messages to all of them that it is resolved."""
        first, messages = self.hearing.over(about, where, self._page)
        self.delay.resolved = first - self._since
        if "pagerduty" in where:
            assert messages["pagerduty"].key == f"{self._key} resolve"
        return messages


@dataclass(frozen=True)
class Scene:
    """A cause that can be there beside others: what it is, what is told of it, and its end.

    `about` stands in the first lines of the messages to all of `where`, `words` anywhere in them.
    """

    alert: str
    cause: str
    begin: Callable[[], object]
    about: str
    where: tuple[str, ...]
    words: tuple[str, ...]
    end: Callable[[], object] | None = None


def play(scenes: Sequence[Scene], story: Callable[[str, str], Story]) -> list[Story]:
    """All causes one after the other, then what is told of each, then their ends."""
    tales = [story(scene.alert, scene.cause) for scene in scenes]
    for scene, told in zip(scenes, tales, strict=True):
        scene.begin()
        told.caused()
    for scene, told in zip(scenes, tales, strict=True):
        for one in told.fires(scene.about, scene.where).values():
            missing = [word for word in scene.words if word not in one.text]
            assert missing == [], f"{one.where}: {one.text}"
    ends = [(scene, told) for scene, told in zip(scenes, tales, strict=True) if scene.end]
    for scene, told in ends:
        assert scene.end
        scene.end()
        told.mended()
    for scene, told in ends:
        if scene.where != DIGEST:  # which tells no ends
            told.over(scene.about, scene.where)
    return tales
