"""What a bill can do: pass thresholds, spike, grow, and drive a forecast over its budget."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from e2e.bills import budget, daily, period_days, write_account, written, yesterday
from e2e.hearing import DIGEST, EVERYBODY, PAGED, TEAM
from e2e.stack import Wishes, every_minute_is_monday_morning
from e2e.story import Scene, play
from integration.processes import as_url, invoke, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date
    from pathlib import Path

    from e2e.stack import Stack
    from e2e.story import Story

    Tell = Callable[[str, str], Story]

STEADY, NEAR, OVER, STEPS, FUTURE, SPIKE, ODD, GROWN = map(str, range(100, 108))
OWNERS = {SPIKE: "data team", ODD: "web team"}


def forecast_period() -> str | None:
    """The period of which most is still to come.

    None where three days of none are over, or too few are left: at the turn of a year.
    """
    ends = yesterday()
    begun = {}
    for name in ("monthly", "quarterly", "yearly"):
        first, following = period_days(name, ends)
        begun[name] = ((ends - first).days + 1, (following - first).days)
    fit = {name: days / of for name, (days, of) in begun.items() if days > 3 and days / of < 0.94}
    return min(fit, key=lambda name: fit[name], default=None)


PERIOD = forecast_period()
FIRST, FOLLOWING = period_days(PERIOD or "monthly", yesterday())
LIMIT = (FOLLOWING - FIRST).days * 95


def since_first(amount: str) -> dict[date, Decimal]:
    return daily(amount, (yesterday() - FIRST).days + 70)


@pytest.fixture(scope="module")
def wishes(folder: Path, own_database: str) -> Wishes:
    set_customers(own_database, 100)
    bills = folder / "bills"
    bills.mkdir()
    days = max(70, (yesterday() - FIRST).days + 70)
    write_account(bills, STEADY, daily("1000", days))
    for account in (NEAR, OVER, STEPS):
        write_account(bills, account, {yesterday(): Decimal(300)})
    write_account(bills, FUTURE, since_first("60"))
    write_account(bills, SPIKE, daily("200", 12))
    write_account(bills, ODD, daily("200", 70))
    budgets = [
        budget(NEAR, 1000),
        budget(OVER, 1000),
        budget(FUTURE, LIMIT, period=PERIOD or "monthly"),
    ]
    accounts = [
        {"provider": "aws", "id": account, "owner": owner} for account, owner in OWNERS.items()
    ]
    return Wishes(
        [{"paths": [str(bills / "*.csv")]}],
        {
            "budgets": budgets,
            "accounts": accounts,
            "customers": {"database_url": as_url(own_database), "sql": COUNTED, "interval": "1s"},
        },
        change=every_minute_is_monday_morning,
    )


COUNTED = "SELECT sum(number) FROM shops WHERE day >= %(since)s AND day < %(until)s"


def bill(stack: Stack, account: str, days: dict[date, Decimal]) -> None:
    write_account(stack.folder / "bills", account, days)


def test_causes_of_one_moment(stack: Stack, story: Tell) -> None:
    near = Scene(
        "BudgetExceeded80Percent",
        "a bill grows past 80 %",
        lambda: bill(stack, NEAR, {yesterday(): Decimal(812)}),
        f"budget {NEAR}",
        TEAM,
        (
            "Threshold: 80% exceeded\nBudget: $1,000.00 / monthly",
            "Spent: $812.00 (81.2%)\nRemaining: $188.00",
            f"Data through: {yesterday()}",
        ),
        lambda: bill(stack, NEAR, {yesterday(): Decimal(300)}),
    )
    forecast = Scene(
        "ForecastExceedsBudget",
        "usage that will not fit the budget",
        lambda: bill(stack, FUTURE, since_first("100")),
        f"budget {FUTURE}",
        TEAM,
        (
            f"Budget: ${LIMIT:,}.00 / {PERIOD}",
            f"Forecast: ${LIMIT * 100 // 95:,}.00 at the end of the period",
        ),
        lambda: bill(stack, FUTURE, since_first("60")),
    )
    spike = Scene(
        "CloudCostSpike",
        "usage doubles from one day to the next",
        lambda: bill(stack, SPIKE, daily("200", 12) | {yesterday(): Decimal(450)}),
        f"aws account {SPIKE} rose by 125%",
        TEAM,
        (
            "cost $450.00: at least 125%",
            "($200.00)",
            "Owner: data team",
            "Amazon EC2: $250.00 more than the day before",
        ),
        lambda: bill(stack, SPIKE, daily("200", 12)),
    )
    customers = Scene(
        "UnitEconomicsWorsening",
        "a fifth of the customers has left",
        lambda: set_customers(stack.database_url, 80),
        "A customer costs",
        TEAM,
        ("There are 80 customers now, and were 100 then",),
        lambda: set_customers(stack.database_url, 100),
    )
    # At the turn of a year nothing can be forecast that is not reached yet.
    play([near, *([forecast] if PERIOD else []), spike, customers], story)


def test_under_a_reached_limit_80_percent_is_there_and_silent(stack: Stack, story: Tell) -> None:
    told = story("BudgetExceededCritical", "a bill leaps past 100 %")
    bill(stack, OVER, {yesterday(): Decimal(1051)})
    told.caused()
    messages = told.fires(f"budget {OVER}", EVERYBODY)
    for message in messages.values():
        assert "Threshold: 100% exceeded" in message.text
        assert "Spent: $1,051.00 (105.1%)\nRemaining: -$51.00" in message.text
    (muted,) = stack.alerts("BudgetExceeded80Percent", budget=f"budget {OVER}")
    (reached,) = stack.alerts("BudgetExceededCritical", budget=f"budget {OVER}")
    assert muted["status"]["inhibitedBy"] == [reached["fingerprint"]]
    assert reached["status"]["state"] == "active"
    bill(stack, OVER, {yesterday(): Decimal(300)})
    told.mended()
    ends = told.over(f"budget {OVER}", EVERYBODY)
    assert ends["pagerduty"].key == messages["pagerduty"].key.replace("trigger", "resolve")
    until(lambda: not stack.alerts("BudgetExceeded80Percent", budget=f"budget {OVER}"), "it ends")
    assert "80%" not in "".join(one.text for one in told.hearing.heard(f"budget {OVER}"))


def test_thresholds_of_its_own_are_told_to_whom_they_concern(stack: Stack, story: Tell) -> None:
    set_budget(stack, "1000")
    steps = [
        ("50", "info", DIGEST, "has reached 50% of its limit in the current period, of which"),
        ("90", "warning", TEAM, "Threshold: 90% exceeded"),
        ("120", "critical", PAGED, "Threshold: 120% exceeded"),
    ]
    tales = [
        story("BudgetThresholdReached", f"a bill reaches {threshold} % ({severity})")
        for threshold, severity, _, _ in steps
    ]
    bill(stack, STEPS, {yesterday(): Decimal(1230)})
    for told in tales:
        told.caused()
    for told, (_, _, where, words) in zip(tales, steps, strict=True):
        for message in told.fires(f"budget {STEPS}", where, words).values():
            assert "$1,230.00" in message.text
    # What is credited later takes nothing back: only another budget does.
    bill(stack, STEPS, {yesterday(): Decimal(300)})
    until(lambda: not stack.alerts("BudgetExceededCritical"), "the limit is free again", 60)
    assert len(stack.alerts("BudgetThresholdReached", budget=f"budget {STEPS}")) == 3
    for told in tales:
        told.hearing.mark()
        told.mended()
    set_budget(stack, "5000")
    for told in tales[1:]:
        told.over(f"budget {STEPS}", told.delay.receivers)
    until(lambda: not stack.alerts("BudgetThresholdReached"), "the information is taken back")


def set_budget(stack: Stack, amount: str) -> None:
    scope = ["--scope", "account", "--value", STEPS, "--period", "monthly"]
    thresholds = [word for one in ("50", "90", "120") for word in ("--threshold", one)]
    words = [f"budget {STEPS}", "--amount", amount, *scope, *thresholds]
    done = invoke("budget", "set", *words, "--config", stack.config)
    assert done.exit_code == 0, done.output


def test_under_an_anomaly_the_spike_is_there_and_silent(stack: Stack, story: Tell) -> None:
    told = story("CostAnomalyDetected", "a service costs three times as much as ever")
    bill(stack, ODD, daily("200", 70) | {yesterday(): Decimal(600)})
    told.caused()
    for message in told.fires(f"aws account {ODD} costs more", TEAM).values():
        assert "$400.00 a day more than the $200.00 that were expected" in message.text
        assert "Owner: web team" in message.text
    (spike,) = stack.alerts("CloudCostSpike", account_id=ODD)
    (anomaly,) = stack.alerts("CostAnomalyDetected", account_id=ODD)
    assert spike["status"]["inhibitedBy"] == [anomaly["fingerprint"]]
    # The day before was as dear, says the provider now: an anomaly all the same, and no spike.
    bill(stack, ODD, daily("200", 70) | daily("600", 2))
    until(lambda: not stack.alerts("CloudCostSpike", account_id=ODD), "the spike ends", 60)
    assert told.hearing.heard(f"aws account {ODD} rose") == []
    bill(stack, ODD, daily("200", 70))
    told.mended()
    told.over(f"aws account {ODD} costs more", TEAM)


def test_30_days_of_growth(stack: Stack, story: Tell) -> None:
    told = story("CostGrowthHigh", "a new account for 30 days")
    set_customers(stack.database_url, 150)
    bill(stack, GROWN, daily("500", 30))
    told.caused()
    now, before = (written(stack.folder / "bills", back) for back in (0, 30))
    for message in told.fires("Cloud costs have grown by", TEAM).values():
        assert f"cost ${now:,.2f}" in message.text
        assert f"aws: ${now - before:,.2f} more than in the 30 days before" in message.text
    bill(stack, GROWN, {yesterday(): Decimal(1)})
    told.mended()
    told.over("Cloud costs have grown", TEAM)
    assert told.hearing.heard("A customer costs") == []


def set_customers(database_url: str, current: int) -> None:
    """So many in the last 30 days; there were 100 in the 30 before."""
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS shops (day date, number numeric)")
        connection.execute("DELETE FROM shops")
        connection.execute(
            "INSERT INTO shops VALUES (%s, %s), (%s, 100)",
            (yesterday(), current, yesterday() - timedelta(days=40)),
        )
