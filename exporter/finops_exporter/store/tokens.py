"""Tokens of the API in the store: made, read, revoked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter.api_token import ApiToken
from finops_exporter.errors import UsageError
from finops_exporter.store.database import Database, rows, run

if TYPE_CHECKING:
    from datetime import datetime


def tokens(database: Database) -> list[ApiToken]:
    """Those that are not revoked, by name; expired ones too. Raises StoreError."""
    with database.connection() as connection:
        return [
            ApiToken(identity, name, role, tuple(tenants), bytes(digest), created_at, expires_at)
            for identity, name, role, tenants, digest, created_at, expires_at in rows(
                connection, "tokens"
            )
        ]


def create(database: Database, token: ApiToken, by: str) -> None:
    """Keep a new token; `by` names who makes it. Raises UsageError when its name is taken."""
    values = {
        "id": token.id,
        "name": token.name,
        "role": token.role,
        "tenants": list(token.tenants),
        "digest": token.digest,
        "by": by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
    }
    with database.connection() as connection:
        if not run(connection, "create_token", values):
            raise UsageError(
                f"there is a token {token.name!r}; revoke it first, or give another name"
            )


def revoke(database: Database, name: str, now: datetime) -> bool:
    """Have nobody use the token of that name any more; whether there was one."""
    with database.connection() as connection:
        return run(connection, "revoke_token", {"name": name, "now": now}) > 0
