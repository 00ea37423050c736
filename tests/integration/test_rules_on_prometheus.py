"""A real Prometheus evaluates the rules on what two real replicas tell."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.model import Account, utc_midnight
from integration.feeding import cost, swap
from integration.processes import as_url, configure, until
from integration.scraping import prometheus
from integration.test_serve import serving, yesterday
from shared import ROOT

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from finops_exporter.store.database import Database
    from integration.scraping import Prometheus

RULES = sorted((ROOT / "rules").glob("*.yaml"))
SLOW = {"S3BucketLarge", "ClickHouseDiskHigh", "PostgresWALGrowth"} | {
    "OverprovisionedPod",
    "IdleLoadBalancer",
    "UnusedPVC",
}
"""Alerts of groups that are evaluated every five minutes: not within a test."""

BUDGETS = [
    {"name": "all", "scope": "organization", "amount": 100, "period": "yearly", "owner": "cfo"},
    {"name": 'the "team"', "scope": "team", "value": "data", "amount": 1, "period": "monthly"},
    {"name": "nobody", "scope": "team", "value": "dtaa", "amount": 1, "period": "monthly"},
]
PENDING = {
    ("BudgetExceeded80Percent", "all"),
    ("BudgetExceededCritical", "all"),
    ("BudgetThresholdReached", "all"),
    ("CloudCostSpike", "111"),
    ("AIBudgetWarning", "acme"),
    ("AIBudgetExceeded", "acme"),
    ("FinOpsBudgetMissing", "nobody"),
    ("FinOpsWatchdog", ""),
}


def feed(database: Database) -> Decimal:
    """Two months of two providers, of which one has a spike yesterday; returns its usage then."""
    rows = []
    for back in range(70):
        day = str(yesterday() - timedelta(days=back))
        usage = "900" if back == 0 else "100"
        rows += [
            cost(day, usage, service="Amazon EC2", tags={"team": "data"}),
            cost(day, "3", provider="oracle", account_id="t", service="Compute", tags={}),
        ]
    today = utc_midnight(yesterday() + timedelta(days=1))
    account = Account("aws", "111", "production", "payer")
    swap(database, rows, covered_until={"aws": today, "oracle": today}, accounts=[account])
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_token_budgets (tenant_id, monthly_limit_usd, owner) "
            "VALUES ('acme', 10, 'data')"
        )
        connection.execute(
            "INSERT INTO ai_token_usage (tenant_id, model, input_tokens, cost_usd) "
            "VALUES ('acme', 'gpt-4o', 1000, 11)"
        )
    return Decimal(900)


def test_all_rules_hold_on_the_real_page_of_two_replicas(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    spike = feed(database)
    config = configure(tmp_path, as_url(database_url), tags={"team": ["team"]}, budgets=BUDGETS)
    with serving(config) as one, serving(config) as other:
        target = [f"127.0.0.1:{server.port}" for server in (one, other)]
        scrape = {"static_configs": [{"targets": target}]}
        with prometheus(tmp_path, scrape, RULES) as scraper:
            until(lambda: pending(scraper) >= PENDING, "the alerts are there", 60)
            rules = scraper.rules()
            usage = scraper.query('provider_account:cloud_cost_usage_daily_usd:sum{day_offset="1"}')
            # On a busy machine a scrape of one of them may be late, which leaves the other one.
            until(lambda: replicas(scraper) == 2, "both replicas are scraped")
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
    quick = {rule["name"] for rule in rules if rule["health"] == "ok"}
    assert {rule["name"] for rule in rules if rule["type"] == "alerting"} - quick <= SLOW
    assert {one["metric"]["provider"]: Decimal(one["value"][1]) for one in usage} == {
        "aws": spike,
        "oracle": Decimal(3),
    }
    said = [text for rule in rules for alert in alerts(rule) for text in texts(alert)]
    assert said
    assert [text for text in said if "error expanding" in text or "%!" in text] == []


def replicas(scraper: Prometheus) -> float:
    (count,) = scraper.query("count(finops_snapshot_timestamp_seconds)")
    return float(count["value"][1])


def alerts(rule: dict[str, Any]) -> list[dict[str, Any]]:
    return list(rule.get("alerts", []))


def texts(alert: dict[str, Any]) -> list[str]:
    return [*alert["labels"].values(), *alert["annotations"].values()]


def pending(scraper: Prometheus) -> set[tuple[str, str]]:
    """The alerts that fire or will, and what each is about."""
    found = set()
    for rule in scraper.rules():
        for alert in alerts(rule):
            labels = alert["labels"]
            about = ("budget", "tenant_id", "account_id")
            what = next((labels[name] for name in about if name in labels), "")
            found.add((rule["name"], what))
    return found
