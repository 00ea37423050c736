"""The metrics of cloud budgets and of customers; the catalogue takes them up."""

from __future__ import annotations

from finops_exporter.exposition.metric import Metric

_BUDGET = ("budget", "scope_type", "scope_value", "period", "owner")

PROVIDER_BUDGET = Metric(
    "budget_monthly_limit_usd",
    "gauge",
    "What the monthly budget of the whole provider (scope provider) allows, US dollars; of several "
    "the smallest. Months are those of the budget's time zone (default: UTC).",
)

BUDGET_METRICS = (
    Metric(
        "cloud_budget_limit_usd",
        "gauge",
        "What a budget allows in a period, US dollars.",
        _BUDGET,
    ),
    Metric(
        "cloud_budget_spent_usd",
        "gauge",
        "What is spent in the current period of a budget (by its time zone), all stored days, "
        "US dollars in the budget's cost basis; absent while it is unknown.",
        _BUDGET,
    ),
    Metric(
        "cloud_budget_closing_limit_usd",
        "gauge",
        "What a budget allows in the period before the current one, US dollars; absent once that "
        "is closed.",
        _BUDGET,
    ),
    Metric(
        "cloud_budget_closing_spent_usd",
        "gauge",
        "What is spent in the period before the current one, as restated so far, US dollars in the "
        "budget's cost basis; absent once that is closed.",
        _BUDGET,
    ),
    Metric(
        "cloud_budget_burn_rate_usd_per_day",
        "gauge",
        "What a settled UTC day of the current period has cost on average, US dollars a day: the "
        "complete days without the newest two.",
        _BUDGET,
    ),
    Metric(
        "cloud_budget_forecast_usd",
        "gauge",
        "What the current period of a budget will have cost at its end, US dollars in the budget's "
        "cost basis: estimate p10, p50 or p90; absent before 3 complete days of the period, and "
        "where it began before the first stored day.",
        (*_BUDGET, "estimate"),
    ),
    Metric(
        "cloud_budget_exhaustion_timestamp_seconds",
        "gauge",
        "When the limit will be reached at this burn rate, seconds since the epoch; absent once it "
        "is reached, and when the period ends before.",
        _BUDGET,
    ),
    Metric(
        "cloud_budget_threshold_reached",
        "gauge",
        "1 once so many percent of the limit (threshold) were spent in the current period, until "
        "it ends, whatever is credited later; 0 before.",
        (*_BUDGET, "threshold"),
    ),
    Metric(
        "finops_budget_problems",
        "gauge",
        "1 for each reason why a budget cannot be told, or not as a whole.",
        ("budget", "reason"),
    ),
    Metric(
        "finops_customers",
        "gauge",
        "Active customers in the 30 UTC days before today (window current) and in the 30 before "
        "them (previous), as counted last; absent while it is unknown.",
        ("window",),
    ),
    Metric(
        "finops_customers_success",
        "gauge",
        "1 if customers could be counted when they were to be last, 0 if not.",
    ),
)
"""None of them is ever folded."""
