"""Everybody whom Alertmanager tells, on loopback: mail, Slack, PagerDuty, a dead-man's switch."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import trustme
from aiohttp import web

from doubles.mailbox import Mailbox
from doubles.pagerduty import PagerDuty
from doubles.slack import Slack
from doubles.threaded import ThreadedServer

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from aiohttp.typedefs import Handler

    from doubles.mailbox import Mail
    from doubles.pagerduty import Event
    from doubles.slack import SlackMessage

    Told = Mail | SlackMessage | Event


class DeadMansSwitch:
    """Counts the `pings` of whoever has its token."""

    TOKEN = "the token of the dead man's switch"  # noqa: S105 - it opens nothing else

    def __init__(self) -> None:
        self.pings: list[dict[str, Any]] = []
        self.refused: list[str] = []

    async def ping(self, request: web.Request) -> web.Response:
        """POST of Alertmanager's webhook."""
        if request.headers.get("Authorization") != f"Bearer {self.TOKEN}":
            self.refused.append("dead-man's switch: wrong token")
            return web.Response(status=401)
        self.pings.append(await request.json())
        return web.Response()


class Receivers(ThreadedServer):
    """Servers on free ports of 127.0.0.1 until they are left; what each got is in its own lists.

    `arrived` is told of everything that came for people, from the thread of the servers.
    """

    def __init__(self, arrived: Callable[[Told], None] = lambda _told: None) -> None:
        super().__init__()
        self.mail = Mailbox(arrived)
        self.slack = Slack(arrived)
        self.pagerduty = PagerDuty(arrived)
        self.switch = DeadMansSwitch()
        self.smarthost = ""
        self._authority = trustme.CA()
        self._smtp: asyncio.Server | None = None

    @property
    def refused(self) -> list[str]:
        """What any of them would not take, and why."""
        every = (self.mail, self.slack, self.pagerduty, self.switch)
        return [reason for one in every for reason in one.refused]

    @property
    def secrets(self) -> dict[str, str]:
        """The content of the files with secrets, by the names of alertmanager.yaml."""
        return {
            "smtp_password": Mailbox.PASSWORD,
            "slack_webhook_url": f"{self.url}{Slack.PATH}\n",
            "pagerduty_routing_key": f"{PagerDuty.ROUTING_KEY}\n",
            "dead_mans_switch_token": DeadMansSwitch.TOKEN,
        }

    def write_authority(self, path: Path) -> None:
        """The certificate by which the mail server is known."""
        self._authority.cert_pem.write_to_path(path)

    def _handlers(self) -> Mapping[str, Handler]:
        return {
            Slack.PATH: self.slack.post,
            "/v2/enqueue": self.pagerduty.enqueue,
            "/finops": self.switch.ping,
        }

    async def _begin(self) -> None:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert("127.0.0.1").configure_cert(tls)
        self._smtp = await self.mail.serve(tls)
        self.smarthost = f"127.0.0.1:{self._smtp.sockets[0].getsockname()[1]}"

    async def _end(self) -> None:
        if self._smtp is not None:
            self._smtp.close()
