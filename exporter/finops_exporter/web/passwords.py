"""Checks passwords against bcrypt hashes, which takes long on purpose: beside the event loop.

A password that was right once is known by a salted hash from then on, so that a scrape every few
seconds costs nothing. A user that does not exist takes as long as one that does.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
from concurrent.futures import ThreadPoolExecutor
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

AT_ONCE = 2
"""Passwords that are checked at the same time; others wait."""

BCRYPT_BYTES = 72
"""bcrypt sees no more of a password; tools that make hashes leave out the rest as well."""


class Passwords:
    """Checks the Authorization headers of requests."""

    def __init__(self) -> None:
        self._salt = secrets.token_bytes(32)
        self._matched: set[bytes] = set()
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="password")

    async def are_right(self, users: Mapping[str, SecretStr], authorization: str) -> bool:
        """Whether the header names one of `users` (with their hashes) and the right password."""
        given = credentials(authorization)
        if given is None:
            return False
        user, password = given
        known = user in users
        stored = (users[user] if known else self._stand_in(users, user)).get_secret_value()
        # The hash belongs to it: a user whose password is changed must give the new one.
        seen = self._digest(user, password, stored)
        if known and seen in self._matched:
            return True
        matches = await asyncio.get_running_loop().run_in_executor(
            self._threads, _is_hash_of, stored.encode(), password
        )
        if not (known and matches):
            return False
        self._matched.add(seen)
        return True

    def close(self) -> None:
        """End the threads; checks that wait are given up."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _stand_in(self, users: Mapping[str, SecretStr], user: str) -> SecretStr:
        """A hash to spend the time on: always the same for a name, as for names that exist."""
        digest = self._digest(user, b"", "")
        return list(users.values())[int.from_bytes(digest) % len(users)]

    def _digest(self, user: str, password: bytes, stored: str) -> bytes:
        whole = repr((user, password, stored)).encode()
        return blake2b(whole, key=self._salt, digest_size=32).digest()


def credentials(authorization: str) -> tuple[str, bytes] | None:
    """User and password of a Basic Authorization header (RFC 7617), or None if it is none."""
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True)
        user, colon, password = decoded.partition(b":")
        return (user.decode(), password[:BCRYPT_BYTES]) if colon else None
    except (binascii.Error, ValueError):
        return None


def _is_hash_of(stored: bytes, password: bytes) -> bool:
    import bcrypt  # noqa: PLC0415 - most processes have no users

    return bcrypt.checkpw(password, stored)
