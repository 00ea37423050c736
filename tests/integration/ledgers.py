"""What the tests of the AI ledger share: calls, budgets, and sums as SQL sees them."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from prometheus_client import CollectorRegistry

from finops_exporter.ai_budget.ledger import Ledger
from finops_exporter.ai_budget.meters import Meters
from finops_exporter.ai_model import BudgetChange, Check, Terms, Tokens, Track
from finops_exporter.store import ai_budgets

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import date, datetime

    from finops_exporter.ai_budget.fail_open import FailOpen
    from finops_exporter.store.database import Database


class Sums(NamedTuple):
    spent: Decimal
    held: Decimal
    requests: int


def a_check(usd: str, tenant: str = "acme", model: str = "small", name: str = "") -> Check:
    return Check(name or str(uuid.uuid4()), tenant, model, Decimal(usd), usd)


def a_track(check: Check, usd: str | None = None) -> Track:
    """The report of a checked call; without an amount, all that was held."""
    cost = check.reserve_usd if usd is None else Decimal(usd)
    return Track(
        check.request_id, check.tenant_id, check.model, Tokens(10, 5), cost, "test", f"{cost}"
    )


def budget(database: Database, usd: str, tenant: str = "acme", **keys: object) -> None:
    with database.connection() as connection:
        ai_budgets.put(
            connection,
            BudgetChange(tenant, limit_usd=Decimal(usd), **keys),  # type: ignore[arg-type]
        )


def sums(
    database: Database, tenant: str = "acme", model: str = "*", start: date | None = None
) -> Sums:
    """The sums of a period, or those of all periods together."""
    with database.connection() as connection:
        row = connection.execute(
            "SELECT coalesce(sum(spent_usd), 0), coalesce(sum(reserved_usd), 0), "
            "coalesce(sum(requests), 0) FROM budget_period WHERE tenant_id = %s AND model = %s "
            "AND coalesce(period_start = %s, true)",
            [tenant, model, start],
        ).fetchone()
    assert row is not None
    return Sums(row[0], row[1], int(row[2]))


def of_calls(database: Database) -> tuple[Decimal, Decimal]:
    """What is spent and what is held, added up over all calls."""
    with database.connection() as connection:
        row = connection.execute(
            "SELECT coalesce(sum(charged_usd), 0), "
            "coalesce(sum(reserved_usd) FILTER (WHERE state = 'R'), 0) FROM ai_reservations"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


@asynccontextmanager
async def a_ledger(
    database: Database,
    terms: Terms | None = None,
    *,
    registry: CollectorRegistry | None = None,
    fail_open: FailOpen | None = None,
    server_now: Callable[[], datetime | None] = lambda: None,
) -> AsyncIterator[Ledger]:
    meters = Meters(registry or CollectorRegistry())
    ledger = Ledger(database, terms or Terms(), meters, fail_open=fail_open, server_now=server_now)
    try:
        yield ledger
    finally:
        ledger.stop()
