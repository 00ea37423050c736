"""What the ledger needs at times: lost calls are charged, rows are priced, old ones are deleted."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from finops_exporter.ai_budget.meters import Meters
from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_budget.upkeep import Upkeep
from finops_exporter.ai_config import Ai, PriceOverride
from finops_exporter.ai_model import Settlement, Terms
from finops_exporter.store.database import Database
from integration.ledgers import Sums, a_check, a_ledger, a_track, budget, of_calls, sums

HELD = timedelta(minutes=10)
BEGIN = datetime(2026, 11, 10, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = BEGIN

    def __call__(self) -> datetime:
        return self.now


def upkeep(
    database: Database, clock: Clock, registry: CollectorRegistry | None = None, **config: Any
) -> Upkeep:
    settings = Ai(**config)
    prices = PriceList(settings.prices, settings.unknown_model)
    meters = Meters(registry or CollectorRegistry())
    return Upkeep(database, settings, prices, meters, clock=clock, server_now=clock)


@pytest.mark.parametrize(("orphans", "charged"), [("charge", "0.4"), ("release", "0")])
def test_a_call_that_nobody_reports_ends_and_a_late_report_corrects_it(
    database: Database, orphans: str, charged: str
) -> None:
    budget(database, "1")
    clock, registry = Clock(), CollectorRegistry()
    keeper = upkeep(database, clock, registry, orphans=orphans)
    lost, reported = a_check("0.4"), a_check("0.3")

    async def scenario() -> None:
        async with a_ledger(database, Terms(HELD), server_now=clock) as ledger:
            await ledger.check(lost)
            await ledger.check(reported)
            await ledger.track(a_track(reported))
            clock.now += HELD - timedelta(seconds=1)
            keeper.sweep()
            assert sums(database).held == Decimal("0.4")
            clock.now += timedelta(seconds=1)
            for _ in range(2):
                keeper.sweep()
                assert sums(database) == Sums(Decimal(charged) + Decimal("0.3"), Decimal(0), 1)
            orphaned = registry.get_sample_value("finops_ai_orphans_charged_total")
            assert orphaned == (1 if orphans == "charge" else 0)
            late = await ledger.track(a_track(lost, "0.1"))
            assert isinstance(late, Settlement)
            assert sums(database) == Sums(Decimal("0.4"), Decimal(0), 2)

    asyncio.run(scenario())


def test_rows_that_say_no_cost_are_priced_and_counted_once(database: Database) -> None:
    clock = Clock()
    override = PriceOverride(
        model="ours-*", input=Decimal(2), output=Decimal(4), effective_from=BEGIN.date()
    )
    keeper = upkeep(database, clock, prices=(override,))
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_token_usage (request_id, time, tenant_id, model, input_tokens, "
            "output_tokens) SELECT 'r' || i, %s, 'acme', 'ours-1', 1000, 100 "
            "FROM generate_series(1, 2500) i",
            [BEGIN],
        )
        connection.execute(
            "INSERT INTO ai_token_usage (time, tenant_id, model, input_tokens) VALUES "
            "(%s, 'acme', 'who-knows', 1), (%s, 'acme', 'ours-1', 1)",
            [BEGIN, BEGIN - timedelta(days=2)],
        )
    assert sums(database).requests == 0
    with capture_logs() as logs:
        for _ in range(2):
            keeper.price()
    # 1,000 at $2 and 100 at $4 a million.
    assert sums(database) == Sums(2500 * Decimal("0.0024"), Decimal(0), 2500)
    assert sorted(line["model"] for line in logs) == ["ours-1", "who-knows"]
    with database.connection() as connection:
        left = connection.execute(
            "SELECT model, price_source, cost_usd IS NULL, count(*) FROM ai_token_usage "
            "GROUP BY 1, 2, 3 ORDER BY 1, 3"
        ).fetchall()
    assert left == [
        ("ours-1", "configuration prices[0]", False, 2500),
        ("ours-1", "given with the row", True, 1),
        ("who-knows", "given with the row", True, 1),
    ]


def test_old_rows_are_deleted_and_the_sums_stay(database: Database) -> None:
    clock = Clock()
    keeper = upkeep(database, clock, usage_retention=timedelta(days=50))

    async def scenario() -> None:
        async with a_ledger(database, Terms(HELD), server_now=clock) as ledger:
            for _ in range(3):
                await ledger.track(a_track(a_check("0.5")))
                clock.now += timedelta(days=30)
            await ledger.check(a_check("0.5", name="open"))
            clock.now += timedelta(days=60)

    asyncio.run(scenario())
    before = sums(database)
    keeper.round()
    assert sums(database).spent == before.spent + Decimal("0.5")  # the open call was charged
    with database.connection() as connection:
        for table in ("ai_token_usage", "ai_usage_buckets"):
            assert connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone() == (0,)
        # What was ended just now can still be corrected.
        calls = connection.execute("SELECT request_id, state FROM ai_reservations").fetchall()
    assert calls == [("open", "X")]


def test_without_a_retention_nothing_is_deleted(database: Database) -> None:
    clock = Clock()

    async def scenario() -> None:
        async with a_ledger(database, Terms(HELD), server_now=clock) as ledger:
            await ledger.track(a_track(a_check("0.5")))

    asyncio.run(scenario())
    clock.now += timedelta(days=4000)
    upkeep(database, clock).round()
    with database.connection() as connection:
        assert connection.execute("SELECT count(*) FROM ai_token_usage").fetchone() == (1,)
    assert of_calls(database) == (Decimal("0.5"), Decimal(0))


def test_a_database_that_is_away_is_told_once() -> None:
    away = Database("postgresql://127.0.0.1:1/nothing", wait_seconds=0.1)
    away.open()
    keeper = upkeep(away, Clock())
    with capture_logs() as logs:
        for _ in range(3):
            keeper.round()
    away.close()
    assert [line["event"] for line in logs] == ["the AI ledger could not be kept up"]
