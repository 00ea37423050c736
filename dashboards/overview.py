"""finops-overview: is something wrong, where, since when, and what next."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grafana_foundation_sdk.builders import table

from dashboards import overview_costs as costs
from dashboards.asking import now, of_costs, rows, through, variable
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
    dashboard,
    figure,
    fixed,
    grid,
    look_at,
    looks,
    of_budget_in,
    panel,
    steps,
)

if TYPE_CHECKING:
    from grafana_foundation_sdk.models.dashboard import Dashboard

    from dashboards.shared import Panel

UID = "finops-overview"

ALERTS = 'component="finops",alertname!="FinOpsWatchdog"'
ABOUT = (
    "alertname, severity, provider, account_id, service, budget, scope_type, scope_value,"
    " tenant_id, owner"
)

SEVERITIES = {"critical": ("critical", RED), "warning": ("warning", YELLOW)}
OUTCOMES = {"1": ("stored", GREEN), "0": ("failed", RED)}

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
                f"provider_account:cloud_cost_monthly_usd:sum{{{costs.PROVIDER}}}",
            ),
            variable("budget", "budget", "budget:cloud_budget_limit_usd:sum"),
            through(),
        ],
        annotations=of_costs(),
        parts={
            "Is something wrong?": [_count(), _alerts()],
            "What does it cost?": [
                costs.today(),
                costs.month(),
                costs.year(),
                costs.expected(),
                costs.days(),
            ],
            "Do the budgets hold?": [costs.pace(), costs.budgets()],
            "Where does it go, and what comes next?": [
                costs.spenders(),
                costs.savings(),
                costs.forecast(),
                costs.next_days(),
            ],
            "Can the numbers be trusted?": [_ages(), _sums(), _asking()],
        },
    )


def _count() -> Panel:
    words = Words(
        "Firing Alerts",
        "How many alerts fire, by severity: critical ones page somebody, warnings wait for"
        " working hours, info waits for the weekly digest. All of them, whatever is chosen above.",
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
    since = f"1000 * {_plain(f'ALERTS_FOR_STATE{{{told}}}', 'min')} and on ({ABOUT}) {fire}"
    runbook = f'{RUNBOOKS}/${{__data.fields["Alert"]}}.md'
    tenant = look_at("finops-ai-budget", tenant="AI tenant")
    account = look_at(costs.COST, provider="Provider", account="Account")
    kind = table.Panel()
    grid(
        kind,
        [
            Column("severity", "Severity", width=95, words=SEVERITIES),
            Column("alertname", "Alert", width=220, url=runbook),
            Column("provider", "Provider", width=80),
            Column("account_id", "Account", width=140, url=account),
            Column("service", "Service"),
            Column("budget", "Budget", width=130, url=of_budget_in("Budget", "Scope", "Of")),
            Column("scope_type", "Scope", hidden=True),
            Column("scope_value", "Of", hidden=True),
            Column("tenant_id", "AI tenant", width=130, url=tenant),
            Column("owner", "Owner", width=110),
            Column("Value", "Since", "dateTimeFromNow", width=130),
        ],
        by="Severity",
        up=True,
    )
    return panel(kind, words, (19, 8), rows(since))


def _plain(alerts: str, operation: str = "max") -> str:
    """Alerts by what they are about.

    Prometheus shows the template of a label in these series where the label itself is left out
    because it is empty: no provider starts with two braces.
    """
    return (
        f'{operation} by ({ABOUT}) (label_replace({alerts}, "provider", "", "provider", "{{{{.*"))'
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
    source = f"provider_collector:finops_collector_success:max{{{costs.PROVIDER}}}"

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
            Column("Value #A", "Newest run", width=90, words=OUTCOMES),
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
    success = "provider_collector:finops_collector_last_success_timestamp_seconds:max"
    return panel(
        kind,
        words,
        (11, 8),
        rows(source),
        rows(f"1000 * {success}{{{costs.PROVIDER}}}"),
        rows(f"1000 * {newest_day}"),
        rows(f"clamp_min({overdue} - 86400, 0)"),
    )


def _sums() -> Panel:
    words = Words(
        "Reconciliation" + THROUGH,
        "What the provider's own total of a month has more than the sum of our parts, where it"
        " tells one; and by how much days of a provider that were already stored have changed in"
        " the last 7 days (of all months, told beside each).",
        Empty(
            "No source tells its own total",
            "Cost Explorer tells one for each month, and so do files of FOCUS.",
        ),
        "FinOpsUnreconciled",
    )
    amount = f"provider_month:cloud_cost_unreconciled_usd:sum{{{costs.PROVIDER}}}"
    restated = f"increase(provider:cloud_cost_restated_usd_total:max{{{costs.PROVIDER}}}[7d])"
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
        rows(f"provider_month:cloud_cost_unreconciled:ratio{{{costs.PROVIDER}}}"),
        rows(restated),
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
    spent = f"sum(provider_collector:finops_collector_spent_today_usd:max{{{costs.PROVIDER}}})"
    cap = f"sum(provider_collector:finops_collector_daily_cap_usd:max{{{costs.PROVIDER}}})"
    cost = f"provider_api:finops_cloud_api_estimated_cost_usd_total:max{{{costs.PROVIDER}}}"
    return panel(
        figure(USD, colour=GREY),
        words,
        (4, 8),
        now(spent, "today"),
        now(cap, "cap of a day"),
        now(f"sum(increase({cost}[30d]))", "last 30 days"),
    )
