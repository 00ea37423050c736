"""Tokens on a real database: made, listed and revoked, and what the running API makes of that."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from aiohttp import ClientSession

from doubles.ai_ledger import MemoryPrices, tokens_of
from finops_exporter import app
from finops_exporter.ai_budget.api import Parts, start
from finops_exporter.ai_config import Ai
from finops_exporter.api_token import digest_of, split
from finops_exporter.store import tokens as store
from finops_exporter.web.api import bearer
from finops_exporter.web.protection import Protection
from integration.processes import as_url, configure, invoke
from unit.ai_budget.api_support import ledger_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

    from finops_exporter.store.database import Database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


@pytest.fixture
def tokens(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command with a configuration of the database, and a clock that stands still."""
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    config = configure(tmp_path, as_url(database_url))

    def call(command: str, *arguments: object) -> Result:
        return invoke("ai", "tokens", command, "--config", config, *arguments)

    return call


def listed(tokens: Callable[..., Result]) -> list[dict[str, Any]]:
    shown = tokens("list", "--format", "json")
    assert (shown.exit_code, shown.stderr) == (0, "")
    found: list[dict[str, Any]] = json.loads(shown.stdout)["tokens"]
    return found


def test_a_token_is_shown_once_and_only_its_digest_is_kept(
    tokens: Callable[..., Result], database: Database, database_url: str
) -> None:
    made = tokens("create", "chat", "--role", "service", "--tenant", "acme", "--tenant", "b c")
    assert (made.exit_code, made.stderr) == (0, "chat: made; it is shown only now\n")
    text = made.stdout.removesuffix("\n")
    parts = split(text)
    assert parts
    identity, secret = parts
    (kept,) = store.tokens(database)
    assert (kept.id, kept.name, kept.role) == (identity, "chat", "service")
    assert (kept.tenants, kept.digest) == (("acme", "b c"), digest_of(secret))
    assert (kept.created_at, kept.expires_at) == (NOW, None)
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT ai_api_tokens::text FROM ai_api_tokens").fetchall()
    assert secret not in str(rows)
    assert secret not in tokens("list").stdout
    assert listed(tokens) == [
        {
            "name": "chat",
            "id": identity,
            "role": "service",
            "tenants": ["acme", "b c"],
            "created_at": "2026-11-21T12:00:00+00:00",
            "expires_at": None,
            "expired": False,
        }
    ]


def test_a_token_holds_through_its_last_day(
    tokens: Callable[..., Result], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert tokens("create", "ui", "--role", "reader", "--expires", "2026-11-21").exit_code == 0
    (kept,) = store.tokens(database)
    assert kept.expires_at == datetime(2026, 11, 22, tzinfo=UTC)
    monkeypatch.setattr(app, "utc_now", lambda: NOW + timedelta(hours=12))
    assert listed(tokens)[0]["expired"] is True
    assert "2026-11-22 00:00 (over)" in tokens("list").stdout


def test_names_are_unique_among_those_that_are_not_revoked(tokens: Callable[..., Result]) -> None:
    first = tokens("create", "chat", "--role", "service").stdout
    again = tokens("create", "chat", "--role", "admin")
    assert (again.exit_code, again.stdout) == (2, "")
    assert "there is a token 'chat'; revoke it first" in again.stderr
    assert tokens("revoke", "chat").stdout == "chat: revoked\n"
    assert listed(tokens) == []
    second = tokens("create", "chat", "--role", "admin").stdout
    assert [one["role"] for one in listed(tokens)] == ["admin"]
    assert first != second


def test_only_what_there_is_can_be_revoked(tokens: Callable[..., Result]) -> None:
    assert "(tokens: there is none)" in tokens("revoke", "chat").stderr
    tokens("create", "chat", "--role", "service")
    wrong = tokens("revoke", "chta")
    assert wrong.exit_code == 2
    assert "there is no token 'chta'; did you mean 'chat'? (tokens: chat)" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("x", "--role", "admin", "--tenant", "acme"), "leave out --tenant"),
        (("x", "--role", "reader", "--tenant", "a", "--tenant", "a"), "names a tenant twice"),
        (("x", "--role", "reader", "--tenant", " a"), "--tenant must be 1 to 200 printable"),
        (("", "--role", "reader"), "NAME must be 1 to 200 printable characters"),
        (("x\n", "--role", "reader"), "NAME must be 1 to 200 printable characters"),
        (("x", "--role", "reader", "--expires", "2026-11-20"), "--expires 2026-11-20 is over"),
        (("x", "--role", "root"), "'root' is not one of 'reader', 'service', 'admin'"),
        (("x",), "Missing option '--role'"),
    ],
)
def test_what_cannot_be_made_is_told(
    tokens: Callable[..., Result], arguments: tuple[str, ...], told: str
) -> None:
    refused = tokens("create", *arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert told in refused.stderr
    assert listed(tokens) == []


def test_the_running_api_knows_new_tokens_and_forgets_revoked_ones(
    tokens: Callable[..., Result], database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bearer.Bearers.follow, "__defaults__", (0.01,))
    text = tokens("create", "ui", "--role", "reader").stdout.strip()
    parts = Parts(
        ledger=ledger_of(),
        prices=MemoryPrices(),
        tokens_of=tokens_of,
        tokens=lambda: store.tokens(database),
        protection=Protection(None, {}),
        clock=lambda: NOW,
    )

    async def go() -> None:
        api = await start(parts, Ai(listen="127.0.0.1:0"))
        url = f"http://127.0.0.1:{api.listener.port}/api/ai-budget/tenant/acme"

        async def status(session: ClientSession, token: str) -> int:
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get(url, headers=headers) as got:
                return got.status

        async with ClientSession() as session:
            assert await status(session, text) == 200
            later = await asyncio.to_thread(tokens, "create", "new", "--role", "reader")
            while await status(session, later.stdout.strip()) != 200:
                pass
            await asyncio.to_thread(tokens, "revoke", "ui")
            while await status(session, text) != 401:
                pass
            assert await status(session, later.stdout.strip()) == 200
        await api.stop()
        parts.protection.close()

    asyncio.run(go())
