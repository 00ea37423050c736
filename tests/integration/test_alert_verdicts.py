"""The alerts in the code are decided as promtool decides those of rules/*.yaml."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from finops_exporter.alerts.catalogue import ALERTS
from finops_exporter.alerts.values import Values
from finops_exporter.exposition.ai_catalogue import AI_METRICS
from finops_exporter.exposition.catalogue import FINOPS_METRICS, cost_metric
from finops_exporter.exposition.metric import Family, Metric
from promtool_verdict import MINUTES, hold

if TYPE_CHECKING:
    from pathlib import Path


class Invented:
    """Families whose values lie at, just above, just below and far from the thresholds."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 -- no secret
        self.families: dict[str, Family] = {}

    def add(self, metric: Metric, key: tuple[str, ...], *numbers: float) -> None:
        """One of the numbers, or nothing."""
        if self.random.random() < 0.93:
            family = self.families.setdefault(metric.name, Family(metric))
            family.samples[key] = self.random.choice(numbers)

    def own(self, name: str, key: tuple[str, ...], *numbers: float) -> None:
        self.add({**FINOPS_METRICS, **AI_METRICS}[name], key, *numbers)

    def cost(self, name: str, provider: str, key: tuple[str, ...], *numbers: float) -> None:
        metric, first = cost_metric(name, provider)
        self.add(metric, (*first, *key), *numbers)

    def all(self) -> list[Family]:
        for provider in ("aws", "gcp", "oracle", "hetzner"):
            self._provider(provider)
        for number in range(40):
            self._budget(number)
            self._tenant(f'tenant "{number}"')
        self.own("ai_budget_total_used_usd", (), 10_000, 10_000.01)
        for window in ("current", "previous"):
            self.own("finops_customers", (window,), 100, 100, 90, 0)
        for reason in ("no_rate_eur", "torn"):
            self.own("finops_rejected_rows", ("bill", reason), 0, 2)
            self.own("finops_unconverted_rows", ("bill", reason), 0, 3)
        return [family for _, family in sorted(self.families.items())]

    def _provider(self, provider: str) -> None:
        self.own("finops_alert_floor_usd", (provider,), 25, 40)
        now = 60.0 * MINUTES
        two_days = now - 86_400 - 3600 - 172_800
        newest = "finops_billing_data_newest_day_timestamp_seconds"
        self.own(newest, (provider,), two_days, two_days - 1, two_days + 1)
        self.own("finops_source_lag_seconds", (provider, "bill"), 3600)
        self.own("finops_collector_success", (provider, "bill"), 0, 1)
        self._source(provider, now)
        for window in ("current", "previous"):
            self.cost("cost_trailing_30d_usd", provider, ("1", window), 1000, 1200, 1400, 1700)
        self.cost("cost_monthly_usd", provider, ("2026-11", "1", "r", "s"), 1000, 10, -1000)
        self.cost("cost_previous_month_usd", provider, ("2026-10", "1", "r", "s"), 1000, 0)
        for month in ("2026-10", "2026-11"):
            self.cost("cost_unreconciled_usd", provider, (month,), 5, -5.01, 1, -1.01, 0)
        for number in range(15):
            account = f"account {number}"
            self.own("finops_account_info", (provider, account, "", "", f"owner {number % 3}"), 1)
            for day in ("1", "2", "8"):
                usage = (100, 120, 125, 125.01, 150, 0, -3)
                self.cost("cost_usage_daily_usd", provider, (day, account, "s"), *usage)
            key = (provider, account, "s")
            self.own("finops_cost_anomaly_score", key, 3.99, 4, 9)
            self.own("finops_cost_anomaly_excess_usd", key, 25, 25.01, 40, 80)
            self.own("finops_cost_anomaly_expected_usd", key, 125, 125.05, 200, 401)

    def _source(self, provider: str, now: float) -> None:
        key = (provider, "bill")
        success = "finops_collector_last_success_timestamp_seconds"
        self.own(success, key, now - 3 * 3600, now - 3 * 3600 - 1, now)
        for name, numbers in {
            "finops_collector_interval_seconds": (3600,),
            "finops_collector_spent_today_usd": (0.99, 0.98, 2),
            "finops_collector_daily_cap_usd": (1, 0),
        }.items():
            self.own(name, key, *numbers)

    def _budget(self, number: int) -> None:
        scope = self.random.choice([("team", "web"), ("provider", "aws"), ("provider", "oracle")])
        labels = (f"budget {number}", *scope, "monthly", self.random.choice(["", "me"]))
        amounts = (79.99, 80, 99.99, 100, 101, 0, -1)
        for prefix in ("", "closing_"):
            self.own(f"cloud_budget_{prefix}limit_usd", labels, 100, 0)
            self.own(f"cloud_budget_{prefix}spent_usd", labels, *amounts)
        for estimate in ("p10", "p50"):
            self.own("cloud_budget_forecast_usd", (*labels, estimate), 100, 100.01, 90)
        for threshold in ("7.5", "50", "80", "80.5", "95", "100", "100.5", "120"):
            self.own("cloud_budget_threshold_reached", (*labels, threshold), 0, 1)
        for reason in ("partial_history", "no_rate"):
            if number < 5:
                self.own("finops_budget_problems", (labels[0], reason), 1)

    def _tenant(self, tenant: str) -> None:
        self.own("ai_budget_tenant_info", (tenant, "t", "", "true"), 1) if len(tenant) % 2 else None
        for model in ("*", "gpt"):
            self.own("ai_budget_limit_usd", (tenant, model), 100, 0)
            self.own("ai_budget_used_usd", (tenant, model), 79.99, 80, 99.99, 100, 101)
            self.own("ai_budget_hard_limit_reached", (tenant, model), 0, 0, 1)
        self.own("ai_budget_tokens_last_hour", (tenant,), 50_000, 50_001, 90_000)
        self.own("ai_budget_tokens_hourly_avg_7d", (tenant,), 10_000, 30_000, 0)
        self.own("ai_budget_cost_last_hour_usd", (tenant,), 5, 5.01)
        self.own("ai_budget_report_cost_24h_usd", (tenant, "weekly"), 10, 10.01, 8)
        self.own("ai_budget_reports_24h", (tenant, "weekly"), 4, 5)


@pytest.mark.parametrize("seed", range(4))
def test_what_is_met_is_what_promtool_says(seed: int, tmp_path: Path) -> None:
    families = Invented(seed).all()
    assert hold(families, Values(families), tmp_path) > 100


def test_every_alert_is_met_somewhere_and_somewhere_not() -> None:
    seen = set()
    for seed in range(30):
        values = Values(Invented(seed).all())
        for alert in ALERTS:
            states = {one.state for one in alert.decide(values, 60 * MINUTES)}
            seen |= {(alert.name, alert.severity, state) for state in states}
    for alert in ALERTS:
        assert (alert.name, alert.severity, "met") in seen
        # A budget that cannot be told is listed only while that is so.
        if alert.limits[0].what != "the budget cannot be told":
            assert (alert.name, alert.severity, "not met") in seen
