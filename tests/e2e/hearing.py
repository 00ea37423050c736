"""What the receivers hear of an alert, and how long that took."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from doubles.receivers import Receivers

PATIENCE = 60.0
"""Seconds after which a message that has not come is missing, on the slowest of machines."""

SIGNS = ("🔴", "🟠", "🔵")
OVER = "✅ Resolved: "

EVERYBODY = ("mail", "leadership", "slack", "pagerduty")
TEAM = ("mail", "slack")
PAGED = ("mail", "slack", "pagerduty")
DIGEST = ("digest",)


class Message(NamedTuple):
    """A message as somebody got it, and when (`time.monotonic`); `key` is PagerDuty's."""

    where: str
    text: str
    time: float
    key: str = ""

    def fires(self, about: str) -> bool:
        """Whether it says that an alert with these words in its first line fires."""
        return any(line.startswith(SIGNS) and about in line for line in self.text.splitlines())

    def is_over(self, about: str) -> bool:
        """Whether it says that it is resolved."""
        return any(line.startswith(OVER) and about in line for line in self.text.splitlines())


class Told(NamedTuple):
    """When the first of the messages came (by the monotonic clock), and the newest of each."""

    first: float
    messages: dict[str, Message]


@dataclass
class Hearing:
    """Listens to all receivers from now on, or again from `mark` on."""

    receivers: Receivers
    _begun: tuple[int, int, int] = field(init=False)

    def __post_init__(self) -> None:
        self.mark()

    def mark(self) -> None:
        """Forget what was heard."""
        told = self.receivers
        self._begun = len(told.mail.mails), len(told.slack.messages), len(told.pagerduty.events)

    def messages(self) -> Iterator[Message]:
        """All since then."""
        told, (mails, slack, events) = self.receivers, self._begun
        for mail, at in zip(told.mail.mails[mails:], told.mail.times[mails:], strict=False):
            is_digest = "digest" in mail.subject
            where = "digest" if is_digest else "leadership" if len(mail.to) > 1 else "mail"
            yield Message(where, mail.text, at)
        for one, at in zip(told.slack.messages[slack:], told.slack.times[slack:], strict=False):
            yield Message("slack", one.attachment.text, at)
        paged = told.pagerduty
        for event, at in zip(paged.events[events:], paged.times[events:], strict=False):
            details = event.payload.custom_details
            text = f"{details['firing']}\n{details['resolved']}"
            yield Message("pagerduty", text, at, f"{event.dedup_key} {event.event_action}")

    def heard(self, about: str) -> list[Message]:
        """Those that speak of it in a first line, whatever they say."""
        return [one for one in self.messages() if one.fires(about) or one.is_over(about)]

    def firing(self, about: str, where: tuple[str, ...], *words: str) -> Told:
        """Wait until all of them were told that it fires; `words` stand anywhere in the message."""
        return self._wait(
            lambda one: one.fires(about) and all(word in one.text for word in words),
            where,
            f"{about!r} fires",
        )

    def over(self, about: str, where: tuple[str, ...], *words: str) -> Told:
        """The same of the end."""
        return self._wait(
            lambda one: one.is_over(about) and all(word in one.text for word in words),
            where,
            f"{about!r} is resolved",
        )

    def _wait(self, is_meant: Callable[[Message], bool], where: tuple[str, ...], what: str) -> Told:
        meant: list[Message] = []
        found: dict[str, Message] = {}
        deadline = time.monotonic() + PATIENCE
        while not found.keys() >= set(where):
            meant = [one for one in self.messages() if is_meant(one)]
            found = {one.where: one for one in meant}
            if time.monotonic() > deadline:
                pytest.fail(f"{what}: only {sorted(found)} of {sorted(where)} were told")
            time.sleep(0.02)
        return Told(min(one.time for one in meant), found)
