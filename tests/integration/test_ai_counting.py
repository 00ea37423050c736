"""Rows that other applications insert are counted by sums: those of single reports."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from psycopg.errors import UniqueViolation

from finops_exporter.ai_model import BudgetChange, Check, Terms, Tokens, Track
from finops_exporter.store import ai_budgets
from finops_exporter.store.ledger import Asked, decide

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finops_exporter.store.database import Connection, Database

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
TABLES = {
    "budget_period": "*",
    "ai_usage_buckets": "*",
    "ai_reservations": "request_id, tenant_id, model, tenant_period, model_period, state, "
    "reserved_usd, charged_usd",
}


def calls(number: int) -> list[Track]:
    """Calls around the ends of months, of tenants with and without budgets of their own clocks."""
    chance = random.Random(number)  # noqa: S311 -- reproducible, not secret
    return [
        Track(
            request_id=f"call-{n:05}",
            tenant_id=chance.choice(("acme", "berlin", "nobody")),
            model=chance.choice(("small", "large")),
            tokens=Tokens(*(chance.randint(0, 5000) for _ in range(5))),
            cost_usd=Decimal(chance.randint(0, 10**12)).scaleb(-12),
            price_source="given with the row",
            print="",
            report_type=chance.choice(("", "daily", "weekly")),
            at=datetime(2026, 10, 31, tzinfo=UTC) + timedelta(minutes=chance.randint(0, 2880)),
        )
        for n in range(number)
    ]


def begin(connection: Connection, held: Sequence[Track]) -> None:
    connection.execute(
        "TRUNCATE ai_token_budgets, budget_period, ai_reservations, ai_token_usage, "
        "ai_usage_buckets"
    )
    for tenant, model, zone in (
        ("acme", "*", "UTC"),
        ("acme", "large", "America/Los_Angeles"),
        ("berlin", "*", "Europe/Berlin"),
    ):
        ai_budgets.put(
            connection, BudgetChange(tenant, model, limit_usd=Decimal(10**6), timezone=zone)
        )
    asked = [
        Asked("check", Check(one.request_id, one.tenant_id, one.model, Decimal("0.5"), "", one.at))
        for one in held
    ]
    decide(connection, asked, Terms(), NOW)


def insert(connection: Connection, some: Sequence[Track]) -> None:
    """All in one statement, as another application may."""
    rows = [
        (
            one.request_id, one.at, one.tenant_id, one.model, one.tokens.input, one.tokens.output,
            one.tokens.cache_read, one.tokens.cache_write_5m, one.tokens.cache_write_1h,
            one.cost_usd, one.report_type,
        )
        for one in some
    ]  # fmt: skip
    columns = list(zip(*rows, strict=True))
    connection.execute(
        "INSERT INTO ai_token_usage (request_id, time, tenant_id, model, input_tokens, "
        "output_tokens, cache_read_tokens, cache_write_tokens, cache_write_1h_tokens, cost_usd, "
        "report_type) SELECT * FROM unnest(%s::text[], %s::timestamptz[], %s::text[], %s::text[], "
        "%s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::bigint[], %s::numeric[], "
        "%s::text[])",
        [list(column) for column in columns],
    )


def ledger(connection: Connection) -> dict[str, list[tuple[Any, ...]]]:
    return {
        table: connection.execute(
            f"SELECT {columns} FROM {table} ORDER BY 1, 2, 3".encode()
        ).fetchall()
        for table, columns in TABLES.items()
    }


def test_many_rows_count_as_their_reports_would(database: Database) -> None:
    some = calls(2500)
    held = some[::50]
    with database.connection() as connection:
        begin(connection, held)
        for first in range(0, len(some), 500):
            asked = [Asked("track", one) for one in some[first : first + 500]]
            decide(connection, asked, Terms(), NOW)
        reported = ledger(connection)

        begin(connection, held)
        insert(connection, some)
        assert ledger(connection) == reported
        # What counts is the call: once more at another time is nothing new.
        later = [replace(one, at=NOW) for one in some[:700]]
        insert(connection, later)
        assert ledger(connection) == reported


def test_a_row_of_another_tenants_call_takes_all_back(database: Database) -> None:
    some = calls(30)
    with database.connection() as connection:
        begin(connection, [])
        insert(connection, some[:1])
        before = ledger(connection)
        stolen = replace(some[0], tenant_id="thief", at=NOW)
        with pytest.raises(UniqueViolation, match="'call-00000' belongs to another call"):
            insert(connection, [*some[1:], stolen])
        assert ledger(connection) == before
        assert connection.execute("SELECT count(*) FROM ai_token_usage").fetchone() == (1,)


def test_rows_without_a_cost_wait(database: Database) -> None:
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_token_usage (request_id, tenant_id, model) "
            "VALUES ('a', 'acme', 'small'), ('b', 'acme', 'small')"
        )
        assert ledger(connection) == {table: [] for table in TABLES}
