"""finops-overview: is something wrong, where, since when, and what next."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge, table
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, VizOrientation

from dashboards.asking import course, firing, named, now, rows, through, variable
from dashboards.shared import (
    BLUE,
    EXACT,
    GREEN,
    GREY,
    RATIO,
    RED,
    RUNBOOKS,
    THROUGH,
    USD,
    YELLOW,
    Column,
    Empty,
    Words,
    band,
    by_value,
    dashboard,
    figure,
    fixed,
    grid,
    lines,
    look_at,
    looks,
    newest,
    of_budget,
    panel,
    steps,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.prometheus import Dataquery
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from dashboards.shared import Panel

UID = "finops-overview"
COST = "finops-cloud-cost"

PROVIDER = 'provider=~"$provider"'
CHOSEN = f'{PROVIDER},account_id=~"$account"'
BUDGET = 'budget_period="current",budget=~"$budget"'

ALERTS = 'component="finops",alertname!="FinOpsWatchdog"'
ABOUT = "alertname, severity, provider, account_id, service, budget, tenant_id, owner"
WASTE = 'alertname=~"IdleLoadBalancer|UnusedPVC|OverprovisionedPod|S3BucketLarge"'

NO_COST = Empty("Nothing stored yet", "finops-exporter sources shows what was read.")
NO_BUDGET = Empty(
    "There is no budget", "finops-exporter budget set makes one, as does the configuration."
)
NO_ALERT = Empty(
    "No alert fires", "that is good, as long as FinOpsWatchdog reaches its dead-man's switch."
)


def build() -> Dashboard:
    """Alerts, amounts, budgets, where it goes, what comes, whether the numbers can be trusted."""
    return dashboard(
        UID,
        "Is something wrong with what we spend, where, since when, and what comes next.",
        "5m",
        "now-35d",
        variables=[
            variable(
                "provider", "provider", "provider:cloud_billing_newest_day_timestamp_seconds:max"
            ),
            variable(
                "account",
                "account_id",
                f"provider_account:cloud_cost_monthly_usd:sum{{{PROVIDER}}}",
            ),
            variable("budget", "budget", "budget:cloud_budget_limit_usd:sum"),
            through("$provider"),
        ],
        annotations=[
            firing("Budget alerts", "cloud-budget", "budget", RED),
            firing("Trends and anomalies", "trend", "service", YELLOW),
        ],
        parts={
            "Is something wrong?": [_count(), _alerts()],
            "What does it cost?": [_today(), _month(), _year(), _expected(), _days()],
            "Do the budgets hold?": [_pace(), _budgets()],
            "Where does it go, and what comes next?": [
                _spenders(),
                _savings(),
                _forecast(),
                _band(),
            ],
            "Can the numbers be trusted?": [_ages(), _sums(), _asking()],
        },
    )


def _count() -> Panel:
    words = Words(
        "Firing Alerts",
        "How many alerts fire, by severity: critical ones page somebody, warnings wait for"
        " working hours, info waits for the weekly digest.",
        NO_ALERT,
        "FinOpsWatchdog",
    )
    kind = figure("short")
    for severity, colour in (("critical", RED), ("warning", YELLOW), ("info", BLUE)):
        looks(kind, severity, {"color": fixed(colour)})
    fire = f'count(ALERTS{{alertstate="firing",{ALERTS},severity="%s"}})'
    counts = [now(fire % severity, severity) for severity in ("critical", "warning", "info")]
    return panel(kind, words, (5, 8), *counts)


def _alerts() -> Panel:
    words = Words(
        "What Fires",
        "Critical alerts and warnings: what they are about, who answers for it, and since when the"
        " condition holds. A name leads to its runbook.",
        NO_ALERT,
        "FinOpsWatchdog",
    )
    told = f'{ALERTS},severity!="info"'
    fire = _plain(f'ALERTS{{alertstate="firing",{told}}}')
    since = f"1000 * {_plain(f'ALERTS_FOR_STATE{{{told}}}')} and on ({ABOUT}) {fire}"
    runbook = f'{RUNBOOKS}/${{__data.fields["Alert"]}}.md'
    tenant = look_at("finops-ai-budget", tenant="AI tenant")
    kind = table.Panel()
    grid(
        kind,
        [
            Column("severity", "Severity", width=95),
            Column("alertname", "Alert", width=220, url=runbook),
            Column("provider", "Provider", width=80),
            Column("account_id", "Account", width=140),
            Column("service", "Service"),
            Column("budget", "Budget", width=130, url=look_at(COST, budget="Budget")),
            Column("tenant_id", "AI tenant", width=130, url=tenant),
            Column("owner", "Owner", width=110),
            Column("Value", "Since", "dateTimeFromNow", width=130),
        ],
        by="Severity",
        up=True,
    )
    return panel(kind, words, (19, 8), rows(since))


def _plain(alerts: str) -> str:
    """Alerts by what they are about.

    Prometheus shows the template of a label in these series where the label itself is left out
    because it is empty: no provider starts with two braces.
    """
    return f'max by ({ABOUT}) (label_replace({alerts}, "provider", "", "provider", "{{{{.*"))'


def _today() -> Panel:
    words = Words(
        "Today So Far",
        "What is billed until now of the day (UTC) that is still running: partial, and never a"
        " part of the other figures. Files of complete days have none.",
        Empty(
            "No source tells the running day",
            "Cost Explorer does, and files that hold today.",
        ),
        "FinOpsBillingDataStale",
    )
    today = f"sum(provider_account:cloud_cost_today_usd:sum{{{CHOSEN}}})"
    return panel(figure(USD, colour=GREY), words, (4, 5), now(today, "partial day"))


def _month() -> Panel:
    words = Words(
        "Month to Date" + THROUGH,
        "The month of the newest complete day, of all chosen providers and accounts, with credits"
        " and taxes; beside it what the month before cost in all.",
        NO_COST,
        "BudgetExceeded80Percent",
    )
    return panel(
        figure(USD),
        words,
        (5, 5),
        now(f"sum(provider_account:cloud_cost_monthly_usd:sum{{{CHOSEN}}})", "this month so far"),
        now(
            f"sum(provider_account_service:cloud_cost_previous_month_usd:sum{{{CHOSEN}}})",
            "the month before",
        ),
    )


def _year() -> Panel:
    words = Words(
        "Year to Date" + THROUGH,
        "The calendar year of the newest complete day. What is stored since a later day than 1"
        " January is told with that day, each on its own.",
        NO_COST,
        "CostGrowthHigh",
    )
    year = f"sum by (since) (provider_account_since:cloud_cost_year_to_date_usd:sum{{{CHOSEN}}})"
    return panel(figure(USD), words, (5, 5), now(year, "since {{since}}"))


def _expected() -> Panel:
    words = Words(
        "Month at Its End" + THROUGH,
        "What the month will probably have cost at its end, by provider. The table of forecasts"
        " below has the range.",
        Empty(
            "Not known before the 3rd day",
            "a month is forecast from its third complete day on.",
        ),
        "ForecastExceedsBudget",
    )
    likely = f'provider:cloud_cost_forecast_usd:p50{{horizon="month_end",{PROVIDER}}}'
    return panel(figure(USD), words, (5, 5), now(likely, "{{provider}}"))


def _days() -> Panel:
    words = Words(
        "Newest Day" + THROUGH,
        "What the newest complete day cost, by provider, as it was known at each moment: a step"
        " where a day became complete, another one where it was restated.",
        NO_COST,
        "CloudCostSpike",
    )
    day = f'provider:cloud_cost_daily_usd:sum{{day_offset="1",{PROVIDER}}}'
    kind = lines(USD).decimals(0).fill_opacity(15).interval("1h")
    return panel(kind, words, (5, 5), course(day, "{{provider}}"))


def _pace() -> Panel:
    words = Words(
        "Budget Burn Rate" + THROUGH,
        "How much of its limit a budget will have used at the end of its period if it goes on"
        " like this (the likely forecast): 100 % uses it up exactly, red is more. The twelve that"
        " burn fastest.",
        NO_BUDGET,
        "ForecastExceedsBudget",
    )
    rate = (
        f"budget:cloud_budget_forecast_usd:p50{{{BUDGET}}}"
        f" / (budget:cloud_budget_limit_usd:sum{{{BUDGET}}} > 0)"
    )
    kind = (
        bargauge.Panel()
        .unit(RATIO)
        .decimals(0)
        .min(0)
        .max(1.5)
        .thresholds(steps(GREEN, (0.9, YELLOW), (1, RED)))
        .color_scheme(by_value())
        .display_mode(BarGaugeDisplayMode.BASIC)
        .orientation(VizOrientation.HORIZONTAL)
        .reduce_options(newest())
    )
    return panel(kind, words, (8, 10), now(f"sort_desc(topk(12, {rate}))", "{{budget}}"))


def _budgets() -> Panel:
    words = Words(
        "Budgets" + THROUGH,
        "Every budget in its current period: what it allows, what is spent, what a settled day"
        " costs, and the day on which it will be used up at that rate (none: not in this period,"
        " or it is).",
        NO_BUDGET,
        "BudgetExceededCritical",
    )
    used = f"budget:cloud_budget_used:ratio{{{BUDGET}}}"
    kind = table.Panel()
    grid(
        kind,
        [
            Column("budget", "Budget", url=look_at(COST, budget="Budget")),
            Column("scope_type", "Scope", width=95),
            Column("scope_value", "Of", width=100),
            Column("period", "Period", width=80),
            Column("owner", "Owner", width=95),
            Column("Value #A", "Used", RATIO, 1, 75, thresholds=of_budget()),
            Column("Value #B", "Spent, USD", EXACT, 2, 105),
            Column("Value #C", "Limit, USD", EXACT, 2, 105),
            Column("Value #D", "A day, USD", EXACT, 2, 95),
            Column("Value #E", "Used up", "dateTimeFromNow", width=110),
        ],
        by="Used",
    )
    exhausted = f"1000 * budget:cloud_budget_exhaustion_timestamp_seconds:max{{{BUDGET}}}"
    return panel(
        kind,
        words,
        (16, 10),
        rows(used),
        rows(f"budget:cloud_budget_spent_usd:sum{{{BUDGET}}}"),
        rows(f"budget:cloud_budget_limit_usd:sum{{{BUDGET}}}"),
        rows(f"budget:cloud_budget_burn_rate_usd_per_day:sum{{{BUDGET}}}"),
        rows(exhausted),
    )


def _spenders() -> Panel:
    words = Words(
        "Top Spenders" + THROUGH,
        "The ten services that cost most this month, what they cost in the whole month before,"
        " and how far above its usual scatter the newest usage lies (from 4 on,"
        " CostAnomalyDetected tells).",
        NO_COST,
        "CostAnomalyDetected",
    )
    by = "provider, account_id, service"
    ten = f"topk(10, provider_account_service:cloud_cost_monthly_usd:sum{{{CHOSEN}}})"
    before = f"provider_account_service:cloud_cost_previous_month_usd:sum{{{CHOSEN}}}"
    score = f"provider_account_service:cloud_cost_anomaly_score:max{{{CHOSEN}}}"
    closer = look_at(COST, provider="Provider", account="Account ID", service="Service")
    kind = table.Panel()
    grid(
        kind,
        [
            Column("service", "Service", url=closer),
            Column("provider", "Provider", width=90),
            Column("account_name", "Account"),
            Column("account_id", "Account ID", hidden=True),
            Column("Value #A", "Month, USD", EXACT, 2, 115),
            Column("Value #B", "Month before, USD", EXACT, 2, 150),
            Column(
                "Value #C",
                "Anomaly",
                "short",
                1,
                90,
                thresholds=steps(GREEN, (3, YELLOW), (4, RED)),
            ),
        ],
        by="Month, USD",
    )
    return panel(
        kind,
        words,
        (14, 12),
        rows(named(ten)),
        rows(f"{before} and on ({by}) {ten}"),
        rows(f"max by ({by}) ({score}) and on ({by}) {ten}"),
    )


def _savings() -> Panel:
    words = Words(
        "Savings Opportunities",
        "What probably costs more than it must: idle load balancers, volumes that no pod mounts,"
        " pods that use little of what they ask for, big buckets. Each is an alert that fires;"
        " its runbook says what to do.",
        Empty(
            "Nothing idle or oversized is known",
            "rules/waste.yaml and rules/storage.yaml need other exporters (rules/README.md).",
        ),
        "IdleLoadBalancer",
    )
    parts = '"load_balancer", "bucket", "namespace", "pod", "persistentvolumeclaim"'
    fire = f'label_join(ALERTS{{alertstate="firing",{WASTE}}}, "resource", " ", {parts})'
    runbook = f'{RUNBOOKS}/${{__data.fields["What"]}}.md'
    kind = table.Panel()
    grid(
        kind,
        [
            Column("alertname", "What", url=runbook, width=170),
            Column("resource", "Resource"),
            Column("account_id", "Account", width=150),
            Column("region", "Region", width=110),
        ],
        by="What",
        up=True,
    )
    return panel(kind, words, (10, 12), rows(fire))


def _forecast() -> Panel:
    words = Words(
        "Forecast" + THROUGH,
        "What the next 30 and 90 days, and the month, will cost by provider: likely, and the"
        " range that 80 % of outcomes lie in. Ranges of providers do not add up: together they"
        " vary less.",
        Empty(
            "Not known yet",
            "a forecast needs some weeks of complete days.",
        ),
        "ForecastExceedsBudget",
    )
    horizons = (("month_end", "Month"), ("30d", "30 d"), ("90d", "90 d"))
    estimates = (("p10", "low"), ("p50", "likely"), ("p90", "high"))
    asked: list[Dataquery] = []
    columns = [Column("provider", "Provider", width=90)]
    for horizon, name in horizons:
        for estimate, word in estimates:
            letter = ascii_uppercase[len(asked)]
            expr = f'provider:cloud_cost_forecast_usd:{estimate}{{horizon="{horizon}",{PROVIDER}}}'
            asked.append(rows(f"sum by (provider) ({expr})"))
            columns.append(Column(f"Value #{letter}", f"{name}, {word}", EXACT, 0, 98))
    kind = table.Panel()
    grid(kind, columns, by="Provider", up=True)
    return panel(kind, words, (15, 8), *asked)


def _band() -> Panel:
    words = Words(
        "Next 30 Days, as Forecast" + THROUGH,
        "The forecast of the next 30 days as it was made at each moment, with its range, beside"
        " what the 30 complete days before had cost. Bounds of several providers are added up.",
        Empty(
            "Not known yet",
            "a forecast needs some weeks of complete days.",
        ),
        "CostGrowthHigh",
    )
    known = f'provider_account:cloud_cost_trailing_30d_usd:sum{{window="current",{PROVIDER}}}'
    kind = lines(USD).decimals(0).interval("1h")
    band(kind)
    return panel(
        kind,
        words,
        (9, 8),
        *(
            course(
                f'sum(provider:cloud_cost_forecast_usd:{estimate}{{horizon="30d",{PROVIDER}}})',
                f"forecast, {word}",
            )
            for estimate, word in (("p10", "low"), ("p50", "likely"), ("p90", "high"))
        ),
        course(f"sum({known})", "last 30 days"),
    )


def _ages() -> Panel:
    words = Words(
        "Sources",
        "How each source stands: whether its newest run stored what it read, when one last did,"
        " the newest complete day of its provider (UTC), and for how long a newer one should have"
        " been complete by the source's own lag.",
        Empty(
            "No source is known",
            "is the exporter scraped, and is rules/meta.yaml loaded?",
        ),
        "FinOpsBillingDataMissing",
    )
    source = f"provider_collector:finops_collector_success:max{{{PROVIDER}}}"

    def of(metric: str) -> str:
        return f"({metric} * on (provider) group_right () ({source} >= bool 0))"

    overdue = of("provider:cloud_billing_data_overdue_seconds:max")
    newest_day = of("provider:cloud_billing_newest_day_timestamp_seconds:max")
    kind = table.Panel()
    grid(
        kind,
        [
            Column("provider", "Provider", width=90),
            Column("collector", "Source"),
            Column("Value #A", "Newest run", width=90),
            Column("Value #B", "Last success", "dateTimeFromNow", width=130),
            Column("Value #C", "Newest day", "dateTimeAsIso", width=165),
            Column(
                "Value #D",
                "Overdue",
                "s",
                0,
                85,
                thresholds=steps(GREEN, (6 * 3600, YELLOW), (86_400, RED)),
            ),
        ],
        by="Overdue",
    )
    outcomes = {"1": {"text": "stored", "color": GREEN}, "0": {"text": "failed", "color": RED}}
    looks(
        kind,
        "Newest run",
        {
            "mappings": [{"type": "value", "options": outcomes}],
            "custom.cellOptions": {"type": "color-text"},
        },
    )
    success = "provider_collector:finops_collector_last_success_timestamp_seconds:max"
    return panel(
        kind,
        words,
        (11, 8),
        rows(source),
        rows(f"1000 * {success}{{{PROVIDER}}}"),
        rows(f"1000 * {newest_day}"),
        rows(f"clamp_min({overdue} - 86400, 0)"),
    )


def _sums() -> Panel:
    words = Words(
        "Reconciliation" + THROUGH,
        "What the provider's own total of a month has more than the sum of our parts, where it"
        " tells one; and by how much days that were already stored have changed in the last 7"
        " days (all months).",
        Empty(
            "No source tells its own total",
            "files of FOCUS have none; Cost Explorer tells one for each month.",
        ),
        "FinOpsUnreconciled",
    )
    amount = f"provider_month:cloud_cost_unreconciled_usd:sum{{{PROVIDER}}}"
    restated = f"increase(provider:cloud_cost_restated_usd_total:max{{{PROVIDER}}}[7d])"
    kind = table.Panel()
    grid(
        kind,
        [
            Column("provider", "Provider", width=90),
            Column("month", "Month", width=90),
            Column("Value #A", "Difference, USD", EXACT, 2, 130),
            Column(
                "Value #B",
                "Share",
                RATIO,
                2,
                80,
                thresholds=steps(GREEN, (0.005, YELLOW), (0.01, RED)),
            ),
            Column("Value #C", "Restated, USD", EXACT, 2, 120),
        ],
        by="Month",
    )
    return panel(
        kind,
        words,
        (9, 8),
        rows(amount),
        rows(f"provider_month:cloud_cost_unreconciled:ratio{{{PROVIDER}}}"),
        rows(f"{restated} * on (provider) group_right () ({amount} >= bool -Inf)"),
    )


def _asking() -> Panel:
    words = Words(
        "What Asking Costs",
        "What our own requests to paid APIs have cost by their list price: today (UTC), what"
        " today's caps allow, and in the last 30 days.",
        Empty(
            "Nothing paid is asked",
            "only requests to paid APIs count, such as Cost Explorer's.",
        ),
        "FinOpsApiBudgetExhausted",
    )
    spent = f"sum(provider_collector:finops_collector_spent_today_usd:max{{{PROVIDER}}})"
    cap = f"sum(provider_collector:finops_collector_daily_cap_usd:max{{{PROVIDER}}})"
    cost = f"provider_api:finops_cloud_api_estimated_cost_usd_total:max{{{PROVIDER}}}"
    return panel(
        figure(USD, colour=GREY),
        words,
        (4, 8),
        now(spent, "today"),
        now(cap, "cap of a day"),
        now(f"sum(increase({cost}[30d]))", "last 30 days"),
    )
