"""The demo's tenants in a store: what `ai tenants` shows of them, whatever day it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_desk import level
from finops_exporter.app_demo import fill_ai
from finops_exporter.store import ai_budgets

if TYPE_CHECKING:
    from finops_exporter.ai_model import BudgetState
    from finops_exporter.store.database import Database


def stand(database: Database, now: datetime) -> dict[tuple[str, str], BudgetState]:
    with database.connection() as connection:
        found = ai_budgets.states(connection, now=now)
    return {(one.budget.tenant_id, one.budget.model): one for one in found}


def levels(database: Database, now: datetime) -> dict[str, str]:
    """How the budgets stand that do not stand well."""
    found = {key[0]: level(one) for key, one in stand(database, now).items()}
    return {tenant: how for tenant, how in found.items() if how != "ok"}


WANTED = {"velo-couriers": "warning", "harbor-rentals": "exceeded"}


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 28, 13, 50, tzinfo=UTC),
        datetime(2026, 12, 1, 0, 0, tzinfo=UTC),
        datetime(2026, 12, 1, 9, 30, tzinfo=UTC),
        datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
    ids=str,
)
def test_one_is_near_its_limit_and_one_above(database: Database, now: datetime) -> None:
    prices = PriceList()
    added = fill_ai(database, prices, now)
    assert added.known == 0
    assert added.calls > 4000
    assert levels(database, now) == WANTED
    assert len(stand(database, now)) == 7
    harbor = stand(database, now)["harbor-rentals", "*"]
    assert harbor.hard_limit_reached
    assert harbor.share > 1
    assert not stand(database, now)["velo-couriers", "*"].hard_limit_reached
    assert all(one.reserved_usd == 0 for one in stand(database, now).values())

    # Made again, it goes on; a day later too, which may be in another month.
    assert fill_ai(database, prices, now).calls < 100
    assert levels(database, now) == WANTED
    assert fill_ai(database, prices, now + timedelta(days=1)).calls > 50
    assert levels(database, now + timedelta(days=1)) == WANTED
