"""Every metric that we expose: its type, its labels, its meaning; docs/metrics.md is made of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from finops_exporter.exposition.ai_catalogue import AI_METRICS, AI_PROCESS_METRICS
from finops_exporter.exposition.asking_catalogue import ASKING_METRICS
from finops_exporter.exposition.budget_catalogue import BUDGET_METRICS, PROVIDER_BUDGET
from finops_exporter.exposition.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_PREFIX = ("aws", "gcp", "azure")
"""Providers with families of their own; any other shares `other_*` with a `provider` label."""

DAY_OFFSETS = (1, 2, 8)
"""The complete days that the daily families show: newest, the day before, the same weekday."""

WINDOWS = ("current", "previous")
"""The spans of complete days that the trailing family shows, from the newest back."""

_PLACE = ("account_id", "region", "service")
_BASIS = "US dollars, in the cost basis that finops_cost_basis_info names"

COST_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "cost_monthly_usd",
            "gauge",
            f"Month to date of the current billing month (UTC), all stored days, {_BASIS}.",
            ("month", *_PLACE),
            folds=_PLACE,
        ),
        Metric(
            "cost_previous_month_usd",
            "gauge",
            f"The whole calendar month before the current billing month (UTC), as restated so far, "
            f"{_BASIS}.",
            ("month", *_PLACE),
            folds=_PLACE,
        ),
        Metric(
            "cost_year_to_date_usd",
            "gauge",
            "The year of the current billing month (UTC), all stored days from since on through "
            "that month; since is 1 January where the stored days reach back that far, else the "
            f"day on which they begin, {_BASIS}.",
            ("account_id", "since"),
            folds=("account_id",),
        ),
        Metric(
            "cost_daily_usd",
            "gauge",
            f"All charges of one complete UTC day, counted back from the newest complete one "
            f"(day_offset 1), {_BASIS}.",
            ("day_offset", *_PLACE),
            folds=_PLACE,
            variants=len(DAY_OFFSETS),
        ),
        Metric(
            "cost_usage_daily_usd",
            "gauge",
            f"Charges of category Usage of one complete UTC day, counted back from the newest "
            f"complete one (day_offset 1), {_BASIS}.",
            ("day_offset", "account_id", "service"),
            folds=("account_id", "service"),
            variants=len(DAY_OFFSETS),
        ),
        Metric(
            "cost_today_usd",
            "gauge",
            f"The current UTC day so far: partial, never a part of the daily families, {_BASIS}.",
            ("account_id",),
            folds=("account_id",),
        ),
        Metric(
            "cost_trailing_30d_usd",
            "gauge",
            "The last 30 complete UTC days (window current) and the 30 before (previous), "
            f"{_BASIS}; absent while the stored days do not reach back that far.",
            ("account_id", "window"),
            folds=("account_id",),
            variants=len(WINDOWS),
        ),
        Metric(
            "cost_charge_category_monthly_usd",
            "gauge",
            f"Month to date by FOCUS charge category (UTC); adds up to the provider's total, "
            f"{_BASIS}.",
            ("month", "charge_category"),
        ),
        Metric(
            "cost_allocated_monthly_usd",
            "gauge",
            f"Month to date by the values of one configured tag (UTC); each tag's values add up to "
            f"the provider's total, {_BASIS}.",
            ("month", "tag", "value"),
            folds=("value",),
        ),
        Metric(
            "cost_forecast_usd",
            "gauge",
            "What the current billing month (UTC, horizon month_end) will have cost at its end, "
            "absent before 3 complete days of it; and what the days after the newest complete one "
            f"will cost (30d, 90d): estimate p10, p50 or p90, {_BASIS}.",
            ("horizon", "estimate"),
        ),
        Metric(
            "cost_unreconciled_usd",
            "gauge",
            f"The source's own total of a month (UTC) minus the sum of our parts, {_BASIS}.",
            ("month",),
        ),
        Metric(
            "cost_restated_usd_total",
            "counter",
            f"Absolute amount by which complete days that were already stored changed, {_BASIS}.",
        ),
        PROVIDER_BUDGET,
    )
}
"""The families of every provider, by their name without the provider's prefix."""

_SOURCE = ("provider", "collector")
_SERVICE = ("provider", "account_id", "service")

FINOPS_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "finops_billing_data_newest_day_timestamp_seconds",
            "gauge",
            "Midnight (UTC) at which the newest complete stored day of the provider begins, "
            "seconds since the epoch.",
            ("provider",),
        ),
        Metric(
            "finops_account_info",
            "gauge",
            "1 for each account, with what its source and the configuration call it.",
            ("provider", "account_id", "account_name", "billing_account_id", "owner"),
        ),
        Metric(
            "finops_cost_basis_info",
            "gauge",
            "1; basis is the FOCUS cost that the cost families show: billed or effective.",
            ("basis",),
        ),
        Metric(
            "finops_rejected_rows",
            "gauge",
            "Rows that the newest run of a source left out, by reason.",
            ("collector", "reason"),
        ),
        Metric(
            "finops_unconverted_rows",
            "gauge",
            "Stored rows in a currency without a configured rate, which no *_usd family contains.",
            ("collector", "reason"),
        ),
        Metric(
            "finops_collector_success",
            "gauge",
            "1 if the newest run of the source that has ended stored what it could read, 0 if not; "
            "what was left out counts in finops_rejected_rows.",
            _SOURCE,
        ),
        Metric(
            "finops_collector_duration_seconds",
            "gauge",
            "How long the newest run of the source that has ended took, in seconds.",
            _SOURCE,
        ),
        Metric(
            "finops_collector_rows",
            "gauge",
            "Rows that the newest run of the source that has ended read.",
            _SOURCE,
        ),
        Metric(
            "finops_collector_last_success_timestamp_seconds",
            "gauge",
            "When a run of the source last stored something and ended, seconds since the epoch.",
            _SOURCE,
        ),
        Metric(
            "finops_collector_last_attempt_timestamp_seconds",
            "gauge",
            "When the newest run of the source began, seconds since the epoch.",
            _SOURCE,
        ),
        Metric(
            "finops_collector_notices",
            "gauge",
            "What the newest run of a source kept without understanding it, or did without, by "
            "reason.",
            ("collector", "reason"),
        ),
        Metric(
            "finops_collector_removed",
            "gauge",
            "1 for each source that is configured no more: what it stored stays, and grows old.",
            _SOURCE,
        ),
        Metric(
            "finops_collector_interval_seconds",
            "gauge",
            "How often the source is read, in seconds.",
            _SOURCE,
        ),
        Metric(
            "finops_source_lag_seconds",
            "gauge",
            "How long after midnight (UTC) a day of the source counts as complete, in seconds.",
            _SOURCE,
        ),
        *ASKING_METRICS,
        Metric(
            "finops_cost_anomaly_score",
            "gauge",
            "By how many times the usual scatter usage lay above what was expected, of the newest "
            "three complete days (UTC) the worst anomaly, else the newest day; neither "
            "acknowledged nor announced ones.",
            _SERVICE,
        ),
        Metric(
            "finops_cost_anomaly_expected_usd",
            "gauge",
            "What usage of the same day was expected to cost, US dollars, effective cost.",
            _SERVICE,
        ),
        Metric(
            "finops_cost_anomaly_excess_usd",
            "gauge",
            "What usage of the same day cost above that, US dollars, effective cost.",
            _SERVICE,
        ),
        Metric(
            "finops_alert_floor_usd",
            "gauge",
            "What a change must be worth to alert anybody: $25, or 0.5 % of the provider's mean "
            "day of the last 30 complete ones (UTC) if that is more, US dollars.",
            ("provider",),
        ),
        Metric(
            "finops_series_dropped_to_other",
            "gauge",
            "Series of a family that are summed into __other__, because there are more than "
            "server.max_series.",
            ("family",),
        ),
        Metric(
            "finops_snapshot_build_seconds",
            "gauge",
            "How long reading and rendering the newest snapshot took, in seconds.",
        ),
        *BUDGET_METRICS,
    )
}
"""The families of a snapshot that do not belong to one provider."""

LIVE_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "finops_snapshot_timestamp_seconds",
            "gauge",
            "When the values were last known to be those of the store, seconds since the epoch.",
        ),
        Metric(
            "finops_database_up",
            "gauge",
            "1 if the database answered the newest question, 0 if not.",
        ),
        Metric(
            "finops_exporter_build_info",
            "gauge",
            "1, with the versions of the exporter and of Python.",
            ("version", "python_version"),
        ),
    )
}
"""The families that follow the clock: rendered anew at every refresh."""

WAL_BYTES = Metric(
    "finops_postgres_wal_bytes_total",
    "counter",
    "How far a watched PostgreSQL server has written its write-ahead log, bytes: its position when "
    "it was first asked, and what was written since; absent while it gives no answer.",
    ("database",),
)

PROCESS_METRICS: Mapping[str, Metric] = {WAL_BYTES.name: WAL_BYTES}
"""What a process reads by itself (wal), whatever its snapshot is."""


def cost_metric(name: str, provider: str) -> tuple[Metric, tuple[str, ...]]:
    """The metric of a cost family for `provider`, and the label values that it puts first."""
    metric = COST_METRICS[name]
    if provider in OWN_PREFIX:
        return replace(metric, name=f"{provider}_{name}"), ()
    labels = ("provider", *metric.labels)
    return replace(metric, name=f"other_{name}", labels=labels), (provider,)


def as_markdown() -> str:
    """The catalogue as a page for people, with what a process counts of its AI ledger."""
    lines = [
        "# Metrics",
        "",
        (
            "Generated from the catalogue (`make docs`); do not edit. `P` is `aws`, `gcp` or "
            "`azure`; any other provider is `other`, with a label `provider`. Days and months are "
            "UTC, those of budgets in their own time zones. `ai_budget_*` list at most "
            "`ai.max_tenants` tenants; `finops_ai_tenants_left_out` tells which, and how many are "
            "left out."
        ),
        "",
        "| metric | type | labels | meaning |",
        "|---|---|---|---|",
    ]
    prefixed = [("P_", metric) for metric in COST_METRICS.values()]
    groups = (FINOPS_METRICS, AI_METRICS, AI_PROCESS_METRICS, PROCESS_METRICS, LIVE_METRICS)
    plain = [("", metric) for group in groups for metric in group.values()]
    for prefix, metric in [*prefixed, *plain]:
        labels = ", ".join(f"`{label}`" for label in metric.labels) or "none"
        lines.append(f"| `{prefix}{metric.name}` | {metric.kind} | {labels} | {metric.help} |")
    return "\n".join(lines) + "\n"
