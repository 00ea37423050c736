"""An incoming webhook of Slack: takes messages with attachments, and answers as Slack does."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field, ValidationError

if TYPE_CHECKING:
    from collections.abc import Callable


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Attachment(_Model):
    """The part of a message that has a colour; beyond 3000 characters Slack folds its text."""

    text: Annotated[str, Field(min_length=1, max_length=40_000)]
    fallback: Annotated[str, Field(min_length=1)]
    title: str = ""
    title_link: str = ""
    pretext: str = ""
    callback_id: str = ""
    footer: str = ""
    color: Annotated[str, Field(pattern="^(good|warning|danger|#[0-9a-f]{6})$")]
    mrkdwn_in: list[str] = []


class SlackMessage(_Model):
    """One message as it came in."""

    channel: Annotated[str, Field(pattern="^[#@]")]
    username: str = ""
    attachments: Annotated[list[Attachment], Field(min_length=1, max_length=1)]

    @property
    def attachment(self) -> Attachment:
        """Its only one."""
        return self.attachments[0]


class Slack:
    """The `messages` to one webhook, whose path is its secret, and when each came.

    Each is told to `arrived`.
    """

    PATH = "/services/T00000000/B00000000/secret"

    def __init__(self, arrived: Callable[[SlackMessage], None] = lambda _message: None) -> None:
        self._arrived = arrived
        self.messages: list[SlackMessage] = []
        self.times: list[float] = []
        self.refused: list[str] = []

    async def post(self, request: web.Request) -> web.Response:
        """POST of the webhook."""
        try:
            message = SlackMessage.model_validate_json(await request.read())
        except ValidationError as error:
            self.refused.append(f"Slack: {error}")
            return web.Response(status=400, text="invalid_payload")
        self.times.append(time.monotonic())
        self.messages.append(message)
        self._arrived(message)
        return web.Response(text="ok")
