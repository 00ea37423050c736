"""What a history does not contain, as samples: how sources do, what is held, which alerts fire.

`backfill` tells what was known at past moments; this is what nobody keeps. Numbers are plain, since
no sum of the store stands behind them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from integration.dashboard_store import LAGS, PLACES, SOURCES, TENANTS
from rule_files import ALERTS
from rule_metrics import OURS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

Labels = dict[str, str]

LEFT_OUT: Final = re.compile(
    r"^finops_(collector|source_lag|cloud_api|customers|rejected|unconverted|ai_ledger)"
    r"|^(aws|azure|gcp)_cost_(today|unreconciled)_usd$"
    r"|^ai_budget_(reserved_usd|hard_limit_reached|tenants)$"
)
"""What docs/backfill.md says that a history leaves out, of what rules ask for."""

OF_THE_CLOCK: Final = {
    "finops_collector_last_success_timestamp_seconds": -600.0,
    "finops_collector_last_attempt_timestamp_seconds": -660.0,
}
"""How many seconds after a moment these lie."""

NUMBERS: Final = {
    "finops_collector_interval_seconds": 21_600.0,
    "finops_collector_rows": 1234.0,
    "finops_collector_spent_today_usd": 0.05,
    "finops_collector_daily_cap_usd": 1.0,
    "finops_cloud_api_estimated_cost_usd_total": 1.25,
    "finops_cloud_api_budget_usd": 2.0,
    "finops_customers": 200.0,
    "finops_rejected_rows": 3.0,
    "ai_budget_hard_limit_reached": 0.0,
    "ai_budget_tenants": 2.0,
}
"""Numbers of gauges for which 1 would be odd."""

FIRING: Final[tuple[tuple[str, Labels], ...]] = (
    ("BudgetExceeded80Percent", {"budget": "Data", "budget_period": "current", "owner": ""}),
    ("BudgetExceededCritical", {"budget": "Azure sub-2", "budget_period": "current"}),
    ("CloudCostSpike", {"provider": "aws", "account_id": "111111111111"}),
    (
        "CostAnomalyDetected",
        {"provider": "gcp", "account_id": "prod.example", "service": "BigQuery"},
    ),
    ("AIBudgetWarning", {"tenant_id": "tenant-1", "model": "*"}),
    ("AILedgerSlow", {}),
    (
        "IdleLoadBalancer",
        {"account_id": "111111111111", "region": "us-east-1", "load_balancer": "a"},
    ),
    ("UnusedPVC", {"namespace": "shop", "persistentvolumeclaim": "old"}),
    ("S3BucketLarge", {"account_id": "111111111111", "region": "us-east-1", "bucket": "logs"}),
)


def write(file: Path, known: Iterable[str], times: range, marked: Mapping[str, str]) -> None:
    """Write samples at those times (seconds) of all metrics of ours that are not `known`.

    Alerts fire at the newest times, for three days.
    """
    left = [name for name in OURS if LEFT_OUT.search(name) and name not in set(known)]
    with file.open("w", encoding="utf-8") as out:
        for name in left:
            for labels in _labels(OURS[name]):
                text = _series(name, {**labels, **marked})
                for time in times:
                    number = NUMBERS.get(name, 1.0)
                    if name in OF_THE_CLOCK:
                        number = time + OF_THE_CLOCK[name]
                    elif name == "finops_source_lag_seconds":
                        number = LAGS[labels["provider"]] * 3600
                    out.write(f"{text} {number} {time}\n")
        newest = [time for time in times if time > times[-1] - 3 * 86_400]
        for labels in _alerts():
            firing = _series("ALERTS", labels | {"alertstate": "firing"})
            out.writelines(f"{firing} 1 {time}\n" for time in newest)
            since = _series("ALERTS_FOR_STATE", labels)
            out.writelines(f"{since} {newest[0]} {time}\n" for time in newest)
        out.write("# EOF\n")


def names(file: Path) -> set[str]:
    """The metrics in a file of OpenMetrics."""
    with file.open(encoding="utf-8") as lines:
        return {line.partition("{")[0].split()[0] for line in lines if not line.startswith("#")}


def _alerts() -> Iterator[Labels]:
    of_rules = {alert.name: dict(alert.labels) for alert in ALERTS}
    for name, labels in FIRING:
        own = {key: text for key, text in of_rules[name].items() if "{{" not in text}
        yield {"alertname": name, **own, **{key: text for key, text in labels.items() if text}}


def _labels(wanted: set[str]) -> Iterator[Labels]:
    """Every combination of values that a metric's labels have with each other."""
    found: list[Labels] = [{}]
    for together, values in _VALUES.items():
        if wanted & set(together):
            found = [
                {**one, **{key: more[key] for key in together if key in wanted}}
                for one in found
                for more in values
            ]
    seen = {tuple(sorted(one.items())): one for one in found if set(one) == wanted}
    yield from seen.values()


_VALUES: Final[dict[tuple[str, ...], list[Labels]]] = {
    ("provider", "collector", "api"): [
        {"provider": provider, "collector": name, "api": "cost_explorer"}
        for provider, name in SOURCES.items()
    ],
    ("account_id",): [{"account_id": one} for one in dict.fromkeys(p.account for p in PLACES)],
    ("tenant_id", "model"): [
        {"tenant_id": tenant, "model": model} for tenant, (model, _, _) in TENANTS.items()
    ],
    ("reason",): [{"reason": "no_amount"}],
    ("window",): [{"window": "current"}, {"window": "previous"}],
    ("state",): [{"state": one} for one in ("exceeded", "warning", "ok")],
    ("month",): [{"month": "2026-11"}],
}


def _series(name: str, labels: Mapping[str, str]) -> str:
    inside = ",".join(f'{key}="{text}"' for key, text in sorted(labels.items()))
    return f"{name}{{{inside}}}"
