"""Alerts with all labels and annotations that the rules give them."""

from __future__ import annotations

from datetime import UTC, datetime

from integration.alerting import Alert, alert

RUNBOOKS = "https://finops.example.com/runbooks"
CLOUD = "https://grafana.example.com/d/finops-cloud-cost"
AI = "https://grafana.example.com/d/finops-ai-budget"

SONNET = "claude-3-5-sonnet-20241022"

DRIVERS = """\
Amazon EC2 (aws 111111111111): $13200.00, +14.2% against the month before
Amazon RDS (aws 111111111111): $2100.50, -3.0% against the month before
BigQuery (gcp billing-prod): $900.00, new
"""

FINOPS = {"component": "finops"}
WARNING = {**FINOPS, "severity": "warning", "category": "cloud-budget"}
CRITICAL = {**WARNING, "severity": "critical", "escalate": "leadership"}
WAIT = {"page_or_wait": "wait: answer within 4 hours", "response_time": "4 hours"}
PAGE = {"page_or_wait": "page: answer within 1 hour", "response_time": "1 hour"}


def budget_80(**labels: str) -> Alert:
    """The source's first example."""
    return alert(
        {
            **WARNING,
            "alertname": "BudgetExceeded80Percent",
            "budget": "Production Budget",
            "budget_period": "current",
            "scope_type": "environment",
            "scope_value": "production",
            "owner": "platform",
            **labels,
        },
        {
            "summary": "Budget Production Budget is used to 82.0%",
            "description": "$8200.00 of $10000.00 are spent.",
            "budget_name": "Production Budget",
            "threshold": "80",
            "limit": "10000.00",
            "period": "monthly",
            "spent": "8200.00",
            "used_percent": "82.0",
            "remaining": "1800.00",
            "burn_rate": "400.00",
            "days_left": "4",
            "exhaustion_date": "2026-02-12",
            "scope": "Environment = production",
            "action": "Review top spenders in FinOps dashboard",
            "data_through": "2026-02-07",
            "drivers": DRIVERS,
            "command": "finops-exporter budget status",
            "runbook_url": f"{RUNBOOKS}/BudgetExceeded80Percent",
            "dashboard_url": CLOUD,
            **WAIT,
        },
    )


def budget_100(ends: str = "", **labels: str) -> Alert:
    """The source's second example. A day left must not be told: the limit is reached."""
    return alert(
        {
            **CRITICAL,
            "alertname": "BudgetExceededCritical",
            "budget": "Platform Team Budget",
            "budget_period": "current",
            "scope_type": "team",
            "scope_value": "platform",
            "owner": "platform",
            **labels,
        },
        {
            "summary": "Budget Platform Team Budget is exceeded",
            "description": "$5250.00 of $5000.00 are spent.",
            "budget_name": "Platform Team Budget",
            "threshold": "100",
            "limit": "5000.00",
            "period": "monthly",
            "spent": "5250.00",
            "used_percent": "105.0",
            "remaining": "-250.00",
            "burn_rate": "250.00",
            "days_left": "1",
            "scope": "Team = platform",
            "action": "Review top spenders in FinOps dashboard",
            "data_through": "2026-02-07",
            "drivers": DRIVERS,
            "command": "finops-exporter budget status",
            "runbook_url": f"{RUNBOOKS}/BudgetExceededCritical",
            "dashboard_url": CLOUD,
            **PAGE,
        },
        ends=ends,
    )


def ai_budget(
    name: str = "AIBudgetWarning", tenant: str = "acme", model: str = SONNET, **labels: str
) -> Alert:
    """A tenant that has used 86 % of what it may for one model."""
    return alert(
        {
            **WARNING,
            "alertname": name,
            "category": "ai-budget",
            "tenant_id": tenant,
            "model": model,
            "owner": "search",
            **labels,
        },
        {
            "summary": f"Tenant {tenant} has used 86.4% of its AI budget",
            "description": "$1296.00 of $1500.00 are used.",
            "budget_kind": "AI",
            "budget_name": f"tenant {tenant}, model {model}",
            "threshold": "80",
            "limit": "1500.00",
            "period": "monthly",
            "spent": "1296.00",
            "used_percent": "86.4",
            "remaining": "204.00",
            "scope": f"Tenant = {tenant}",
            "action": "Raise the limit, or ask the tenant's owner to slow down",
            "command": f"curl -s http://localhost:3010/api/ai-budget/tenant/{tenant}",
            "runbook_url": f"{RUNBOOKS}/{name}",
            "dashboard_url": AI,
            **WAIT,
        },
    )


def spike(**labels: str) -> Alert:
    """An alert that is about no budget."""
    return alert(
        {
            **WARNING,
            "alertname": "CloudCostSpike",
            "provider": "aws",
            "account_id": "111111111111",
            "owner": "platform",
            **labels,
        },
        {
            "summary": "aws account 111111111111 cost 34.0% more than the day before",
            "description": "Usage of 2026-02-07 cost $1340.00, the day before $1000.00.",
            "action": "Look for what was started or scaled up on that day",
            "data_through": "2026-02-07",
            "drivers": DRIVERS,
            "command": "finops-exporter costs --days 8 --by service",
            "runbook_url": f"{RUNBOOKS}/CloudCostSpike",
            "dashboard_url": CLOUD,
            **WAIT,
        },
    )


def begun_now(*alerts: Alert) -> list[Alert]:
    """The same, but new: of an older one Alertmanager tells at once, and of its group later."""
    return [one | {"startsAt": datetime.now(UTC).isoformat()} for one in alerts]


def open_findings() -> list[Alert]:
    """What waits for Monday."""
    week = {"response_time": "1 week", "dashboard_url": CLOUD, "since": "2026-02-08"}
    info = {**FINOPS, "severity": "info"}
    return begun_now(
        alert(
            {**info, "alertname": "S3BucketLarge", "category": "storage", "bucket": "logs"},
            {
                "summary": "Bucket logs holds 1.4 TiB",
                "description": "All storage classes together; a life cycle rule may help.",
                "runbook_url": f"{RUNBOOKS}/S3BucketLarge",
                **week,
            },
        ),
        alert(
            {**info, "alertname": "UnusedPVC", "category": "waste", "namespace": "shop"},
            {
                "summary": "Volume claim shop/old-data is unused",
                "description": "No pod has mounted it for 7 days.",
                "command": "kubectl -n shop describe pvc old-data",
                "runbook_url": f"{RUNBOOKS}/UnusedPVC",
                **week,
            },
        ),
        alert(
            {**info, "alertname": "BudgetThresholdReached", "category": "cloud-budget"},
            {"summary": "Half of Production Budget is spent", **week},
        ),
    )
