"""The AI ledger: calls on one hot tenant, what is spent this month, and usage that others write."""

from __future__ import annotations

import asyncio
import itertools
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from finops_exporter.ai_budget.ledger import Ledger
from finops_exporter.ai_budget.meters import Meters
from finops_exporter.ai_model import (
    Admission,
    BudgetChange,
    Check,
    Settlement,
    Terms,
    Tokens,
    Track,
)
from finops_exporter.store import ai_budgets
from finops_exporter.store.ledger import Asked, decide

from .harness import Job, Row, bar, interleaved, say
from .postgres import database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.store.database import Connection, Database

TENANT = "hot"
HELD, COST = Decimal("0.01"), Decimal("0.0075")
WAITING = 256
"""Calls that are under way at once; both sides get as many."""

CONNECTIONS = 8
"""Of the pool through which the baseline decides its calls one by one."""

_ids = itertools.count()


def rows(*, quick: bool) -> Iterator[Row]:
    """Durable pairs of hold and settle; the month to date; usage with its counters."""
    with database() as store:
        with store.connection() as connection:
            ai_budgets.put(connection, BudgetChange(TENANT, limit_usd=Decimal(10**8)))
        yield _pairs(store, 512 if quick else 2048, quick=quick)
    with database() as store, store.connection() as connection:
        yield _usage_writes(connection, 2_000 if quick else 20_000, quick=quick)
    with database() as store, store.connection() as connection:
        yield _month_to_date(connection, 200_000 if quick else 10_000_000, quick=quick)


def _pairs(store: Database, count: int, *, quick: bool) -> Row:
    """The baseline is the same function with one call a transaction, as a web handler would do."""
    say(f"{count} calls held and settled")
    seconds = interleaved(
        {
            "one by one": Job(lambda: _one_by_one(store, count // 16)),
            "ours": Job(lambda: asyncio.run(_grouped(store, count))),
        },
        rounds=5,
        limit=60,
    )
    _check(store)
    return Row(
        f"{count} calls of a tenant, held and settled, {WAITING} at once",
        f"a transaction each, {CONNECTIONS} connections",
        seconds["one by one"] * 16,
        seconds["ours"],
        bar(4, quick=quick),
    )


def _call() -> tuple[Check, Track]:
    name = f"call-{next(_ids)}"
    check = Check(name, TENANT, "small", HELD, "a call")
    return check, Track(name, TENANT, "small", Tokens(100, 20), COST, "bench", "its report")


def _one_by_one(store: Database, count: int) -> None:
    def pair(_: int) -> None:
        check, track = _call()
        for asked, kind in (
            (Asked("check", check), Admission),
            (Asked("track", track), Settlement),
        ):
            with store.connection() as connection:
                (answer,) = decide(connection, [asked], Terms())
            assert isinstance(answer, kind)

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(pair, range(count)))


async def _grouped(store: Database, count: int) -> None:
    ledger = Ledger(store, Terms(), Meters(CollectorRegistry()))
    left = iter(range(count))

    async def caller() -> None:
        for _ in left:
            check, track = _call()
            assert isinstance(await ledger.check(check), Admission)
            assert isinstance(await ledger.track(track), Settlement)

    await asyncio.gather(*(caller() for _ in range(WAITING)))
    ledger.stop()


def _check(store: Database) -> None:
    """Nothing was lost or doubled on either side."""
    with store.connection() as connection:
        found = connection.execute(
            "SELECT spent_usd, reserved_usd, requests FROM budget_period WHERE model = '*'"
        ).fetchall()
        calls = connection.execute("SELECT count(*) FROM ai_reservations").fetchone()
    assert calls is not None
    assert found == [(calls[0] * COST, 0, calls[0])]


# The baseline: what a program does that writes a row and adds to a counter, a transaction each.
COUNTER = """
CREATE TABLE plain_usage (request_id text PRIMARY KEY, time timestamptz, tenant_id text, model text,
                          input_tokens bigint, cost_usd numeric);
CREATE TABLE plain_spent (tenant_id text, month date, usd numeric, PRIMARY KEY (tenant_id, month))
"""
ADD = """
WITH row AS (INSERT INTO plain_usage VALUES (%s, now(), %s, 'small', 100, 0.001))
INSERT INTO plain_spent VALUES (%s, date_trunc('month', now())::date, 0.001)
ON CONFLICT (tenant_id, month) DO UPDATE SET usd = plain_spent.usd + 0.001
"""


def _usage_writes(connection: Connection, count: int, *, quick: bool) -> Row:
    """Ours is one INSERT, whose trigger counts all rows in the ledger."""
    say(f"{count} rows of usage")
    connection.execute(COUNTER.encode())
    few = count // 20

    def counters() -> None:
        for _ in range(few):
            tenant = f"tenant-{next(_ids) % 20}"
            connection.execute(ADD.encode(), [f"row-{next(_ids)}", tenant, tenant])

    def ours() -> None:
        connection.execute(
            "INSERT INTO ai_token_usage (tenant_id, model, input_tokens, cost_usd) "
            "SELECT 'tenant-' || i %% 20, 'small', 100, 0.001 FROM generate_series(1, %s) i",
            [count],
        )

    seconds = interleaved({"plain": Job(counters), "ours": Job(ours)}, rounds=5, limit=40)
    sums = connection.execute(
        "SELECT (SELECT sum(cost_usd) FROM ai_token_usage), "
        "(SELECT sum(spent_usd) FROM budget_period WHERE model = '*')"
    ).fetchone()
    assert sums is not None
    assert sums[0] == sums[1]
    return Row(
        f"{count} rows of usage, counted",
        "a row and a counter a transaction",
        seconds["plain"] * count / few,
        seconds["ours"],
        bar(5, quick=quick),
    )


# As the trigger would leave it behind; filling it row by row would take the benchmark's whole time.
FILL = """
INSERT INTO ai_token_usage (request_id, time, tenant_id, model, input_tokens, cost_usd)
SELECT 'row-' || i, %(month)s + i * interval '2 seconds' / 10, 'tenant-' || i %% 1000,
       'model-' || i %% 5, i %% 1000, (i %% 997) * 0.0000123
FROM generate_series(1, %(count)s) i
"""
SUMS = """
INSERT INTO budget_period (tenant_id, model, period_start, spent_usd, requests, input_tokens)
SELECT tenant_id, coalesce(model, '*'), date_trunc('month', min(time))::date, sum(cost_usd),
       count(*), sum(input_tokens)
FROM ai_token_usage GROUP BY GROUPING SETS ((tenant_id), (tenant_id, model))
"""
SCAN = """
SELECT tenant_id, sum(cost_usd) FROM ai_token_usage WHERE time >= %(month)s
GROUP BY tenant_id ORDER BY 1
"""
READ = """
SELECT tenant_id, spent_usd FROM budget_period
WHERE model = '*' AND period_start = %(month)s::date ORDER BY 1
"""


def _month_to_date(connection: Connection, count: int, *, quick: bool) -> Row:
    say(f"month to date of {count} calls of 1,000 tenants")
    month = {"month": datetime(2026, 11, 1, tzinfo=UTC)}
    # The scan uses no index, and filling them would take most of the time.
    connection.execute("ALTER TABLE ai_token_usage DROP CONSTRAINT ai_token_usage_pkey")
    for index in ("tenant", "time", "unpriced"):
        connection.execute(f"DROP INDEX ai_token_usage_{index}".encode())
    connection.execute("ALTER TABLE ai_token_usage DISABLE TRIGGER ai_count_inserted")
    connection.execute(FILL.encode(), {**month, "count": count})
    connection.execute(SUMS.encode())
    connection.execute("VACUUM ANALYZE ai_token_usage")
    connection.execute("VACUUM ANALYZE budget_period")

    def read(statement: str) -> list[tuple[object, ...]]:
        return connection.execute(statement.encode(), month).fetchall()

    assert read(SCAN) == read(READ)
    seconds = interleaved(
        {"scan": Job(lambda: read(SCAN)), "ours": Job(lambda: read(READ), 5)}, rounds=3, limit=30
    )
    return Row(
        f"AI month to date, {count} calls",
        "scan of the calls",
        seconds["scan"],
        seconds["ours"],
        bar(10 if quick else 100, quick=quick),
    )
