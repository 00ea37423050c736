"""The demo's tenants show what they are to show, whatever day it is; nothing else does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_model import MOST_TOKENS, TIER_LIMITS
from finops_exporter.demo import ai_budgets, ai_usage, refused_call
from finops_exporter.demo.tenants import TENANTS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finops_exporter.ai_model import Tokens, UsageRow

PRICES = PriceList()
DATES = [
    datetime(2026, 11, 28, 13, 50, tzinfo=UTC),
    datetime(2026, 11, 30, 22, 59, 59, tzinfo=UTC),
    datetime(2026, 11, 30, 23, 0, tzinfo=UTC),  # the first instant of December in Berlin
    datetime(2026, 12, 1, 0, 0, tzinfo=UTC),
    datetime(2026, 12, 1, 0, 1, tzinfo=UTC),
    datetime(2026, 12, 1, 5, 30, tzinfo=UTC),
    datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC),
    datetime(2027, 3, 28, 1, 30, tzinfo=UTC),  # summer time has begun in Europe
    datetime(2028, 2, 29, 6, 0, tzinfo=UTC),
]


def price(model: str, at: datetime, tokens: Tokens) -> tuple[Decimal, str]:
    found = PRICES.find(model, at.replace(minute=0, second=0, microsecond=0))
    assert found is not None, model
    return found.cost(tokens), found.source


def month(at: datetime, zone: str) -> str:
    return f"{at.astimezone(ZoneInfo(zone)):%Y-%m}"


def used(rows: Sequence[UsageRow], now: datetime) -> dict[tuple[str, str], Decimal]:
    """What is used of each limit in the month of `now`, by each tenant's clock."""
    zones = {one.id: one.zone for one in TENANTS}
    shares = {}
    for budget in ai_budgets():
        assert budget.limit_usd is not None
        costs = (
            row.cost_usd
            for row in rows
            if row.tenant_id == budget.tenant_id
            and budget.model in {"*", row.model}
            and month(row.time, zones[row.tenant_id]) == month(now, zones[row.tenant_id])
        )
        shares[budget.tenant_id, budget.model] = sum(costs, Decimal(0)) / budget.limit_usd
    return shares


@pytest.mark.parametrize("now", DATES, ids=str)
def test_one_is_above_its_soft_limit_and_one_has_used_up_all(now: datetime) -> None:
    rows = list(ai_usage(now, price))
    shares = used(rows, now)
    assert Decimal("0.8") < shares.pop(("velo-couriers", "*")) < Decimal("0.99")
    assert Decimal("1.01") < shares.pop(("harbor-rentals", "*")) < Decimal("1.03")
    assert max(shares.values()) < Decimal("0.75")
    assert refused_call(now, price).tenant_id == "harbor-rentals"

    assert len({row.request_id for row in rows}) == len(rows)
    assert len(rows) < 12_000
    assert now - timedelta(days=35) <= min(row.time for row in rows)
    assert max(row.time for row in rows) <= now
    assert all(0 < row.tokens.total < MOST_TOKENS for row in rows)
    assert all(row.price_source.startswith("genai-prices") for row in rows)


def test_there_are_tenants_of_each_tier() -> None:
    wholes = [one for one in ai_budgets() if one.model == "*"]
    assert {one.tier for one in wholes} == set(TIER_LIMITS)
    assert len(wholes) == 6
    assert all(one.limit_usd == TIER_LIMITS[one.tier or ""] for one in wholes)


def test_it_hangs_on_the_time_and_the_seed_alone() -> None:
    now = DATES[0]
    rows = list(ai_usage(now, price))
    local = now.astimezone(ZoneInfo("Asia/Tokyo"))
    assert list(ai_usage(local, price)) == rows
    assert list(ai_usage(now, price, seed=1)) != rows


def test_people_work_by_day_and_less_on_sundays() -> None:
    rows = [row for row in ai_usage(DATES[0], price) if row.tenant_id == "global-fleet"]
    office = [row.time for row in rows if row.report_type == "fleet_review"]
    assert sum(9 <= at.hour < 18 for at in office) > 0.7 * len(office)
    sundays = sum(at.weekday() == 6 for at in office) / 5
    tuesdays = sum(at.weekday() == 1 for at in office) / 5
    assert sundays < 0.5 * tuesdays
    assert not any(8 <= row.time.hour < 20 for row in rows if row.report_type == "photo_tagging")


@pytest.mark.parametrize("later", [timedelta(minutes=5), timedelta(days=2), timedelta(days=20)])
def test_it_goes_on_from_what_is_stored(later: timedelta) -> None:
    now = datetime(2026, 11, 20, 13, 50, tzinfo=UTC)
    rows = list(ai_usage(now, price))
    then = now + later
    zones = {one.id: one.zone for one in TENANTS}
    past = {}
    for tenant, zone in zones.items():
        mine = [row for row in rows if row.tenant_id == tenant]
        this = (row.cost_usd for row in mine if month(row.time, zone) == month(then, zone))
        past[tenant] = (max(row.time for row in mine), sum(this, Decimal(0)))
    more = list(ai_usage(then, price, past))
    assert {row.request_id for row in rows} & {row.request_id for row in more} == set()
    assert all(past[row.tenant_id][0] <= row.time <= then for row in more)
    shares = used(rows + more, then)
    assert Decimal("0.8") < shares.pop(("velo-couriers", "*")) < Decimal("0.99")
    assert Decimal("1.01") < shares.pop(("harbor-rentals", "*")) < Decimal("1.03")
    assert max(shares.values()) < Decimal("0.75")
