"""The watchers are watched: sources, budgets and sums that are not what they should be."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from doubles.aws_bill import Bill, Line
from doubles.aws_server import AwsServer
from e2e.bills import budget, daily, write_account, yesterday
from e2e.hearing import DIGEST, PAGED, TEAM
from e2e.stack import Wishes, every_minute_is_monday_morning
from e2e.story import Scene, play
from integration.bills import charge, write_bill
from integration.processes import invoke, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from e2e.stack import Stack
    from e2e.story import Story

STEADY, LIMITED, SPIKE = "100", "201", "202"
AZURE = {"ProviderName": "Microsoft"}
PROVIDERS = {"aws": "aws", "azure": "azure"}
DEAR = "capped"
"""The source that asks so much that its cap is used up."""


class Aws:
    """A bill of this month, and whether a service is left out of whatever is grouped."""

    def __init__(self) -> None:
        days = daily("100", 60)
        self.bill = Bill(
            [
                Line(day, "123456789012", service, amount, amount)
                for day, amount in days.items()
                for service in ("AWS Lambda", "Amazon Simple Storage Service")
            ],
            groups_a_page=1,
        )
        self.leaves_out = False

    def answer(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """What GetCostAndUsage says now."""
        known = self.bill
        if self.leaves_out and asked.get("GroupBy"):
            lines = [one for one in known.lines if one.service != "AWS Lambda"]
            known = replace(known, lines=lines)
        return known.answer(asked, datetime.now(UTC))


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[Aws, AwsServer]]:
    of = Aws()
    with AwsServer(GetCostAndUsage=of.answer, ListAccounts=lambda _: {"Accounts": []}) as server:
        yield of, server


def sources(folder: Path, server: AwsServer) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"name": name, "paths": [str(folder / name / "*.csv")]} for name in ("bill", "old", "late")
    ]
    found.append({"type": "aws_cost_explorer", "name": "cut", "history_months": 0, **of(server)})
    return found


def of(server: AwsServer) -> dict[str, Any]:
    return {"endpoint_url": server.url, "account_names": False, "tags": {}}


@pytest.fixture(scope="module")
def wishes(folder: Path, aws: tuple[Aws, AwsServer]) -> Wishes:
    for name in ("bill", "old", "late"):
        (folder / name).mkdir()
    write_account(folder / "bill", STEADY, daily("1000", 40), **AZURE)
    write_account(folder / "bill", LIMITED, {yesterday(): Decimal(100)}, **AZURE)
    write_account(folder / "bill", SPIKE, daily("200", 12), **AZURE)
    write_account(folder / "old", "300", daily("10", 12), **AZURE)
    write_account(folder / "late", "400", daily("10", 12), ProviderName="Google Cloud")
    budgets = [budget(LIMITED, 1000)]
    budgets += [
        {"name": name, "scope": "provider", "value": name, "amount": 10**6, "period": "yearly"}
        for name in ("aws", "azure")
    ]
    return Wishes(
        sources(folder, aws[1]), {"budgets": budgets}, change=every_minute_is_monday_morning
    )


@pytest.fixture(scope="module", autouse=True)
def a_budget_of_google(stack: Stack) -> None:
    set_budget(stack, "google", "provider", "gcp")
    # Each was there before its provider, or the other way round, for a moment.
    fires = 'ALERTS{alertname="FinOpsBudgetMissing"}'
    until(
        lambda: not stack.ask(f"{fires} or provider:cloud_budget_missing:group"), "all is well", 30
    )
    until(lambda: not stack.alerts("FinOpsBudgetMissing"), "and that is told", 30)


def set_budget(stack: Stack, name: str, scope: str, value: str, *more: str) -> None:
    words = ["--scope", scope, "--value", value, "--amount", 10**6, "--period", "yearly"]
    run(stack, "budget", "set", name, *words, *more)


def run(stack: Stack, *words: object) -> None:
    done = invoke(*words, "--config", stack.config)
    assert done.exit_code == 0, done.output


def bill(stack: Stack, account: str, days: dict[Any, Decimal]) -> None:
    write_account(stack.folder / "bill", account, days, **AZURE)


def late(stack: Stack, days: int) -> None:
    """The newest day is so many before yesterday."""
    last = yesterday() - timedelta(days=days)
    columns = {"ProviderName": "Google Cloud"}
    write_account(stack.folder / "late", "400", daily("10", 12, until=last), **columns)


def wrong(stack: Stack, amount: str) -> None:
    """A file of which one row has such an amount."""
    rows = [charge(str(yesterday()), one, SubAccountId="203", **AZURE) for one in ("1", amount)]
    write_bill(stack.folder / "bill/wrong.csv", *rows)


def test_causes_of_one_moment(
    stack: Stack, aws: tuple[Aws, AwsServer], story: Callable[[str, str], Story]
) -> None:
    month = f"{yesterday():%Y-%m}"

    def cut(*, is_short: bool) -> None:
        """The month is read again, as the runbook says."""
        aws[0].leaves_out = is_short
        since = yesterday().replace(day=1)
        run(stack, "collect", "--once", "--source", "cut", "--since", since, "--until", yesterday())

    play(
        [
            Scene(
                "FinOpsBillingDataMissing",
                "a provider has given no day for five days",
                lambda: late(stack, 5),
                "gcp has given no complete day for too long",
                TEAM,
                (f"Data through: {yesterday() - timedelta(days=5)}",),
                lambda: late(stack, 0),
            ),
            Scene(
                "FinOpsBudgetMissing",
                "a budget names a team that nobody knows",
                lambda: set_budget(stack, "typo", "team", "dtaa", "--provider", "azure"),
                "Budget typo is not watched: no_costs",
                TEAM,
                ("finops-exporter doctor --quick",),
                lambda: run(stack, "budget", "delete", "typo"),
            ),
            Scene(
                "FinOpsBudgetMissing",
                "the only budget of a provider is deleted",
                lambda: run(stack, "budget", "delete", "google"),
                "No budget speaks of gcp",
                DIGEST,
                ("Costs of gcp are read",),
                lambda: set_budget(stack, "google", "provider", "gcp"),
            ),
            Scene(
                "FinOpsRowsRejected",
                "a row has an amount that is no number",
                lambda: wrong(stack, "12,50"),
                "Source bill has rows that no number contains",
                TEAM,
                ("All sums are too small by what they cost",),
                lambda: wrong(stack, "12.50"),
            ),
            Scene(
                "FinOpsUnreconciled",
                "what is grouped lacks a service of the total",
                lambda: cut(is_short=True),
                f"Costs of aws in {month} differ from its own total by",
                TEAM,
                ("total minus parts:",),
                lambda: cut(is_short=False),
            ),
        ],
        story,
    )


def test_old_numbers_prove_no_spike_but_a_limit_is_reached(
    stack: Stack, story: Callable[[str, str], Story]
) -> None:
    stale = story("FinOpsBillingDataStale", "the file of a source is gone")
    (stack.folder / "old/300.csv").rename(stack.folder / "away")
    stale.caused()
    for message in stale.fires("Source old was not read for three intervals", TEAM).values():
        assert "The source old (azure) has failed three times in a row" in message.text

    reached = story("BudgetExceededCritical", "a bill grows while another source is stale")
    bill(stack, SPIKE, daily("200", 12) | {yesterday(): Decimal(500)})
    bill(stack, LIMITED, {yesterday(): Decimal(1200)})
    reached.caused()
    reached.fires(f"budget {LIMITED}", PAGED)
    (spike,) = until(lambda: stack.alerts("CloudCostSpike", account_id=SPIKE), "the spike is there")
    (old,) = stack.alerts("FinOpsBillingDataStale", collector="old")
    assert spike["status"]["inhibitedBy"] == [old["fingerprint"]]
    assert reached.hearing.heard(f"account {SPIKE} rose") == []

    spiked = story("CloudCostSpike", "it had been there under stale data, which end")
    (stack.folder / "away").rename(stack.folder / "old/300.csv")
    stale.mended()
    spiked.caused()
    stale.over("Source old was not read", TEAM)
    spiked.fires(f"account {SPIKE} rose by 150%", TEAM)
    bill(stack, LIMITED, {yesterday(): Decimal(100)})
    reached.mended()
    reached.over(f"budget {LIMITED}", PAGED)


def test_without_an_exporter_nobody_is_told_of_a_spike_again(
    stack: Stack, story: Callable[[str, str], Story]
) -> None:
    told = story("FinOpsExporterDown", "the only exporter is killed")
    assert stack.alerts("CloudCostSpike", account_id=SPIKE)
    bill(stack, LIMITED, {yesterday(): Decimal(1300)})
    told.hearing.firing(f"budget {LIMITED}", PAGED)
    told.hearing.mark()
    stack.exporters[0].program.kill()
    told.caused()
    (down,) = until(lambda: stack.alerts("FinOpsExporterDown"), "it is down")
    (spike,) = stack.alerts("CloudCostSpike", account_id=SPIKE)
    (reached,) = stack.alerts("BudgetExceededCritical")
    assert spike["status"]["inhibitedBy"] == [down["fingerprint"]]
    assert (reached["status"]["state"], reached["status"]["inhibitedBy"]) == ("active", [])
    told.fires("finops-exporter is down", TEAM)
    # Half an hour later nothing is known of it any more, of which nobody is told either.
    until(lambda: not stack.alerts("CloudCostSpike", account_id=SPIKE), "the spike is forgotten")
    stack.exporters[0].program.start()
    told.mended()
    told.over("finops-exporter is down", TEAM)
    assert told.hearing.heard(f"account {SPIKE} rose") == []
    bill(stack, LIMITED, {yesterday(): Decimal(100)})
    bill(stack, SPIKE, daily("200", 12))


def test_a_new_source_uses_up_what_it_may_cost(
    stack: Stack, aws: tuple[Aws, AwsServer], story: Callable[[str, str], Story]
) -> None:
    told = story("FinOpsApiBudgetExhausted", "a new source asks more than it may in a day")
    new = {"type": "aws_cost_explorer", "name": DEAR, "history_months": 1, **of(aws[1])}
    cap = {"interval": "6h", "daily_cap_usd": 1}
    stack.exporters[0].program.stop()
    stack.reconfigure([*sources(stack.folder, aws[1]), {**new, **cap}])
    stack.exporters[0].program.start()
    told.caused()
    for message in told.fires(f"Source {DEAR} may ask no more today", TEAM).values():
        assert f"The source {DEAR} (aws) has spent 100% of" in message.text
    told.mended()
    stack.exporters[0].program.stop()
    stack.reconfigure([*sources(stack.folder, aws[1]), {**new, **cap, "daily_cap_usd": 10}])
    stack.exporters[0].program.start()
    # It asks again half a minute after it was refused; until then its new cap is not known.
    spent = f'provider_collector:finops_collector_spent_of_cap:ratio{{collector="{DEAR}"}} < 0.99'
    until(lambda: stack.ask(spent), "it asks again", 90)
    told.hearing.mark()
    told.over(f"Source {DEAR} may ask no more today", TEAM)


def test_the_watchdog_keeps_a_dead_mans_switch_from_firing(stack: Stack) -> None:
    (alert,) = stack.alerts("FinOpsWatchdog")
    assert alert["status"]["state"] == "active"
    assert {ping["status"] for ping in stack.receivers.switch.pings} == {"firing"}
