"""Which alert mutes which in a real Alertmanager with our configuration, and which must not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from integration.alert_samples import begun_now, budget_80, budget_100
from integration.alerting import alert
from integration.processes import until

if TYPE_CHECKING:
    from doubles.receivers import Receivers
    from integration.alerting import Alertmanager

Labels = dict[str, str]

AT_100, AT_80, FORECAST = (
    "BudgetExceededCritical",
    "BudgetExceeded80Percent",
    "ForecastExceedsBudget",
)
AI_OVER, AI_NEAR = "AIBudgetExceeded", "AIBudgetWarning"
SPIKE, ANOMALY = "CloudCostSpike", "CostAnomalyDetected"
DOWN, STALE = "FinOpsExporterDown", "FinOpsBillingDataStale"


def of(name: str, **labels: str) -> Labels:
    return {"alertname": name, "component": "finops", **labels}


def a(**labels: str) -> Labels:
    """Budget a in the current period."""
    return {"budget": "a", "budget_period": "current"} | labels


def aws(**labels: str) -> Labels:
    return {"provider": "aws", "account_id": "1"} | labels


# What fires, what it mutes, and what stays although it is alike.
CASES: dict[str, tuple[Labels, list[Labels], list[Labels]]] = {
    "a reached limit": (
        of(AT_100, **a()),
        [of(AT_80, **a()), of(FORECAST, **a()), of(AT_80, **a(owner="platform"))],
        [
            of(AT_80, **a(budget="b")),
            of(FORECAST, **a(budget="b")),
            of(AT_80, **a(budget_period="closing")),
            of(AT_80),
            of("BudgetThresholdReached", **a(threshold="120")),
            of(SPIKE, **aws()),
            of(AI_NEAR, tenant_id="t", model="*"),
        ],
    ),
    "the closing period's limit": (
        of(AT_100, **a(budget_period="closing")),
        [of(AT_80, **a(budget_period="closing"))],
        [of(AT_80, **a()), of(FORECAST, **a())],
    ),
    "a budget without a period": (of(AT_100, budget="a"), [of(AT_80, budget="a")], [of(AT_80)]),
    "a limit of no budget": (of(AT_100), [], [of(AT_80), of(FORECAST), of(AT_80, **a())]),
    "a tenant's own limit": (
        of(AI_OVER, tenant_id="t", model="*"),
        [of(AI_NEAR, tenant_id="t", model="*"), of(AI_NEAR, tenant_id="t", model="m")],
        [of(AI_NEAR, tenant_id="u", model="*"), of(AI_NEAR, model="*"), of(AT_80, **a())],
    ),
    "the limit of a tenant's model": (
        of(AI_OVER, tenant_id="t", model="m"),
        [of(AI_NEAR, tenant_id="t", model="m")],
        [
            of(AI_NEAR, tenant_id="t", model="*"),
            of(AI_NEAR, tenant_id="t", model="n"),
            of(AI_NEAR, tenant_id="u", model="m"),
        ],
    ),
    "the limit of no tenant": (of(AI_OVER), [], [of(AI_NEAR), of(AI_NEAR, tenant_id="t")]),
    "an anomaly": (
        of(ANOMALY, **aws(service="EC2")),
        [of(SPIKE, **aws())],
        [
            of(SPIKE, **aws(account_id="2")),
            of(SPIKE, **aws(provider="gcp")),
            of(SPIKE, provider="aws"),
            of(AT_80, **a()),
            of(AT_100, **a(budget="b")),
        ],
    ),
    "an anomaly of no account": (
        of(ANOMALY, provider="aws"),
        [],
        [of(SPIKE, provider="aws"), of(SPIKE, **aws())],
    ),
    "no exporter": (
        of(DOWN),
        [of(SPIKE, **aws()), of(ANOMALY, **aws()), of(FORECAST, **a())],
        [
            of(AT_100, **a()),
            of(AT_80, **a(budget="b")),
            of(AI_OVER, tenant_id="t", model="*"),
            of(AI_NEAR, tenant_id="u", model="*"),
            of("BudgetThresholdReached", **a()),
            of("FinOpsWatchdog"),
            of("AILedgerDown"),
            of(STALE, provider="aws"),
            of("TotalAISpendHigh"),
        ],
    ),
    "old data of a provider": (
        of(STALE, provider="aws", collector="bill"),
        [
            of(SPIKE, **aws()),
            of(ANOMALY, **aws(account_id="2")),
            of(FORECAST, **a(provider="aws")),
            of(FORECAST, **a()),
        ],
        [
            of(SPIKE, **aws(provider="gcp")),
            of(ANOMALY, **aws(provider="gcp", account_id="2")),
            of(FORECAST, **a(provider="gcp")),
            of(AT_100, **a(budget="c", provider="aws")),
            of(AT_80, **a(budget="b", provider="aws")),
            of("FinOpsBillingDataMissing", provider="aws"),
        ],
    ),
    "values that stand still": (
        of(STALE),
        [
            of(SPIKE, **aws()),
            of(ANOMALY, **aws()),
            of(FORECAST, **a()),
            of(FORECAST, **a(provider="gcp")),
        ],
        [
            of(AT_100, **a()),
            of(AT_80, **a(budget="b")),
            of("FinOpsBillingDataMissing", provider="aws"),
        ],
    ),
    "old data of nobody": (
        of(STALE, collector="bill"),
        [of(FORECAST, **a())],
        [of(SPIKE), of(ANOMALY, **aws()), of(FORECAST, **a(provider="gcp"))],
    ),
}


def muted(manager: Alertmanager) -> list[Labels]:
    """The labels of all that something else mutes, as Alertmanager judges them now."""
    return [one["labels"] for one in manager.alerts() if one["status"]["inhibitedBy"]]


# Proves that rules are at work where nothing else is muted: the last alert to be posted.
WITNESS = of(AT_100, **a(budget="witness")), of(AT_80, **a(budget="witness"))


@pytest.mark.parametrize("case", CASES)
def test_what_is_muted_and_what_is_not(manager: Alertmanager, case: str) -> None:
    source, silent, heard = CASES[case]
    everything = [source, *silent, *heard, *WITNESS]
    manager.post(*begun_now(*map(alert, everything)))
    until(lambda: len(manager.alerts()) == len(everything), "all are taken")
    until(lambda: WITNESS[1] in muted(manager), "the rules are at work")
    until(lambda: all(one in muted(manager) for one in silent), "what is to be muted is")
    assert [one for one in heard if one in muted(manager)] == []
    assert len(muted(manager)) == len(silent) + 1


def test_nothing_is_muted_once_the_source_is_over(
    manager: Alertmanager, receivers: Receivers
) -> None:
    manager.post(*begun_now(budget_100(), budget_80(budget="Platform Team Budget")))
    until(lambda: len(receivers.slack.messages) == 1, "the reached limit is told")
    manager.post(budget_100(ends="2026-02-08T14:00:00Z"))
    until(lambda: len(receivers.slack.messages) == 3, "its end is told, and the other")
    first, *others = (one.attachment.fallback for one in receivers.slack.messages)
    assert first == "🔴 Budget Alert: Platform Team Budget"
    assert set(others) == {
        "✅ Resolved: Budget Alert: Platform Team Budget",
        "🟠 Budget Alert: Production Budget",
    }


def test_a_reached_limit_is_told_while_the_exporter_is_down(
    manager: Alertmanager, receivers: Receivers
) -> None:
    down = alert(of(DOWN, severity="warning"), {"summary": "The FinOps exporter is down"})
    manager.post(down)
    until(lambda: receivers.slack.messages, "the outage is told")
    forecast = budget_80(alertname=FORECAST, budget="another")
    manager.post(*begun_now(forecast, budget_100()))
    until(lambda: receivers.pagerduty.events, "the page")
    until(lambda: len(receivers.slack.messages) == 2, "Slack")
    assert [one.attachment.fallback for one in receivers.slack.messages] == [
        "🟠 The FinOps exporter is down",
        "🔴 Budget Alert: Platform Team Budget",
    ]
