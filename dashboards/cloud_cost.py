"""finops-cloud-cost: what the clouds cost this month, what was planned, and what drives it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import common as common_builders
from grafana_foundation_sdk.builders import gauge, table
from grafana_foundation_sdk.models import common
from grafana_foundation_sdk.models.piechart import PieChartType

from dashboards.asking import course, named, now, of_costs, rows, through, variable
from dashboards.choosing import SPLIT, budgets, forecast, limit, spent, spent_of_budget
from dashboards.shared import (
    BLUE,
    EXACT,
    GREEN,
    GREY,
    RATIO,
    RED,
    THROUGH,
    USD,
    YELLOW,
    Column,
    Empty,
    Words,
    band,
    bars,
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
    pie,
    steps,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.builders import dashboard as builders
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from dashboards.shared import Panel

UID = "finops-cloud-cost"

MONTHS = "provider_account_service_region:cloud_cost_monthly_usd:sum"
MONTH = f"{MONTHS}{{{SPLIT}}}"
DAYS = "provider_account_service_region:cloud_cost_daily_usd:sum"
SERVICE = "provider, account_id, service"

STORAGE = (
    r"(?i).*(storage|\\bs3\\b|\\bebs\\b|ec2 - other|volumes|elastic block|file system|filestore"
    r"|fsx|glacier|backup|disks|data lake|\\brds\\b|relational database|aurora|alloydb|sql|mariadb"
    r"|redshift|spanner|bigtable|firestore|dynamodb|documentdb|cosmos|netapp).*"
)
"""Services that keep data, by the names of AWS, Google Cloud and Azure. Cost Explorer bills EBS as
"EC2 - Other"."""

NO_COST = Empty("Nothing stored for this choice", "finops-exporter sources shows what was read.")
NO_SPLIT = Empty(
    "Nothing stored for this choice. A team's: finops-exporter costs --by team,service",
    "a team or an environment is not known by service and region here; that command has both.",
)
NO_BUDGET = Empty(
    "No budget for this choice", "finops-exporter budget set makes one, as does the configuration."
)


def build() -> Dashboard:
    """Figures, their course, what drives them, storage."""
    return dashboard(
        UID,
        "What the clouds cost this month, what was planned, where it goes and how it changes.",
        "5m",
        "now-35d",
        variables=_variables(),
        annotations=of_costs(),
        parts={
            "": [_spend(), _limit(), _used(), _per_customer(), _course(), _growth()],
            "Where it goes": [_drivers(), _by_service(), _storage(), _by_region()],
        },
    )


def _variables() -> list[builders.QueryVariable]:
    of = 'provider=~"$provider"'
    account = f'{of},account_id=~"$account"'
    return [
        variable("provider", "provider", "provider:cloud_billing_newest_day_timestamp_seconds:max"),
        variable("account", "account_id", f"provider_account:cloud_cost_monthly_usd:sum{{{of}}}"),
        variable(
            "region", "region", f"provider_account_region:cloud_cost_monthly_usd:sum{{{account}}}"
        ),
        variable(
            "service",
            "service",
            f"provider_account_service:cloud_cost_monthly_usd:sum{{{account}}}",
        ),
        variable("team", "team", f"team:cloud_cost_allocated_monthly_usd:sum{{{of}}}"),
        variable(
            "environment",
            "environment",
            f"environment:cloud_cost_allocated_monthly_usd:sum{{{of}}}",
        ),
        variable("budget", "budget", "budget:cloud_budget_limit_usd:sum", many=False),
        through(),
    ]


def _spend() -> Panel:
    words = Words(
        "Monthly Spend" + THROUGH,
        "What the month of the newest complete day has cost so far, of what is chosen above; of a"
        " budget, what its current period has. A team or an environment cannot be told by account,"
        " service or region. Credits and taxes are in it, so it is the provider's own total."
        " While a month turns, a provider without a complete day in it still adds the one before.",
        NO_COST,
        "BudgetExceeded80Percent",
    )
    return panel(
        figure(USD),
        words,
        (6, 6),
        now(spent(), "this month so far"),
        now(spent_of_budget(), "{{period}} budget, so far"),
    )


def _limit() -> Panel:
    words = Words(
        "Monthly Budget",
        "What may be spent: the monthly budget of the organisation, else those of the providers if"
        " each of them has one; or that of the budget, team, environment, service, account or"
        " provider that is chosen above, as long as nothing else narrows it.",
        NO_BUDGET,
        "FinOpsBudgetMissing",
    )
    return panel(figure(USD, colour=GREY), words, (6, 6), now(limit(), "limit"))


def _used() -> Panel:
    words = Words(
        "Budget Utilization %" + THROUGH,
        "How much of its limit each budget has used in its current period, the three most used."
        " Yellow from 80 %, red from 100 %, where alerts begin. A budget, team, environment,"
        " service, account or provider that is chosen above picks its own, if nothing else narrows"
        " it.",
        NO_BUDGET,
        "BudgetExceededCritical",
    )
    chosen = f"sort_desc(topk(3, {budgets('budget:cloud_budget_used:ratio')}))"
    kind = (
        gauge.Panel()
        .unit(RATIO)
        .decimals(0)
        .min(0)
        .max(1.2)
        .thresholds(of_budget())
        .color_scheme(by_value())
        .show_threshold_markers(show_threshold_markers=True)
        .reduce_options(newest())
    )
    return panel(kind, words, (6, 6), now(chosen, "{{budget}}"))


def _per_customer() -> Panel:
    each = "total:cloud_cost_per_customer_usd:ratio"
    words = Words(
        "Cost Per Customer" + THROUGH,
        "The last 30 complete days of all providers by the customers who were active in them,"
        " beside the 30 days before. Not narrowed by what is chosen above.",
        Empty(
            "Customers are not known",
            "the key customers of the configuration says how they are counted.",
        ),
        "UnitEconomicsWorsening",
    )
    return panel(
        figure(USD),
        words,
        (6, 6),
        now(f'{each}{{window="current"}}', "last 30 days"),
        now(f'{each}{{window="previous"}}', "30 days before"),
    )


def _course() -> Panel:
    words = Words(
        "Spend Trend vs Budget" + THROUGH,
        "The month to date as it was known at each moment, what is allowed, and what the month"
        " was expected to have cost at its end (likely, with the range of 80 % of outcomes)."
        " Bounds of several providers are added up, so their true range is narrower. It falls"
        " where a month begins.",
        NO_COST,
        "ForecastExceedsBudget",
    )
    kind = lines(USD).decimals(0).interval("1h")
    band(kind)
    looks(kind, "spent", {"color": fixed(BLUE), "custom.fillOpacity": 20})
    dashes = {"fill": "dash", "dash": [10, 8]}
    looks(kind, "budget", {"color": fixed(RED), "custom.lineStyle": dashes})
    return panel(
        kind,
        words,
        (16, 10),
        course(f"{spent()} or sum({spent_of_budget()})", "spent"),
        course(limit(), "budget"),
        course(forecast("p10"), "forecast, low"),
        course(forecast("p50"), "forecast, likely"),
        course(forecast("p90"), "forecast, high"),
    )


def _growth() -> Panel:
    def of(window: str) -> str:
        return (
            "provider_account:cloud_cost_trailing_30d_usd:sum"
            f'{{window="{window}",provider=~"$provider",account_id=~"$account"}}'
        )

    def both(one: str, other: str) -> str:
        return f"sum({of(one)} and on (provider, account_id) {of(other)})"

    words = Words(
        "Month-over-Month Growth %" + THROUGH,
        "Each day: the last 30 complete days against the 30 before, so that months of different"
        " lengths compare; of the chosen providers and accounts, whatever else is chosen. Accounts"
        " that have only one of the two are left out. CostGrowthHigh tells of more than 20 %.",
        Empty(
            "Not known before 60 complete days",
            "older bills can be read: finops-exporter collect --since.",
        ),
        "CostGrowthHigh",
    )
    growth = f"{both('current', 'previous')} / ({both('previous', 'current')} > 0) - 1"
    kind = bars(RATIO).decimals(1).thresholds(steps(GREEN, (0.1, YELLOW), (0.2, RED)))
    # Each bar in its own colour, and the line of the alert in sight.
    kind.gradient_mode(common.GraphGradientMode.SCHEME).axis_soft_max(0.25)
    kind.color_scheme(by_value()).thresholds_style(
        common_builders.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
    )
    return panel(kind, words, (8, 10), course(growth, "growth"))


def _by(label: str, most: int) -> str:
    """The biggest values of a label, and all others in one, so that the parts are the whole."""
    each = f"sum by ({label}) ({MONTH})"
    each = f'label_replace({each}, "{label}", "no {label}", "{label}", "(__none__)?")'
    others = f"sum({MONTH}) - sum(topk({most}, {each}))"
    return (
        f'topk({most}, {each}) or label_replace({others} > 0.005, "{label}", "all others", "", "")'
    )


def _pie(words: Words, label: str, kind: PieChartType) -> Panel:
    return panel(pie(kind), words, (10, 12), now(_by(label, 8), f"{{{{{label}}}}}"))


def _by_region() -> Panel:
    words = Words(
        "Cost by Region" + THROUGH,
        "The month so far by region, the eight dearest and all others. What belongs to no region,"
        " such as taxes and global services, has none in its name either.",
        NO_SPLIT,
        "BudgetExceeded80Percent",
    )
    return _pie(words, "region", PieChartType.PIE)


def _by_service() -> Panel:
    words = Words(
        "Cost by Service" + THROUGH,
        "The month so far by service, the eight dearest and all others. A budget alone does not"
        " narrow it: choose what the budget is about as well, as links do.",
        NO_SPLIT,
        "CostAnomalyDetected",
    )
    return _pie(words, "service", PieChartType.PIE)


def _drivers() -> Panel:
    words = Words(
        "Top 10 Cost Drivers" + THROUGH,
        "The services that cost most this month, each in its account: their share of what is"
        " chosen, the newest complete day, and how that compares with the same weekday a week"
        " before.",
        NO_SPLIT,
        "CloudCostSpike",
    )
    return _services(words, (14, 12), f"topk(10, sum by ({SERVICE}) ({MONTH}))")


def _storage() -> Panel:
    words = Words(
        "Storage Costs" + THROUGH,
        "What is kept: object storage, disks, databases and backups, by the names of their"
        " services. Cost Explorer bills EBS volumes as EC2 - Other, together with traffic.",
        NO_SPLIT,
        "S3BucketLarge",
    )
    kept = f'{MONTHS}{{{SPLIT},service=~"{STORAGE}"}}'
    return _services(words, (14, 12), f"topk(50, sum by ({SERVICE}) ({kept}))")


def _services(words: Words, size: tuple[int, int], chosen: str) -> Panel:
    """A table of services with their month, their share, and how their newest day compares."""

    def day(offset: int) -> str:
        all_ = f'sum by ({SERVICE}) ({DAYS}{{day_offset="{offset}",{SPLIT}}})'
        return f"({all_} and on ({SERVICE}) {chosen})"

    kind = table.Panel()
    grid(
        kind,
        [
            Column("service", "Service", url=look_at(UID, service="Service", account="Account ID")),
            Column("provider", "Provider", width=80),
            Column("account_name", "Account"),
            Column("account_id", "Account ID", hidden=True),
            Column("Value #A", "Month, USD", EXACT, 2, 115),
            Column("Value #B", "Share", RATIO, 1, 70),
            Column("Value #C", "Day, USD", EXACT, 2, 90),
            Column(
                "Value #D",
                "In a week",
                RATIO,
                1,
                90,
                thresholds=steps(GREEN, (0.0001, YELLOW), (0.2, RED)),
            ),
        ],
        by="Month, USD",
    )
    return panel(
        kind,
        words,
        size,
        rows(named(chosen)),
        rows(f"{chosen} / scalar(sum({MONTH}))"),
        rows(day(1)),
        rows(f"{day(1)} / ({day(8)} > 0) - 1"),
    )
