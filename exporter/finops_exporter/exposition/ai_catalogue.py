"""The metrics of AI budgets and of their ledger; the catalogue takes them up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter.exposition.metric import Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

DIRECTIONS = ("input", "output", "cache_read", "cache_write")
"""Kinds of tokens; each token is of one kind only."""

STATES = ("ok", "warning", "exceeded")
"""How the worst budget of a tenant can stand."""

_BUDGET = ("tenant_id", "model")
_REPORT = ("tenant_id", "report_type")
_MONTH = "the current calendar month of the budget's time zone"
_MODEL_MONTH = (
    "the current calendar month in the time zone of the model's budget (without one: of the "
    "tenant's, else UTC)"
)
_LAST_HOUR = "the last hour (in whole five minutes: the newest 55 to 60)"
_LAST_DAY = "the last 24 hours (in whole five minutes)"

AI_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "ai_budget_limit_usd",
            "gauge",
            "What a budget allows in a calendar month of its time zone, US dollars; model * is the "
            "tenant's budget over all models, never to be added to the others.",
            _BUDGET,
        ),
        Metric(
            "ai_budget_used_usd",
            "gauge",
            f"What is spent of a budget in {_MONTH}, US dollars; calls that nobody reported in "
            "time count with what was held for them.",
            _BUDGET,
        ),
        Metric(
            "ai_budget_reserved_usd",
            "gauge",
            f"What is held of a budget for calls under way, in {_MONTH}, US dollars.",
            _BUDGET,
        ),
        Metric(
            "ai_budget_hard_limit_reached",
            "gauge",
            "1 from the first call that was refused because the budget is used up (not: because "
            f"calls under way hold the rest) until the limit is raised or {_MONTH} ends; else 0.",
            _BUDGET,
        ),
        Metric(
            "ai_budget_total_used_usd",
            "gauge",
            "What all tenants have spent, listed or not, each in the current calendar month of its "
            "own time zone (without a budget: UTC), US dollars.",
        ),
        Metric(
            "ai_budget_tenants",
            "gauge",
            "Tenants, listed or not, by their worst budget in its current month: exceeded (used "
            "up, or a call was refused for it), warning (its soft limit is reached), else ok; ok "
            "are those without a budget too.",
            ("state",),
        ),
        Metric(
            "ai_budget_tenant_info",
            "gauge",
            "1 for each tenant with a budget, with tier and owner of the one over all models (else "
            "of the first); critical is true if one of its budgets is.",
            ("tenant_id", "tier", "owner", "critical"),
        ),
        Metric(
            "ai_budget_tokens",
            "gauge",
            f"Tokens of a model's calls in {_MODEL_MONTH}, by direction: input (neither read from "
            "a cache nor written to one), output, cache_read, cache_write.",
            (*_BUDGET, "direction"),
            folds=("model",),
            variants=len(DIRECTIONS),
        ),
        Metric(
            "ai_budget_cost_by_model_usd",
            "gauge",
            f"What a model's calls have cost in {_MODEL_MONTH}, US dollars.",
            _BUDGET,
            folds=("model",),
        ),
        Metric(
            "ai_budget_requests",
            "gauge",
            f"A model's calls that were reported in {_MODEL_MONTH}.",
            _BUDGET,
            folds=("model",),
        ),
        Metric(
            "ai_budget_tokens_last_hour",
            "gauge",
            f"Tokens of all kinds of the calls of {_LAST_HOUR}.",
            ("tenant_id",),
        ),
        Metric(
            "ai_budget_cost_last_hour_usd",
            "gauge",
            f"What the calls of {_LAST_HOUR} have cost, US dollars.",
            ("tenant_id",),
        ),
        Metric(
            "ai_budget_tokens_hourly_avg_7d",
            "gauge",
            "Tokens of all kinds in an hour (UTC), on average over the hours of the last 7 days "
            "in which the tenant was active: of the 168 before the current one, read anew once "
            "that has begun; absent where there was none.",
            ("tenant_id",),
        ),
        Metric(
            "ai_budget_report_cost_24h_usd",
            "gauge",
            f"What reports (calls with a report_type) have cost in {_LAST_DAY}, US dollars.",
            _REPORT,
            folds=("report_type",),
        ),
        Metric(
            "ai_budget_reports_24h",
            "gauge",
            f"Reports (calls with a report_type) in {_LAST_DAY}.",
            _REPORT,
            folds=("report_type",),
        ),
        Metric(
            "ai_budget_estimate_overrun_usd_total",
            "counter",
            "What calls have cost above what was held for them, in all months, US dollars.",
            ("tenant_id",),
        ),
        Metric(
            "finops_ai_open_reservations",
            "gauge",
            "Calls under way for which money is held, with what processes have set aside to spend "
            "while the database is away.",
        ),
        Metric(
            "finops_ai_tenants_left_out",
            "gauge",
            "Tenants that the families with tenant_id do not list, because there are more than "
            "ai.max_tenants. Listed are those who have used half of a budget or more, the most "
            "used first, then those who have spent most.",
        ),
        Metric(
            "finops_ai_series_dropped_to_other",
            "gauge",
            "Series of a family of AI budgets that are summed into __other__, for each tenant, "
            "because there are more than server.max_series.",
            ("family",),
        ),
    )
}
"""The families of AI budgets, read from the store at every refresh."""

AI_PROCESS_METRICS: Mapping[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "finops_ai_checks_total",
            "counter",
            "Checks that this process has answered, by outcome.",
            ("outcome",),
        ),
        Metric(
            "finops_ai_check_seconds",
            "histogram",
            "How long a check took until its answer, seconds.",
        ),
        Metric(
            "finops_ai_orphans_charged_total",
            "counter",
            "Calls that were admitted and never reported, which this process charged with what was "
            "held for them.",
        ),
        Metric(
            "finops_ai_ledger_database_up",
            "gauge",
            "Whether the database of the AI ledger answered when it was asked last.",
        ),
        Metric(
            "finops_ai_ledger_fail_open",
            "gauge",
            "Whether calls are admitted without the database, or wait to be counted.",
        ),
    )
}
"""What each process counts of its own ledger (ai_budget.meters); here for the page for people."""
