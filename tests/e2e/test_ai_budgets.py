"""What tenants do through the API, and who is told of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
import pytest

from e2e.asking import PRICES, Caller, a_caller
from e2e.hearing import PAGED, TEAM
from e2e.stack import Wishes
from e2e.story import Scene, play
from integration.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from e2e.stack import Stack
    from e2e.story import Story

OWNERS = {"near": "web team", "spent": "data team", "vital": "shop", "model": "lab"}
HOLD = "6s"


@pytest.fixture(scope="module")
def wishes(own_database: str) -> Wishes:
    with psycopg.connect(own_database) as connection:
        # A week in which this tenant used 10,000 tokens in every fourth hour.
        connection.execute(
            "INSERT INTO ai_token_usage"
            " (request_id, time, tenant_id, model, input_tokens, cost_usd, report_type)"
            " SELECT 'history-' || n, date_trunc('hour', now()) - n * interval '4 hours',"
            " 'burst', 'small', 10000, 0.1, 'history' FROM generate_series(1, 40) n"
        )
    return Wishes(sections={"ai": {"prices": PRICES, "hold": HOLD}})


@pytest.fixture(scope="module")
def caller(stack: Stack) -> Caller:
    found = a_caller(stack.config, stack.exporters[0].api)
    for tenant, owner in OWNERS.items():
        found.set(tenant, 100, owner=owner, critical=tenant == "vital")
    for tenant in ("burst", "dear"):
        found.set(tenant, 1000)
    found.set("model", 50, model="large")
    found.set("whale", 100_000)
    return found


def move(stack: Stack, tenant: str, interval: str) -> None:
    """So much time passes for a tenant, of which nobody can wait for an hour or a day."""
    with psycopg.connect(stack.database_url) as connection:
        connection.execute(
            "UPDATE ai_usage_buckets SET bucket_start = bucket_start - %s::interval"
            " WHERE tenant_id = %s AND bucket_start > now() - interval '2 hours'"
            " AND report_type <> 'history'",
            (interval, tenant),
        )


def exhaust(caller: Caller, tenant: str, model: str = "small") -> None:
    """Spend nearly all, and be refused: the last call does not fit."""
    caller.spend(tenant, 49.5 if model == "large" else 99.5, model)
    refused = caller.check(tenant, 2, model)
    assert (refused.status, refused.body["reason"]) == (429, "exceeded")


def reports(caller: Caller, number: int) -> None:
    for _ in range(number):
        caller.spend("dear", 3, report_type="board")


def test_causes_of_one_moment(
    stack: Stack, caller: Caller, story: Callable[[str, str], Story]
) -> None:
    play(
        [
            Scene(
                "AIBudgetWarning",
                "a tenant has used 82 %",
                lambda: caller.spend("near", 82),
                "AI Budget Alert: near",
                TEAM,
                (
                    "Threshold: 80% exceeded\nBudget: $100.00 / monthly\nSpent: $82.00 (82.0%)",
                    "Remaining: $18.00",
                    "Owner: web team",
                ),
                lambda: caller.set("near", 200),
            ),
            Scene(
                "AIBudgetExceeded",
                "a call of a tenant is refused",
                lambda: exhaust(caller, "spent"),
                "AI Budget Alert: spent",
                TEAM,
                ("Budget: $100.00 / monthly\nSpent: $99.50 (99.5%)", "Owner: data team"),
                lambda: caller.set("spent", 200),
            ),
            Scene(
                "AIBudgetExceeded",
                "a critical tenant has used up its budget",
                lambda: caller.track("vital", 104),
                "AI Budget Alert: vital",
                PAGED,
                ("Threshold: 100% exceeded", "Spent: $104.00 (104.0%)\nRemaining: -$4.00"),
                lambda: caller.set("vital", 200),
            ),
            Scene(
                "AIBudgetExceeded",
                "a tenant's budget of one model is used up",
                lambda: exhaust(caller, "model", "large"),
                "AI Budget Alert: model / large",
                TEAM,
                ("Budget: $50.00 / monthly\nSpent: $49.50", "model = large", "Owner: lab"),
                lambda: caller.set("model", 80, model="large"),
            ),
            Scene(
                "AITokenAnomaly",
                "a tenant uses 60 times as much as usual",
                lambda: caller.spend("burst", 6),
                "Tenant burst uses 60.0 times as many AI tokens as usual",
                TEAM,
                ("used 600000 AI tokens in the last hour for $6.00", "(10000 tokens)"),
                lambda: move(stack, "burst", "2 hours"),
            ),
            Scene(
                "AIReportCostHigh",
                "six reports cost $3 each",
                lambda: reports(caller, 6),
                "A report board of dear costs $3.00",
                TEAM,
                ("have cost tenant dear $3.00 each", "on average over 6 of them"),
                lambda: move(stack, "dear", "25 hours"),
            ),
        ],
        story,
    )


def test_under_a_used_up_budget_the_warning_is_there_and_silent(
    stack: Stack, caller: Caller, story: Callable[[str, str], Story]
) -> None:
    told = story("AIBudgetExceeded", "a tenant has used up its budget")
    caller.set("silent", 100, owner="quiet team")
    exhaust(caller, "silent")
    told.caused()
    told.fires("AI Budget Alert: silent", TEAM)
    (warning,) = stack.alerts("AIBudgetWarning", tenant_id="silent")
    (exceeded,) = stack.alerts("AIBudgetExceeded", tenant_id="silent")
    assert warning["status"]["inhibitedBy"] == [exceeded["fingerprint"]]
    caller.set("silent", 500)
    told.mended()
    told.over("AI Budget Alert: silent", TEAM)
    until(lambda: not stack.alerts("AIBudgetWarning", tenant_id="silent"), "the warning ends")
    assert "80%" not in "".join(one.text for one in told.hearing.heard("silent"))


def test_a_call_that_nobody_reports_is_charged_until_somebody_does(
    stack: Stack, caller: Caller, story: Callable[[str, str], Story]
) -> None:
    del stack
    told = story("TotalAISpendHigh", "a call of $10,500 that is charged since nobody reports it")
    assert caller.check("whale", 10_500, "large", "lost").status == 200
    told.caused()
    for message in told.fires("All tenants together have spent $10,", TEAM).values():
        assert "more than $10,000.00 is worth a look" in message.text
        assert "whale: $10,500.00 this month" in message.text
    caller.track("whale", 20, "large", "lost")
    told.mended()
    told.over("All tenants together have spent", TEAM)
