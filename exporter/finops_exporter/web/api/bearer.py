"""Who asks: the tokens that hold, kept in memory and read again every few seconds."""

from __future__ import annotations

import asyncio
import hmac
from typing import TYPE_CHECKING

import structlog

from finops_exporter.api_token import ApiToken, digest_of, split
from finops_exporter.errors import FinopsError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

log = structlog.get_logger()

READ_SECONDS = 2.0
"""How often tokens are read: so long a revoked one may still be used."""

_NOBODY = bytes(32)
"""What the secrets of unknown tokens are compared with: no SHA-256 is known to be this."""


class Bearers:
    """The tokens as they were read last."""

    def __init__(self) -> None:
        self.tried = asyncio.Event()
        """Whether tokens were read once, with whatever result."""
        self._known: Mapping[str, ApiToken] | None = None
        self._problem = ""

    def use(self, tokens: Iterable[ApiToken]) -> None:
        """Take these for the tokens that hold."""
        self._known = {token.id: token for token in tokens}

    def find(self, authorization: str, now: datetime) -> ApiToken | None:
        """Whose Authorization header this is; None: nobody's whom we know.

        Takes as long for ids that do not exist as for those that do. Raises UnavailableError while
        tokens are not known.
        """
        scheme, _, text = authorization.partition(" ")
        given = split(text.strip()) if scheme.lower() == "bearer" else None
        if self._known is None:
            raise UnavailableError("the tokens are not known")
        if given is None:
            return None
        identity, secret = given
        token = self._known.get(identity)
        is_right = hmac.compare_digest(digest_of(secret), token.digest if token else _NOBODY)
        return token if token and is_right and not token.is_expired(now) else None

    async def follow(
        self, read: Callable[[], Iterable[ApiToken]], seconds: float = READ_SECONDS
    ) -> None:
        """Read the tokens again every few seconds, for ever, in a thread.

        While that fails the last ones stay, and it is logged once. Once nobody reads them any more,
        none holds: one might have been revoked.
        """
        try:
            while True:
                await self._read(read)
                self.tried.set()
                await asyncio.sleep(seconds)
        finally:
            self._known = None
            self.tried.set()

    async def _read(self, read: Callable[[], Iterable[ApiToken]]) -> None:
        try:
            self.use(await asyncio.to_thread(read))
        except FinopsError as error:
            if not self._problem:
                log.warning("tokens cannot be read; the last ones stay", error=str(error))
            self._problem = str(error)
        else:
            self._problem = ""
