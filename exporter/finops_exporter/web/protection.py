"""What protects the pages: TLS, users and headers of the web configuration, read again on change.

A file that is broken when it changes alters nothing: what was read before stays, and the mistake is
logged once, until it is another.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import structlog

from finops_exporter.errors import ConfigError
from finops_exporter.web import web_config
from finops_exporter.web.passwords import Passwords
from finops_exporter.web.tls import following, is_allowed, server_context
from finops_exporter.web.web_config import WebConfig

if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from pathlib import Path

    from finops_exporter.web.web_config import WebFile

log = structlog.get_logger()

LOOK_SECONDS = 5.0
"""How often it is looked whether a file has changed."""


@dataclass(frozen=True, slots=True)
class _State:
    """What was read: `digest` tells whether the files beside the web configuration changed."""

    config: WebConfig
    digest: bytes
    context: ssl.SSLContext | None


class Protection:
    """The state of the file `path`; without a file, nothing is protected.

    Raises ConfigError with every mistake of the file.
    """

    def __init__(self, path: Path | None, env: Mapping[str, str]) -> None:
        self._path = path
        self._env = env
        self._state = _State(WebConfig(), b"", None) if path is None else _read(path, env)
        self._passwords = Passwords()
        self._asked = asyncio.Event()
        self._mistake = ""
        context = self._state.context
        self.ssl_context = following(context) if context else None
        """The context to listen with; it follows the file. None: without TLS."""

    @property
    def is_reloadable(self) -> bool:
        """Whether there is a file at all."""
        return self._path is not None

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that belong to every answer."""
        return self._state.config.http_server_config.headers

    def warnings(self) -> list[str]:
        """What the file asks for and is hardly meant, a sentence each."""
        return [f"{self._path}: {text}" for text in self._state.config.warnings()]

    def may_come_in(self, transport: asyncio.Transport) -> bool:
        """Whether the client's certificate has a name that is allowed."""
        tls = self._state.config.tls
        return tls is None or is_allowed(transport, tls.client_allowed_sans)

    async def admits(self, authorization: str) -> bool:
        """Whether a request with this Authorization header may be answered."""
        users = self._state.config.basic_auth_users
        return not users or await self._passwords.are_right(users, authorization)

    async def watch(self) -> None:
        """Read the files again when they change, for ever."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._asked.wait()
            self._asked.clear()
            await asyncio.to_thread(self.look)

    def look_now(self) -> None:
        """Have `watch` look at once."""
        self._asked.set()

    def look(self) -> None:
        """Read the files and use them if they are in order and differ from what was read."""
        try:
            state = self._anew()
        except ConfigError as error:
            self._tell(str(error))
            return
        self._mistake = ""
        if (state.config, state.digest) != (self._state.config, self._state.digest):
            self._state = state
            if self.ssl_context is not None and state.context is not None:
                self.ssl_context.current = state.context
            log.info("the web configuration has changed and was read", file=str(self._path))

    def _tell(self, mistake: str) -> None:
        if mistake != self._mistake:
            self._mistake = mistake
            log.error("the web configuration cannot be used; the last one stays", error=mistake)

    def _anew(self) -> _State:
        if self._path is None:
            return self._state
        state = _read(self._path, self._env)
        if (state.context is None) is not (self.ssl_context is None):
            verb = "off" if state.context is None else "on"
            text = f"tls_server_config: TLS can be turned {verb} only by a restart"
            raise ConfigError(f"{self._path}: {text}")
        return state

    def close(self) -> None:
        """Give up what is under way."""
        self._passwords.close()


def _read(path: Path, env: Mapping[str, str]) -> _State:
    file = web_config.load(path, env)
    tls = file.config.tls
    # The digest first: what changes between both is seen as a change the next time.
    digest = _digest(file)
    return _State(file.config, digest, None if tls is None else server_context(file, tls))


def _digest(file: WebFile) -> bytes:
    """Of the files that the web configuration names."""
    tls = file.config.tls
    found = sha256()
    for path in (tls.cert_file, tls.key_file, tls.client_ca_file) if tls else ():
        # One that cannot be read is told, with its key, by whoever uses it.
        with suppress(OSError):
            found.update(file.resolve(path).read_bytes() if path else b"")
        found.update(b"\0")
    return found.digest()
