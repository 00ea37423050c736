"""finops-ai-budget: what AI calls cost, whose budgets are used up, and what is unusual."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import table
from grafana_foundation_sdk.builders.common import GraphThresholdsStyleConfig, StackingConfig
from grafana_foundation_sdk.models.common import (
    GraphThresholdsStyleMode,
    StackingMode,
)
from grafana_foundation_sdk.models.piechart import PieChartType

from dashboards.asking import POSTGRESQL, Sql, course, data_source, firing, now, rows, variable
from dashboards.shared import (
    BLUE,
    COUNT,
    EXACT,
    GREEN,
    RATIO,
    RED,
    USD,
    YELLOW,
    Column,
    Empty,
    Words,
    bars,
    dashboard,
    figure,
    grid,
    lines,
    look_at,
    looks,
    of_budget,
    panel,
    pie,
    steps,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from dashboards.shared import Panel

UID = "finops-ai-budget"

TENANT = 'tenant_id=~"$tenant"'
CHOSEN = f'{TENANT},model=~"$model"'
ANY, CHOICE = 'narrowed=~"$tenant"', 'narrowed!~"$tenant"'
"""While tenants are not chosen, sums of models are enough, and quick over weeks."""

NO_CALLS = Empty(
    "No AI call is known", "docs/ai-budgets.md says how calls are checked and tracked."
)
NO_RISK = Empty("No tenant is near a limit", "finops-exporter ai set gives a tenant a budget.")

TENANTS_SQL = r"tenant_id ~ $$^(?:${tenant:regex})\Z$$ AND model ~ $$^(?:${model:regex})\Z$$"
"""Only two dollars end a text in dollar quotes, and the format `regex` writes `\\$` for one."""

DAILY = f"""\
SELECT date_trunc('day', time, 'UTC') AS time, model AS metric, sum(cost_usd)::float8 AS usd
FROM ai_token_usage
WHERE $__timeFilter(time) AND {TENANTS_SQL}
GROUP BY 1, 2
ORDER BY 1, 2"""

DEAR = f"""\
SELECT time, tenant_id, model, report_type, cost_usd::float8 AS usd,
       input_tokens + cache_read_tokens + cache_write_tokens + cache_write_1h_tokens AS input,
       output_tokens AS output, request_id
FROM ai_token_usage
WHERE cost_usd > 1 AND $__timeFilter(time) AND {TENANTS_SQL}
ORDER BY time DESC
LIMIT 100"""


def build() -> Dashboard:
    """Figures, the course, who is at risk, what is unusual, single dear calls."""
    tenants = "tenant_model:ai_budget_cost_by_model_usd:sum"
    return dashboard(
        UID,
        "What AI calls cost this month, whose budgets are used up or nearly, and what is unusual.",
        "1m",
        "now-30d/d",
        variables=[
            data_source(
                "postgresql", "PostgreSQL", "grafana-postgresql-datasource", "finops-postgresql"
            ),
            variable("tenant", "tenant_id", tenants),
            variable("model", "model", f"{tenants}{{{TENANT}}}"),
        ],
        annotations=[
            firing("AI budget alerts", "ai-budget", "tenant_id", RED),
            firing("Ledger alerts", "ai-ledger", "severity", YELLOW),
        ],
        parts={
            "": [_spend(), _tokens(), _per_report(), _over(), _daily(), _models()],
            "Who": [_at_risk(), _consumers()],
            "What is unusual": [_anomalies(), _efficiency(), _dear()],
        },
    )


def _spend() -> Panel:
    words = Words(
        "Total AI Spend MTD",
        "What all calls of this month have cost until now, each tenant's month by its own time"
        " zone. Calls that were admitted and never reported count with what was held for them; of"
        " chosen tenants or models only reported calls are told.",
        NO_CALLS,
        "TotalAISpendHigh",
    )
    of_all = 'total:ai_budget_used_usd:sum{narrowed=~"$tenant$model"}'
    chosen = (
        f'sum(tenant_model:ai_budget_cost_by_model_usd:sum{{{CHOSEN},narrowed!~"$tenant$model"}})'
    )
    kind = figure(USD).thresholds(steps(BLUE, (10_000, YELLOW)))
    return panel(kind, words, (6, 6), now(f"{of_all} or {chosen}", "this month until now"))


def _tokens() -> Panel:
    words = Words(
        "Total Tokens MTD",
        "Tokens of this month until now, in all directions, and those of them that were read from"
        " a cache. Of the tenants that are listed (ai.max_tenants).",
        NO_CALLS,
        "AITokenAnomaly",
    )
    tokens = "sum(tenant_model_direction:ai_budget_tokens:sum{%s})"
    return panel(
        figure(COUNT).decimals(1),
        words,
        (6, 6),
        now(tokens % CHOSEN, "tokens"),
        now(tokens % f'{CHOSEN},direction="cache_read"', "of them from caches"),
    )


def _per_report() -> Panel:
    words = Words(
        "Avg Cost Per Report",
        "What a report (a call with a report_type) of the chosen tenants has cost on average in the"
        " last 24 hours, with whatever model. AIReportCostHigh tells of more than $2.",
        Empty(
            "No report in 24 hours",
            "a call is a report when it is tracked with a report_type.",
        ),
        "AIReportCostHigh",
    )
    cost = f"sum(tenant_report:ai_budget_report_cost_24h_usd:sum{{{TENANT}}})"
    reports = f"sum(tenant_report:ai_budget_reports_24h:sum{{{TENANT}}})"
    kind = figure(USD).decimals(3).thresholds(steps(GREEN, (2, YELLOW)))
    return panel(kind, words, (6, 6), now(f"{cost} / ({reports} > 0)", "a report, last 24 hours"))


def _over() -> Panel:
    words = Words(
        "Tenants Over Budget",
        "All tenants by their worst budget: exceeded (calls are refused), warning (the soft limit"
        " is reached), ok. Not narrowed by what is chosen above.",
        NO_CALLS,
        "AIBudgetExceeded",
    )
    kind = figure(COUNT).thresholds(steps(GREEN, (1, RED)))
    looks(kind, "near it", {"thresholds": steps(GREEN, (1, YELLOW)).build()})
    of_state = 'state:ai_budget_tenants:sum{state="%s"}'
    return panel(
        kind,
        words,
        (6, 6),
        now(of_state % "exceeded", "over budget"),
        now(of_state % "warning", "near it"),
    )


def _daily() -> Panel:
    words = Words(
        "AI Spend Trend (Daily)",
        "What the calls of each day (UTC) have cost, by model, to the last digit from the log of"
        " calls; the newest day is today so far. Asks PostgreSQL.",
        Empty(
            "No call in this time",
            "ai.usage_retention may be shorter; the data source PostgreSQL must be there"
            " (dashboards/README.md).",
        ),
        "TotalAISpendHigh",
    )
    kind = bars(USD).stacking(StackingConfig().mode(StackingMode.NORMAL))
    return panel(kind, words, (16, 9), Sql(DAILY, "time_series")).datasource(POSTGRESQL)


def _models() -> Panel:
    words = Words(
        "Cost by Model",
        "What this month's calls have cost by model: of all tenants, or of those that are chosen.",
        NO_CALLS,
        "TotalAISpendHigh",
    )
    cost = f"sum by (model) (tenant_model:ai_budget_cost_by_model_usd:sum{{{CHOSEN}}})"
    return panel(pie(PieChartType.DONUT), words, (8, 9), now(cost, "{{model}}"))


def _at_risk() -> Panel:
    words = Words(
        "Tenants at Risk > 80 %",
        "Budgets that are used to 80 % or more, the most used first; * is the budget over all"
        " models. Held is set aside for calls under way.",
        NO_RISK,
        "AIBudgetWarning",
    )
    # The budget over all models holds for a chosen one as well.
    budgets = f'{TENANT},model=~"$model|\\\\*"'
    risky = f"(tenant_model:ai_budget_used:ratio{{{budgets}}} >= 0.8)"

    def of(metric: str) -> str:
        return f"({metric} and on (tenant_id, model) {risky})"

    kind = table.Panel()
    grid(
        kind,
        [
            Column("tenant_id", "Tenant", url=look_at(UID, tenant="Tenant")),
            Column("model", "Model", width=120),
            Column("owner", "Owner", width=110),
            Column("Value #A", "Used", RATIO, 1, 80, thresholds=of_budget()),
            Column("Value #B", "Spent, USD", EXACT, 2, 110),
            Column("Value #C", "Limit, USD", EXACT, 2, 110),
            Column("Value #D", "Held, USD", EXACT, 2, 100),
        ],
        by="Used",
    )
    return panel(
        kind,
        words,
        (12, 9),
        rows(risky),
        rows(of("tenant_model:ai_budget_used_usd:sum")),
        rows(of("tenant_model:ai_budget_limit_usd:sum")),
        rows(of("tenant_model:ai_budget_reserved_usd:sum")),
    )


def _consumers() -> Panel:
    words = Words(
        "Top 10 Token Consumers",
        "Who has used the most tokens this month, what that cost, in how many calls, and what a"
        " million tokens cost on average.",
        NO_CALLS,
        "AITokenAnomaly",
    )

    def of(metric: str) -> str:
        return f"sum by (tenant_id) ({metric}{{{CHOSEN}}})"

    tokens = of("tenant_model_direction:ai_budget_tokens:sum")
    ten = f"topk(10, {tokens})"
    cost = of("tenant_model:ai_budget_cost_by_model_usd:sum")
    kind = table.Panel()
    grid(
        kind,
        [
            Column("tenant_id", "Tenant", url=look_at(UID, tenant="Tenant")),
            Column("Value #A", "Tokens", EXACT, 0, 140),
            Column("Value #B", "Cost, USD", EXACT, 2, 110),
            Column("Value #C", "Calls", EXACT, 0, 100),
            Column("Value #D", "USD a million", EXACT, 2, 120),
        ],
        by="Tokens",
    )
    return panel(
        kind,
        words,
        (12, 9),
        rows(ten),
        rows(f"{cost} and on (tenant_id) {ten}"),
        rows(f"{of('tenant_model:ai_budget_requests:sum')} and on (tenant_id) {ten}"),
        rows(f"1e6 * {cost} / ({ten} > 0)"),
    )


def _anomalies() -> Panel:
    words = Words(
        "Anomaly Detection (> 3x average)",
        "Tokens of all models of the last hour by the tenant's average active hour of the last 7"
        " days, over the last 24 hours. Above the line of 3, AITokenAnomaly tells, unless it is few"
        " tokens.",
        Empty(
            "No tenant has an average yet",
            "it needs an hour with calls in the last 7 days.",
        ),
        "AITokenAnomaly",
    )
    kind = lines(COUNT).decimals(1).thresholds(steps(GREEN, (3, RED))).time_from("24h")
    kind.thresholds_style(GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.LINE))
    ratio = f"tenant:ai_budget_tokens_of_average_hour:ratio{{{TENANT}}}"
    return panel(kind, words, (12, 9), course(f"topk(10, {ratio})", "{{tenant_id}}"))


def _efficiency() -> Panel:
    words = Words(
        "Token Efficiency ($ per 1M tokens)",
        "What a million tokens of each model have cost on average since the month began. It moves"
        " with the share of output tokens and of what is read from caches, and with prices.",
        NO_CALLS,
        "TotalAISpendHigh",
    )
    cost = (
        f'(model:ai_budget_cost_by_model_usd:sum{{model=~"$model",{ANY}}}'
        f" or sum by (model) (tenant_model:ai_budget_cost_by_model_usd:sum{{{CHOSEN},{CHOICE}}}))"
    )
    tokens = (
        f'(model:ai_budget_tokens:sum{{model=~"$model",{ANY}}}'
        f" or sum by (model) (tenant_model_direction:ai_budget_tokens:sum{{{CHOSEN},{CHOICE}}}))"
    )
    kind = lines(USD).decimals(2).interval("1h")
    return panel(kind, words, (12, 9), course(f"1e6 * {cost} / ({tokens} > 0)", "{{model}}"))


def _dear() -> Panel:
    words = Words(
        "Recent High-Cost Requests > $1",
        "The newest hundred calls that cost more than a dollar each, from the log of calls. Asks"
        " PostgreSQL, which has an index for it.",
        Empty(
            "No call of more than $1 in this time",
            "choose a longer time; it needs the data source PostgreSQL (dashboards/README.md).",
        ),
        "AIReportCostHigh",
    )
    kind = table.Panel()
    grid(
        kind,
        [
            Column("time", "Time", "dateTimeAsIso", width=170),
            Column("tenant_id", "Tenant", url=look_at(UID, tenant="Tenant")),
            Column("model", "Model"),
            Column("report_type", "Report"),
            Column("usd", "Cost, USD", EXACT, 4, 110),
            Column("input", "Input tokens", EXACT, 0, 120),
            Column("output", "Output tokens", EXACT, 0, 120),
            Column("request_id", "Request"),
        ],
        by="Time",
    )
    return panel(kind, words, (24, 9), Sql(DEAR, "table")).datasource(POSTGRESQL)
