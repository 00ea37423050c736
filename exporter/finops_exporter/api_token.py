"""Tokens of the HTTP API: how they look, what is kept of them, and what they allow. No clock.

A token reads fai_<id>_<secret>. The secret has 256 random bits, so nobody finds it by trying: a
plain SHA-256 of it is kept, not one of the slow hashes that passwords of people need.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from datetime import datetime

Role: TypeAlias = Literal["reader", "service", "admin"]
ROLES: tuple[Role, ...] = get_args(Role)

_TOKEN = re.compile("fai_([0-9a-f]{12})_([0-9a-f]{64})")


@dataclass(frozen=True, slots=True)
class ApiToken:
    """What is kept of a token: `digest` is that of its secret.

    With `tenants` it is for these alone; without, for all. `expires_at` is aware; None: never.
    """

    id: str
    name: str
    role: Role
    tenants: tuple[str, ...]
    digest: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None

    def is_expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and now >= self.expires_at

    def may_see(self, tenant: str) -> bool:
        """Whether it is for that tenant."""
        return not self.tenants or tenant in self.tenants


class Issued(NamedTuple):
    """A new token: `text` is shown once, to whom it is for."""

    id: str
    text: str
    digest: bytes


def issue() -> Issued:
    """A token that nobody has."""
    identity, secret = secrets.token_hex(6), secrets.token_hex(32)
    return Issued(identity, f"fai_{identity}_{secret}", digest_of(secret))


def split(text: str) -> tuple[str, str] | None:
    """Id and secret of what may be a token; None: it is none."""
    found = _TOKEN.fullmatch(text)
    return (found[1], found[2]) if found else None


def digest_of(secret: str) -> bytes:
    """What is kept of a secret: its SHA-256."""
    return hashlib.sha256(secret.encode()).digest()
