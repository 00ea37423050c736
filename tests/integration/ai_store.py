"""The commands `ai ...` on a store, and calls that were made by the clock of these tests."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from finops_exporter import app
from finops_exporter.ai_model import Check, Terms, Tokens, Track
from finops_exporter.store.ledger import Asked, decide
from integration.processes import as_url, configure, invoke

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from click.testing import Result

    from finops_exporter.store.database import Database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TOKENS = Tokens(1000, 50, 200, 30, 4)


class Ai(Protocol):
    """A command of the group `ai`; `code` is how it is to end."""

    def __call__(self, command: str, *arguments: object, code: int = 0) -> Result: ...


def ai_commands(url: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **sections: Any) -> Ai:
    """The commands with a configuration of this database, at NOW."""
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    config = configure(folder, as_url(url), **sections)

    def call(command: str, *arguments: object, code: int = 0) -> Result:
        result = invoke("ai", command, "--config", config, *arguments)
        assert result.exit_code == code, result.output
        return result

    return call


def use(database: Database, *calls: Check | Track) -> None:
    """Ask for the calls, or report them."""
    asked = [Asked("check" if isinstance(one, Check) else "track", one) for one in calls]
    with database.connection() as connection:
        decide(connection, asked, Terms(), NOW)


def track(number: int, usd: str, model: str = "gpt-4o", **more: Any) -> Track:
    """A call of acme at NOW, unless `more` says otherwise."""
    fields: dict[str, Any] = {"tenant_id": "acme", "tokens": TOKENS, "at": NOW} | more
    return Track(
        request_id=f"call-{number}",
        model=model,
        cost_usd=Decimal(usd),
        price_source="test",
        print=str(number),
        **fields,
    )


def cells(text: str) -> list[list[str]]:
    """The cells of the lines of tables, heads included."""
    lines = [line for line in text.splitlines() if line.startswith(("│", "┃"))]
    return [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in lines]
