"""What finops-overview tells of money: what is spent, of which budgets, where, and what comes."""

from __future__ import annotations

from string import ascii_uppercase
from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import bargauge, table
from grafana_foundation_sdk.models.common import BarGaugeDisplayMode, VizOrientation

from dashboards.asking import course, named, now, rows
from dashboards.shared import (
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
    figure,
    grid,
    lines,
    look_at,
    newest,
    of_budget,
    of_budget_in,
    panel,
    steps,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders.prometheus import Dataquery

    from dashboards.shared import Panel

COST = "finops-cloud-cost"

PROVIDER = 'provider=~"$provider"'
CHOSEN = f'{PROVIDER},account_id=~"$account"'
BUDGET = 'budget_period="current",budget=~"$budget"'

WASTE = 'alertname=~"IdleLoadBalancer|UnusedPVC|OverprovisionedPod|S3BucketLarge"'

NO_COST = Empty("Nothing stored yet", "finops-exporter sources shows what was read.")
NO_BUDGET = Empty(
    "There is no budget", "finops-exporter budget set makes one, as does the configuration."
)


def today() -> Panel:
    """What the running day has cost so far."""
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


def month() -> Panel:
    """The month so far and the month before."""
    words = Words(
        "Month to Date" + THROUGH,
        "The month of the newest complete day, of all chosen providers and accounts, with credits"
        " and taxes; beside it what the month before cost in all. While a month turns, a provider"
        " without a complete day in it still adds the month before.",
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


def year() -> Panel:
    """The year so far."""
    words = Words(
        "Year to Date" + THROUGH,
        "The calendar year of the newest complete day. What is stored since a later day than 1"
        " January is told with that day, each on its own.",
        NO_COST,
        "CostGrowthHigh",
    )
    year = f"sum by (since) (provider_account_since:cloud_cost_year_to_date_usd:sum{{{CHOSEN}}})"
    return panel(figure(USD), words, (5, 5), now(year, "since {{since}}"))


def expected() -> Panel:
    """What the month will have cost."""
    words = Words(
        "Month at Its End" + THROUGH,
        "What the month will probably have cost at its end, by provider. The table of forecasts"
        " below has the range. Of all accounts of the chosen providers.",
        Empty(
            "Not known before the 3rd day",
            "a month is forecast from its third complete day on.",
        ),
        "ForecastExceedsBudget",
    )
    likely = f'provider:cloud_cost_forecast_usd:p50{{horizon="month_end",{PROVIDER}}}'
    return panel(figure(USD), words, (5, 5), now(likely, "{{provider}}"))


def days() -> Panel:
    """The newest complete day, as it was known."""
    words = Words(
        "Newest Day" + THROUGH,
        "What the newest complete day cost, by provider, as it was known at each moment: a step"
        " where a day became complete, another one where it was restated. Of all accounts.",
        NO_COST,
        "CloudCostSpike",
    )
    day = f'provider:cloud_cost_daily_usd:sum{{day_offset="1",{PROVIDER}}}'
    kind = lines(USD).decimals(0).fill_opacity(15).interval("1h")
    return panel(kind, words, (5, 5), course(day, "{{provider}}"))


def pace() -> Panel:
    """Where budgets will end."""
    words = Words(
        "Budget Burn Rate" + THROUGH,
        "How much of its limit a budget will have used at the end of its period if it goes on"
        " like this (the likely forecast): 100 % uses it up exactly, red is more. The twelve that"
        " burn fastest, of the chosen budget or of all, whatever else is chosen.",
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


def budgets() -> Panel:
    """Every budget."""
    words = Words(
        "Budgets" + THROUGH,
        "Every budget in its current period: what it allows, what is spent, what a settled day"
        " costs, and the day on which it will be used up at that rate (none: not in this period,"
        " or it is). Only a chosen budget narrows it.",
        NO_BUDGET,
        "BudgetExceededCritical",
    )
    used = f"budget:cloud_budget_used:ratio{{{BUDGET}}}"
    kind = table.Panel()
    grid(
        kind,
        [
            Column("budget", "Budget", url=of_budget_in("Budget", "Scope", "Of")),
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


def spenders() -> Panel:
    """What costs most."""
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


def savings() -> Panel:
    """What costs more than it must."""
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
            Column("cluster", "Cluster", width=100),
            Column("account_id", "Account", width=130),
            Column("region", "Region", width=100),
        ],
        by="What",
        up=True,
    )
    return panel(kind, words, (10, 12), rows(fire))


def forecast() -> Panel:
    """What comes next, in figures."""
    words = Words(
        "Forecast" + THROUGH,
        "What the next 30 and 90 days, and the month, will cost by provider: likely, and the"
        " range that 80 % of outcomes lie in. Ranges of providers do not add up: together they"
        " vary less. Of all accounts of the chosen providers.",
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


def next_days() -> Panel:
    """What comes next, as it was forecast."""
    words = Words(
        "Next 30 Days, as Forecast" + THROUGH,
        "The forecast of the next 30 days as it was made at each moment, with its range, beside"
        " what the 30 complete days before had cost, of all accounts of the chosen providers."
        " Bounds of several providers are added up.",
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
