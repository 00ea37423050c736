"""All alerts of rules/*.yaml with their thresholds; a test holds them against those files."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Final

from finops_exporter.alerts import ai, cloud, meta, trend
from finops_exporter.alerts.rule import Alert, Limit, Undecided
from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from decimal import Decimal

_SPENT: Final = "spent of the limit"
_USED: Final = "used of the limit"
_REACHED: Final = Limit("the threshold was reached", ">", 0, "flag")
_FLOORS: Final = "the sum of finops_alert_floor_usd"


def _below_80(percent: Decimal) -> bool:
    return percent < 80  # noqa: PLR2004 -- percent, as in the alert's name


def _between(percent: Decimal) -> bool:
    return 80 < percent < 100  # noqa: PLR2004 -- these two have alerts of their own


def _above_100(percent: Decimal) -> bool:
    return percent > 100  # noqa: PLR2004 -- 100 has an alert of its own


_EXCEEDED = (
    Limit(_USED, ">=", 1, "ratio"),
    Limit("a call was refused", "==", 1, "flag"),
)

CLOUD_BUDGET = (
    Alert(
        "BudgetExceeded80Percent",
        "cloud-budget",
        "warning",
        (Limit(_SPENT, ">=", 0.80, "ratio"),),
        cloud.used,
        hold="15m",
        keep="6h",
    ),
    Alert(
        "BudgetExceededCritical",
        "cloud-budget",
        "critical",
        (Limit(_SPENT, ">=", 1, "ratio"),),
        cloud.used,
        hold="15m",
        keep="6h",
    ),
    Alert(
        "CloudCostSpike",
        "cloud-budget",
        "warning",
        (
            Limit(
                "rise of usage over both the day before and the same weekday a week ago",
                ">",
                0.20,
                "ratio",
            ),
            Limit("rise over the day before", ">", 1, "usd", "finops_alert_floor_usd"),
        ),
        cloud.spikes,
        hold="15m",
        keep="1h",
    ),
    Alert(
        "ForecastExceedsBudget",
        "cloud-budget",
        "warning",
        (
            Limit("p10 forecast of the limit", ">", 1, "ratio"),
            Limit(_SPENT, ">=", 1, "ratio", unless=True),
        ),
        cloud.forecast,
        hold="6h",
    ),
    *(
        Alert(
            "BudgetThresholdReached",
            "cloud-budget",
            severity,
            (_REACHED,),
            cloud.thresholds(wanted),
            hold="15m",
        )
        for severity, wanted in (
            ("info", _below_80),
            ("warning", _between),
            ("critical", _above_100),
        )
    ),
)

AI_BUDGET = (
    Alert(
        "AIBudgetWarning",
        "ai-budget",
        "warning",
        (Limit(_USED, ">=", 0.80, "ratio"),),
        ai.used,
        hold="5m",
    ),
    *(
        Alert(
            "AIBudgetExceeded",
            "ai-budget",
            severity,
            _EXCEEDED,
            ai.exceeded(critical=severity == "critical"),
            hold="1m",
            any_of=True,
        )
        for severity in ("warning", "critical")
    ),
    Alert(
        "TotalAISpendHigh",
        "ai-budget",
        "warning",
        (Limit("spent by all tenants", ">", 10_000, "usd"),),
        ai.total,
        hold="15m",
    ),
    Alert(
        "AITokenAnomaly",
        "ai-budget",
        "warning",
        (
            Limit("tokens of the last hour against an average active hour", ">", 3, "times"),
            Limit("tokens of the last hour", ">", 50_000, "number"),
            Limit("cost of the last hour", ">", 5, "usd"),
        ),
        ai.tokens,
        hold="10m",
        keep="30m",
    ),
    Alert(
        "AIReportCostHigh",
        "ai-budget",
        "warning",
        (
            Limit("cost of a report in 24 h", ">", 2, "usd"),
            Limit("reports in 24 h", ">=", 5, "number"),
        ),
        ai.reports,
        hold="30m",
    ),
)

TREND = (
    Alert(
        "CostGrowthHigh",
        "trend",
        "warning",
        (
            Limit("growth of 30 days over the 30 before", ">", 0.20, "ratio"),
            Limit("growth in dollars", ">", 1, "usd", _FLOORS),
        ),
        trend.growth,
        hold="6h",
    ),
    Alert(
        "UnitEconomicsWorsening",
        "trend",
        "warning",
        (
            Limit("growth of the cost of a customer", ">", 0.15, "ratio"),
            Limit("growth in dollars, of all customers", ">", 1, "usd", _FLOORS),
        ),
        trend.customers,
        hold="6h",
    ),
    Alert(
        "CostAnomalyDetected",
        "trend",
        "warning",
        (
            Limit("excess in usual scatters", ">=", 4, "times"),
            Limit("excess", ">", 1, "usd", "finops_alert_floor_usd"),
            Limit("excess", ">", 0.20, "usd", "what was expected"),
        ),
        trend.anomalies,
        hold="15m",
        keep="1h",
    ),
)

META = (
    Alert(
        "FinOpsBillingDataStale",
        "meta",
        "warning",
        (
            Limit("intervals since the source was read", ">", 3, "times"),
            Limit("the source was never read, and its newest run failed", "==", 1, "flag"),
        ),
        meta.stale,
        hold="15m",
        any_of=True,
        elsewhere=(Limit("time since a replica has read the store", ">", 900, "seconds"),),
    ),
    Alert(
        "FinOpsBillingDataMissing",
        "meta",
        "warning",
        (Limit("how long the next complete day is overdue", ">", 2 * meta.DAY_SECONDS, "seconds"),),
        meta.missing_days,
        hold="1h",
    ),
    Alert(
        "FinOpsBudgetMissing",
        "meta",
        "warning",
        (Limit("the budget cannot be told", "==", 1, "flag"),),
        meta.budgets_unknown,
        hold="1h",
    ),
    Alert(
        "FinOpsBudgetMissing",
        "meta",
        "info",
        (Limit("no budget speaks of the provider", "==", 1, "flag"),),
        meta.budgets_missing,
        hold="1h",
    ),
    Alert(
        "FinOpsUnreconciled",
        "meta",
        "warning",
        (
            Limit("difference from the provider's total", ">", 0.005, "ratio"),
            Limit("difference in dollars", ">", 1, "usd"),
        ),
        meta.unreconciled,
        hold="1h",
    ),
    Alert(
        "FinOpsApiBudgetExhausted",
        "meta",
        "warning",
        (Limit("spent today of what requests may cost", ">=", 0.99, "ratio"),),
        meta.api_caps,
        hold="15m",
    ),
    Alert(
        "FinOpsRowsRejected",
        "meta",
        "warning",
        (Limit("rows that no number contains", ">", 0, "number"),),
        meta.rows_left_out,
        hold="15m",
    ),
)

ALERTS: Final = (*CLOUD_BUDGET, *AI_BUDGET, *TREND, *META)
"""Those that our own metrics decide."""

_OF_OTHERS = "it looks at metrics of other exporters"
_OF_PROCESSES = "it looks at what each process of the ledger counts"
_OF_THE_PAST = "it looks at how much was written in an hour"
_OF_SCRAPES = "it looks at whether Prometheus is told anything"

UNDECIDED: Final = (
    Undecided("FinOpsExporterDown", "meta", "warning", _OF_SCRAPES),
    Undecided("FinOpsWatchdog", "meta", "none", "it fires always, to show that alerts arrive"),
    Undecided("AILedgerDown", "ai-ledger", "critical", _OF_PROCESSES),
    Undecided("AILedgerErrors", "ai-ledger", "critical", _OF_PROCESSES),
    Undecided("AILedgerSlow", "ai-ledger", "warning", _OF_PROCESSES),
    Undecided("AILedgerFailOpen", "ai-ledger", "critical", _OF_PROCESSES),
    Undecided("AILedgerUnpriced", "ai-ledger", "warning", _OF_PROCESSES),
    Undecided("S3BucketLarge", "storage", "info", _OF_OTHERS),
    Undecided("ClickHouseDiskHigh", "storage", "warning", _OF_OTHERS),
    Undecided("PostgresWALGrowth", "storage", "warning", _OF_THE_PAST),
    Undecided("OverprovisionedPod", "waste", "info", _OF_OTHERS),
    Undecided("IdleLoadBalancer", "waste", "info", _OF_OTHERS),
    Undecided("UnusedPVC", "waste", "info", _OF_OTHERS),
)
"""Those that need Prometheus."""


def called(name: str) -> tuple[list[Alert], list[Undecided]]:
    """The alerts of that name, one for each severity; raises FinopsError with close names."""
    decided = [one for one in ALERTS if one.name == name]
    undecided = [one for one in UNDECIDED if one.name == name]
    if not decided and not undecided:
        names = [*(one.name for one in ALERTS), *(one.name for one in UNDECIDED)]
        by_lower = {one.lower(): one for one in names}
        near = [by_lower[one] for one in difflib.get_close_matches(name.lower(), by_lower)]
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise FinopsError(f"there is no alert {name!r}{hint} (finops-exporter rules lists all)")
    return decided, undecided
