"""PagerDuty's Events API v2: takes what the documented schema allows, and knows what is open."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_EVENT_BYTES = 512 * 1024

Text = Annotated[str, Field(min_length=1)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Payload(_Model):
    """What happened, to what, and how bad it is."""

    summary: Annotated[str, Field(min_length=1, max_length=1024)]
    source: Text
    severity: Literal["critical", "error", "warning", "info"]
    timestamp: str = ""
    component: str = ""
    group: str = ""
    kind: str = Field("", alias="class")
    custom_details: dict[str, Any] = {}


class Link(_Model):
    """A link of an incident; its address must be a whole one."""

    href: Annotated[HttpUrl, Field(strict=False)]
    text: str = ""


class Event(_Model):
    """One event as it came in."""

    routing_key: Annotated[str, Field(pattern="^[A-Za-z0-9]{32}$")]
    event_action: Literal["trigger", "acknowledge", "resolve"]
    dedup_key: Annotated[str, Field(min_length=1, max_length=255)]
    payload: Payload
    client: str = ""
    client_url: Annotated[HttpUrl, Field(strict=False)] | None = None
    links: list[Link] = []


class PagerDuty:
    """The `events` of one routing key, when each came, and the incidents that are `open`.

    Each is told to `arrived`.
    """

    ROUTING_KEY = "0123456789abcdef0123456789abcdef"

    def __init__(self, arrived: Callable[[Event], None] = lambda _event: None) -> None:
        self._arrived = arrived
        self.events: list[Event] = []
        self.times: list[float] = []
        self.refused: list[str] = []

    @property
    def open(self) -> set[str]:
        """The dedup keys that were triggered and not resolved since."""
        last = {event.dedup_key: event.event_action for event in self.events}
        return {key for key, action in last.items() if action != "resolve"}

    async def enqueue(self, request: web.Request) -> web.Response:
        """POST /v2/enqueue."""
        body = await request.read()
        try:
            event = Event.model_validate_json(body)
        except ValidationError as error:
            return self._refuse(str(error))
        if event.routing_key != self.ROUTING_KEY or len(body) > MAX_EVENT_BYTES:
            return self._refuse("the routing key is unknown, or the event too large")
        self.times.append(time.monotonic())
        self.events.append(event)
        self._arrived(event)
        answer = {"status": "success", "message": "Event processed", "dedup_key": event.dedup_key}
        return web.json_response(answer, status=202)

    def _refuse(self, reason: str) -> web.Response:
        self.refused.append(f"PagerDuty: {reason}")
        answer = {
            "status": "invalid event",
            "message": "Event object is invalid",
            "errors": [reason],
        }
        return web.json_response(answer, status=400)
