"""What people were told, kept in a file: a restart does not lose it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from doubles.mailbox import Mail
from doubles.slack import SlackMessage

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from doubles.receivers import Told

KEPT = 500
"""How many of the newest messages of earlier runs are shown."""

Kind = Literal["mail", "slack", "pagerduty"]


@dataclass(frozen=True)
class Message:
    """One message to whom it may concern; `at` is aware, `body` is what its kind consists of."""

    at: datetime
    kind: Kind
    reader: str
    title: str
    body: Mapping[str, Any]

    @property
    def line(self) -> str:
        """For whom it is, and what about."""
        if self.kind == "mail":
            return f"mail to {self.reader}: {self.title}"
        if self.kind == "slack":
            return f"Slack {self.body['channel']}: {self.title}"
        action = {"trigger": "opens", "resolve": "resolves"}
        done = action.get(self.body["event_action"], self.body["event_action"])
        return f"PagerDuty {done} an incident: {self.title}"


def message_of(told: Told, at: datetime, addressees: Mapping[str, str]) -> Message:
    """What a receiver took, as it is kept; `addressees` has receivers by their mail addresses."""
    if isinstance(told, Mail):
        readers = {addressees.get(address, address): None for address in told.to}
        return Message(at, "mail", ", ".join(readers), told.subject, asdict(told))
    body = told.model_dump(mode="json", by_alias=True)
    if isinstance(told, SlackMessage):
        return Message(at, "slack", "team", told.attachment.fallback, body)
    return Message(at, "pagerduty", "on-call", told.payload.summary, body)


class Inbox:
    """All messages, oldest first, also those of earlier runs; may be added to from any thread."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = Lock()
        self._messages = _read(file)[-KEPT:]

    @property
    def messages(self) -> tuple[Message, ...]:
        """As they are now."""
        return tuple(self._messages)

    def add(self, message: Message) -> None:
        """Keep one."""
        with self._lock, self._file.open("a", encoding="utf-8") as file:
            self._messages.append(message)
            file.write(json.dumps({**asdict(message), "at": message.at.isoformat()}) + "\n")


def _read(file: Path) -> list[Message]:
    found = []
    lines = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    if lines and not lines.endswith("\n"):
        with file.open("a", encoding="utf-8") as cut_short:
            cut_short.write("\n")  # else the next one would be lost with the half that is there
    for line in lines.splitlines():
        try:
            fields = json.loads(line)
            found.append(Message(**{**fields, "at": datetime.fromisoformat(fields["at"])}))
        except (ValueError, TypeError, KeyError):  # half a line of a run that was killed
            continue
    return found
