"""What each query of each panel should answer, by plain SQL, or why that cannot be said.

A panel is called by the beginning of its title; a query by its letter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

from integration.dashboard_store import BUDGETS, FIRST, TENANTS
from integration.dashboard_sums import (
    Amounts,
    Sums,
    among,
    budgets,
    choice,
    largest,
    limit,
    only,
    picked,
    ratios,
    with_others,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from dashboard_variables import Chosen
    from finops_exporter.model import Budget

Function: TypeAlias = "Callable[[Sums, Chosen], Amounts]"
Key: TypeAlias = "tuple[str, str, str]"

CUSTOMERS: Final = 200.0
PLACE: Final = ("provider", "account", "service", "region")
SERVICE: Final = ("provider", "account_id", "service")
TENANT: Final = ("tenant", "model")

KEPT: Final = {
    "Amazon Simple Storage Service (S3)",
    "EC2 - Other",
    "Amazon Relational Database Service",
    "Cloud Storage",
    "Storage",
    "SQL Database",
}
"""The services of our bills that keep data."""

COST, TOKENS = "sum(cost_usd)", "sum(input_tokens + output_tokens + cache_read_tokens)"


@dataclass(frozen=True)
class Expected:
    """The labels by which the answers differ, and the amounts by their values."""

    labels: tuple[str, ...]
    amounts: Function


# Costs


def month(sums: Sums, chosen: Chosen) -> Amounts:
    """The month so far of what is chosen: of places, or of one team or environment alone."""
    given = choice(chosen) - {"provider"}
    if "budget" in given:
        return {}
    if tags := given & {"team", "environment"}:
        told = len(given) == 1
        return sums.costs((), sums.month, chosen, *tags, "provider") if told else {}
    return sums.costs((), sums.month, chosen, *PLACE)


def of_budget(sums: Sums, chosen: Chosen) -> Amounts:
    """What the chosen budget has spent, by its kind of period."""
    if not picked(chosen, "budget"):
        return {}
    return {(one.period,): sums.spent(one) for one in budgets(chosen)}


def course(sums: Sums, chosen: Chosen) -> Amounts:
    found = month(sums, chosen) or of_budget(sums, chosen)
    return {(): only(found)} if found else {}


def limits(_sums: Sums, chosen: Chosen) -> Amounts:
    """What is allowed: the organisation's, the providers' if each has one, or of what is chosen."""
    given = choice(chosen)
    if not given:
        return {(): min(limit(one) for one in BUDGETS if one.scope == "organization")}
    found = budgets(chosen, "monthly")
    if given == {"provider"} and len(found) < len(picked(chosen, "provider")):
        return {}
    return {(): sum(map(limit, found))} if found else {}


def used(sums: Sums, chosen: Chosen) -> Amounts:
    return largest(3, {(one.name,): sums.spent(one) / limit(one) for one in budgets(chosen)})


def per_customer(first: int, last: int) -> Function:
    return lambda sums, chosen: {(): only(sums.days((), first, last, chosen)) / CUSTOMERS}


def growth(sums: Sums, chosen: Chosen) -> Amounts:
    names = ("provider", "account")
    now, before = (sums.days((), *days, chosen, *names) for days in ((1, 30), (31, 60)))
    return ratios(now, before, less=1)


def drivers(sums: Sums, chosen: Chosen) -> Amounts:
    return largest(10, sums.costs(SERVICE, sums.month, chosen, *PLACE))


def stored(sums: Sums, chosen: Chosen) -> Amounts:
    found = sums.costs(SERVICE, sums.month, chosen, *PLACE)
    return {key: amount for key, amount in found.items() if key[2] in KEPT}


def shares(of: Function) -> Function:
    def found(sums: Sums, chosen: Chosen) -> Amounts:
        whole = only(sums.costs((), sums.month, chosen, *PLACE))
        return {key: amount / whole for key, amount in of(sums, chosen).items()}

    return found


def newest(of: Function) -> Function:
    return lambda sums, chosen: among(sums.day(SERVICE, 1, chosen, *PLACE), of(sums, chosen))


def against_week_before(of: Function) -> Function:
    def found(sums: Sums, chosen: Chosen) -> Amounts:
        now, before = (sums.day(SERVICE, offset, chosen, *PLACE) for offset in (1, 8))
        return ratios(now, before, less=1, keys=of(sums, chosen))

    return found


def unless_tagged(of: Function) -> Function:
    """Nothing where a team or an environment is chosen, by which no recording splits places."""

    def found(sums: Sums, chosen: Chosen) -> Amounts:
        tagged = picked(chosen, "team") or picked(chosen, "environment")
        return {} if tagged else of(sums, chosen)

    return found


def parts(label: str) -> Function:
    def found(sums: Sums, chosen: Chosen) -> Amounts:
        each = sums.costs((label,), sums.month, chosen, *PLACE)
        return with_others(8, {(name or f"no {label}",): one for (name,), one in each.items()})

    return found


def before(*by: str) -> Function:
    """The whole month before."""
    return lambda sums, chosen: sums.costs(
        by, sums.month_before, chosen, "provider", "account", before=sums.month
    )


def year(sums: Sums, chosen: Chosen) -> Amounts:
    found = sums.costs((), sums.month.replace(month=1), chosen, "provider", "account")
    return {(str(FIRST),): amount for amount in found.values()}


def spenders(sums: Sums, chosen: Chosen) -> Amounts:
    return largest(10, sums.costs(SERVICE, sums.month, chosen, "provider", "account"))


def trailing(sums: Sums, chosen: Chosen) -> Amounts:
    return sums.days((), 1, 30, chosen, "provider")


def every_budget(what: Callable[[Sums, Budget], float]) -> Function:
    """A value of each budget whose name is chosen."""

    def found(sums: Sums, chosen: Chosen) -> Amounts:
        names = picked(chosen, "budget") or [one.name for one in BUDGETS]
        return {(one.name,): what(sums, one) for one in BUDGETS if one.name in names}

    return found


# AI


def spent_on_ai(sums: Sums, chosen: Chosen) -> Amounts:
    return sums.calls(COST, (), chosen, *TENANT)


def calls(what: str, *by: str) -> Function:
    return lambda sums, chosen: sums.calls(what, by, chosen, *TENANT)


def last(hours: int, sums: Sums) -> datetime:
    """When the last hours began: in whole five minutes, of which the running one is the last."""
    return sums.at - timedelta(hours=hours) + timedelta(minutes=5)


def per_report(sums: Sums, chosen: Chosen) -> Amounts:
    what = f"{COST} FILTER (WHERE report_type <> '') / count(*) FILTER (WHERE report_type <> '')"
    return sums.calls_since(what, (), last(24, sums), chosen, "tenant")


def at_risk(value: Callable[[float, float], float]) -> Function:
    """Of the budgets that are used to 80 %: their limits and what is spent make a value."""

    def found(sums: Sums, chosen: Chosen) -> Amounts:
        # Ours are over all models, and hold for a chosen one too.
        spent = {
            tenant: amount
            for (tenant,), amount in sums.calls(COST, ("tenant_id",), chosen, "tenant").items()
        }
        return {
            (tenant, model): value(spent[tenant], allowed)
            for tenant, (model, allowed, _) in TENANTS.items()
            if spent.get(tenant, 0) / allowed >= 0.8
        }

    return found


def of_average_hour(sums: Sums, chosen: Chosen) -> Amounts:
    """Tokens of the last hour by those of an active hour of the last week."""
    newest = sums.calls_since(TOKENS, ("tenant_id",), last(1, sums), chosen, "tenant")
    usual = sums.calls_since(
        f"{TOKENS}::numeric / count(DISTINCT date_trunc('hour', time, 'UTC'))",
        ("tenant_id",),
        sums.at - timedelta(hours=168),
        chosen,
        "tenant",
    )
    return {key: newest.get(key, 0) / hour for key, hour in usual.items()}


def a_million(*by: str) -> Function:
    return lambda sums, chosen: {
        key: 1e6 * amount
        for key, amount in ratios(
            sums.calls(COST, by, chosen, *TENANT), sums.calls(TOKENS, by, chosen, *TENANT)
        ).items()
    }


OVERVIEW, CLOUD, AI = "finops-overview", "finops-cloud-cost", "finops-ai-budget"

EXPECTED: Final[dict[Key, Expected]] = {
    (CLOUD, "Monthly Spend", "A"): Expected((), month),
    (CLOUD, "Monthly Spend", "B"): Expected(("period",), of_budget),
    (CLOUD, "Monthly Budget", "A"): Expected((), limits),
    (CLOUD, "Budget Utilization", "A"): Expected(("budget",), used),
    (CLOUD, "Cost Per Customer", "A"): Expected((), per_customer(1, 30)),
    (CLOUD, "Cost Per Customer", "B"): Expected((), per_customer(31, 60)),
    (CLOUD, "Spend Trend vs Budget", "A"): Expected((), course),
    (CLOUD, "Spend Trend vs Budget", "B"): Expected((), limits),
    (CLOUD, "Month-over-Month Growth", "A"): Expected((), growth),
    (CLOUD, "Top 10 Cost Drivers", "A"): Expected(SERVICE, unless_tagged(drivers)),
    (CLOUD, "Top 10 Cost Drivers", "B"): Expected(SERVICE, unless_tagged(shares(drivers))),
    (CLOUD, "Top 10 Cost Drivers", "C"): Expected(SERVICE, unless_tagged(newest(drivers))),
    (CLOUD, "Top 10 Cost Drivers", "D"): Expected(
        SERVICE, unless_tagged(against_week_before(drivers))
    ),
    (CLOUD, "Cost by Service", "A"): Expected(("service",), unless_tagged(parts("service"))),
    (CLOUD, "Cost by Region", "A"): Expected(("region",), unless_tagged(parts("region"))),
    (CLOUD, "Storage Costs", "A"): Expected(SERVICE, unless_tagged(stored)),
    (CLOUD, "Storage Costs", "B"): Expected(SERVICE, unless_tagged(shares(stored))),
    (CLOUD, "Storage Costs", "C"): Expected(SERVICE, unless_tagged(newest(stored))),
    (CLOUD, "Storage Costs", "D"): Expected(SERVICE, unless_tagged(against_week_before(stored))),
    (AI, "Total AI Spend MTD", "A"): Expected((), spent_on_ai),
    (AI, "Total Tokens MTD", "A"): Expected((), calls(TOKENS)),
    (AI, "Total Tokens MTD", "B"): Expected((), calls("sum(cache_read_tokens)")),
    (AI, "Avg Cost Per Report", "A"): Expected((), per_report),
    (AI, "Cost by Model", "A"): Expected(("model",), calls(COST, "model")),
    (AI, "Tenants at Risk", "A"): Expected(("tenant_id", "model"), at_risk(lambda a, b: a / b)),
    (AI, "Tenants at Risk", "B"): Expected(("tenant_id", "model"), at_risk(lambda a, _: a)),
    (AI, "Tenants at Risk", "C"): Expected(("tenant_id", "model"), at_risk(lambda _, b: b)),
    (AI, "Top 10 Token Consumers", "A"): Expected(("tenant_id",), calls(TOKENS, "tenant_id")),
    (AI, "Top 10 Token Consumers", "B"): Expected(("tenant_id",), calls(COST, "tenant_id")),
    (AI, "Top 10 Token Consumers", "C"): Expected(("tenant_id",), calls("count(*)", "tenant_id")),
    (AI, "Top 10 Token Consumers", "D"): Expected(("tenant_id",), a_million("tenant_id")),
    (AI, "Anomaly Detection", "A"): Expected(("tenant_id",), of_average_hour),
    (AI, "Token Efficiency", "A"): Expected(("model",), a_million("model")),
    (OVERVIEW, "Month to Date", "A"): Expected(
        (), lambda sums, chosen: sums.costs((), sums.month, chosen, "provider", "account")
    ),
    (OVERVIEW, "Month to Date", "B"): Expected((), before()),
    (OVERVIEW, "Year to Date", "A"): Expected(("since",), year),
    (OVERVIEW, "Newest Day", "A"): Expected(
        ("provider",), lambda sums, chosen: sums.day(("provider",), 1, chosen, "provider")
    ),
    (OVERVIEW, "Budgets", "A"): Expected(
        ("budget",), every_budget(lambda sums, one: sums.spent(one) / limit(one))
    ),
    (OVERVIEW, "Budgets", "B"): Expected(("budget",), every_budget(Sums.spent)),
    (OVERVIEW, "Budgets", "C"): Expected(("budget",), every_budget(lambda _, one: limit(one))),
    (OVERVIEW, "Top Spenders", "A"): Expected(SERVICE, spenders),
    (OVERVIEW, "Top Spenders", "B"): Expected(
        SERVICE, lambda sums, chosen: among(before(*SERVICE)(sums, chosen), spenders(sums, chosen))
    ),
    (OVERVIEW, "Next 30 Days", "D"): Expected((), trailing),
}

_FORECAST = "a forecast; its maths is held against published series in tests/unit/analysis"
_ALERTS = "alerts are samples of a test here; tests/e2e has real ones"
_SAMPLES = "a history does not have it: it is a sample of a test here"

NOT_SUMMED: Final[dict[tuple[str, str], str]] = {
    (OVERVIEW, "Firing Alerts"): _ALERTS,
    (OVERVIEW, "What Fires"): _ALERTS,
    (OVERVIEW, "Savings Opportunities"): _ALERTS,
    (OVERVIEW, "Today So Far"): _SAMPLES,
    (OVERVIEW, "Sources"): _SAMPLES,
    (OVERVIEW, "What Asking Costs"): _SAMPLES,
    (OVERVIEW, "Reconciliation"): "our sources tell no totals of their own",
    (OVERVIEW, "Month at Its End"): _FORECAST,
    (OVERVIEW, "Budget Burn Rate"): _FORECAST,
    (OVERVIEW, "Budgets"): "what a settled day costs, and what follows: see test_budgets",
    (OVERVIEW, "Top Spenders"): "a score; see tests/unit/analysis",
    (OVERVIEW, "Forecast"): _FORECAST,
    (OVERVIEW, "Next 30 Days"): _FORECAST,
    (CLOUD, "Spend Trend vs Budget"): _FORECAST,
    (AI, "Tenants Over Budget"): _SAMPLES,
    (AI, "Tenants at Risk"): _SAMPLES,
}
"""Panels of whose queries some (those without an entry in EXPECTED) have no second sum, and why."""


def expected(uid: str, title: str, letter: str) -> Expected | None:
    """The entry of a query, if it has one."""
    found = [
        one
        for (board, begin, ref), one in EXPECTED.items()
        if (board, ref) == (uid, letter) and title.startswith(begin)
    ]
    return found[0] if found else None


def excused(uid: str, title: str) -> bool:
    """Whether some queries of a panel need no second sum."""
    return any(board == uid and title.startswith(begin) for board, begin in NOT_SUMMED)
