from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from finops_exporter import ai_desk
from finops_exporter.ai_desk import Change
from finops_exporter.ai_model import AiBudget, BudgetChange, BudgetState
from finops_exporter.model import rounded_down

BUDGET = AiBudget(
    tenant_id="acme",
    model="*",
    limit_usd=Decimal(500),
    soft_limit_ratio=Decimal("0.8"),
    timezone="Europe/Berlin",
    fail_mode="fail_closed",
    allowance_usd=Decimal(1),
    enforce=True,
    tier="starter",
    owner="data",
    critical=False,
)


def state(used: str, limit: str = "500", *, refused: bool = False) -> BudgetState:
    return BudgetState(
        budget=replace(BUDGET, limit_usd=Decimal(limit)),
        period_start=date(2026, 11, 1),
        resets_at=datetime(2026, 11, 30, 23, tzinfo=UTC),
        used_usd=Decimal(used),
        reserved_usd=Decimal("0.5"),
        requests=7,
        hard_limit_reached=refused,
    )


@pytest.mark.parametrize(
    ("one", "level"),
    [
        (state("0"), "ok"),
        (state("399.999999999"), "ok"),
        (state("400"), "warning"),
        (state("499.999999999"), "warning"),
        (state("499.999999999", refused=True), "exceeded"),
        (state("500"), "exceeded"),
        (state("0", "0"), "exceeded"),
    ],
)
def test_how_a_budget_stands(one: BudgetState, level: str) -> None:
    assert ai_desk.level(one) == level


@pytest.mark.parametrize(
    ("tier", "given", "limit"),
    [
        ("starter", None, 500),
        ("professional", None, 2000),
        ("enterprise", None, 10_000),
        ("custom", None, None),
        (None, None, None),
        ("starter", Decimal(700), 700),
        ("custom", Decimal(0), 0),
    ],
)
def test_a_tier_gives_the_limit_unless_one_is_given(
    tier: str | None, given: Decimal | None, limit: int | None
) -> None:
    change = BudgetChange("acme", tier=tier, limit_usd=given)
    assert ai_desk.with_tier_limit(change) == replace(
        change, limit_usd=None if limit is None else Decimal(limit)
    )


def test_what_changed_is_told_and_of_a_new_budget_what_was_asked_for() -> None:
    after = state("0", "2000")
    wanted = BudgetChange("acme", tier="starter", owner="data", limit_usd=Decimal(2000))
    assert ai_desk.changes(Change(BUDGET, after), wanted) == [
        ("limit_usd", Decimal(500), Decimal(2000))
    ]
    assert ai_desk.changes(Change(None, after), wanted) == [
        ("limit_usd", None, Decimal(2000)),
        ("tier", None, "starter"),
        ("owner", None, "data"),
    ]
    assert ai_desk.changes(Change(after.budget, after), wanted) == []


def test_json_is_exact() -> None:
    one = state("123.4500000000000000000000000000000001", "1000")
    (found,) = json.loads(ai_desk.as_json([one]))["budgets"]
    assert found["used_usd"] == "123.4500000000000000000000000000000001"
    assert found["remaining_usd"] == "876.0499999999999999999999999999999999"
    assert found["usage_ratio"] == "0.12345"
    assert (found["state"], found["resets_at"]) == ("ok", "2026-11-30T23:00:00+00:00")


@pytest.mark.parametrize(
    ("number", "rounded"),
    [("0.9999999", "0.999999"), ("1e30", "1" + "0" * 30 + ".000000"), ("-0.0000001", "-0.000001")],
)
def test_ratios_are_rounded_down(number: str, rounded: str) -> None:
    assert f"{rounded_down(Decimal(number), Decimal('0.000001'))}" == rounded
