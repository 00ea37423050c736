"""A mail server that insists on TLS and a password, and keeps what it is given."""

from __future__ import annotations

import asyncio
import email
import email.policy
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable


@dataclass(frozen=True)
class Mail:
    """One mail as it came in, decoded."""

    sender: str
    to: tuple[str, ...]
    subject: str
    text: str
    html: str


class Mailbox:
    """All `mails` to whomever, in the order in which they came, and when (`time.monotonic`).

    Each is told to `arrived`.
    """

    PASSWORD = "the password of the mail server"  # noqa: S105 - it opens nothing else

    def __init__(self, arrived: Callable[[Mail], None] = lambda _mail: None) -> None:
        self._arrived = arrived
        self.mails: list[Mail] = []
        self.times: list[float] = []
        self.refused: list[str] = []

    async def serve(self, tls: ssl.SSLContext) -> asyncio.Server:
        """Listen on a free port of 127.0.0.1."""
        loop = asyncio.get_running_loop()

        def protocol() -> SMTP:
            return SMTP(
                self,
                hostname="mail.example.com",
                tls_context=tls,
                require_starttls=True,
                auth_required=True,
                auth_exclude_mechanism=["LOGIN"],  # Alertmanager knows other prompts than aiosmtpd
                authenticator=self._authenticate,
                loop=loop,
            )

        return await loop.create_server(protocol, "127.0.0.1", 0)

    def _authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        known = isinstance(given, LoginPassword) and given.password == self.PASSWORD.encode()
        if not known:
            self.refused.append("mail: wrong password")
        return AuthResult(success=known, handled=False)

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        """Keep a mail that has both a plain and an HTML text."""
        assert isinstance(envelope.content, bytes)
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        parts = {part.get_content_type(): part.get_content() for part in message.iter_parts()}
        self.times.append(time.monotonic())
        self.mails.append(
            Mail(
                sender=str(message["From"]),
                to=tuple(envelope.rcpt_tos),
                subject=str(message["Subject"]),
                text=parts["text/plain"].replace("\r\n", "\n"),
                html=parts["text/html"].replace("\r\n", "\n"),
            )
        )
        self._arrived(self.mails[-1])
        return "250 OK"
