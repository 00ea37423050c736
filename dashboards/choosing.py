"""What of the costs and the budgets is chosen, in PromQL: exactly one branch of each `or` answers.

An amount, its limit and its forecast are of the same thing, or there is none: what no recording can
tell (a team in a region) shows nothing.
"""

from __future__ import annotations

EVERYTHING = ("budget", "team", "environment", "service", "account", "region", "provider")
"""The variables that choose."""

SCOPES = ("team", "environment", "service", "account", "provider")
"""Those of them that budgets can be about."""

SPLIT = (
    'provider=~"$provider",account_id=~"$account",service=~"$service",region=~"$region",'
    'narrowed=~"$team$environment"'
)
"""What can be told by service and region: a team's or an environment's share of them cannot."""


def none_but(*chosen: str) -> str:
    """The matcher that holds while nothing else than these variables is chosen."""
    others = "".join(f"${name}" for name in EVERYTHING if name not in chosen)
    return f'narrowed=~"{others}"'


def spent() -> str:
    """What has been spent this month of what is chosen, but for a budget."""
    # No more series than what is chosen needs: this is asked over weeks.
    place = 'provider=~"$provider",account_id=~"$account",narrowed=~"$budget$team$environment"'
    service = 'service=~"$service",narrowed!~"$service"'
    region = 'region=~"$region",narrowed!~"$region"'
    by_place = [
        f"sum({level}:cloud_cost_monthly_usd:sum{{{place},{matchers}}})"
        for level, matchers in (
            ("provider_account", 'narrowed=~"$service$region"'),
            ("provider_account_service", f'{service},narrowed=~"$region"'),
            ("provider_account_region", f'{region},narrowed=~"$service"'),
            ("provider_account_service_region", f"{service},{region}"),
        )
    ]
    by_tag = [
        f'sum({tag}:cloud_cost_allocated_monthly_usd:sum{{provider=~"$provider",{tag}=~"${tag}",'
        f'narrowed!~"${tag}",{none_but(tag, "provider")}}})'
        for tag in ("team", "environment")
    ]
    return " or ".join([*by_place, *by_tag])


def spent_of_budget() -> str:
    """What has been spent of the chosen budget in its current period, by the kind of period."""
    return f"sum by (period) ({by_name('budget:cloud_budget_spent_usd:sum')})"


def limit() -> str:
    """What may be spent.

    It is what the chosen budget allows, or the monthly ones of what else is chosen. Where nothing
    is: that of the organisation (of several the smallest), else those of all providers, if each has
    one.
    """
    metric = "budget:cloud_budget_limit_usd:sum"
    of_organisation = (
        f'min({metric}{{budget_period="current",period="monthly",scope_type="organization",'
        f"{none_but()}}})"
    )
    providers = (
        'provider:cloud_budget_monthly_limit_usd:sum{provider=~"$provider",'
        f"{none_but('provider')}}}"
    )
    bills = (
        'count by (provider) (provider_account:cloud_cost_monthly_usd:sum{provider=~"$provider"})'
    )
    of_providers = f"(sum({providers}) and on () count({providers}) >= on () count({bills}))"
    scopes = [by_scope(metric, scope, 'period="monthly",') for scope in SCOPES[:-1]]
    of_budgets = f"sum({' or '.join([by_name(metric), *scopes])})"
    return f"{of_organisation} or {of_providers} or {of_budgets}"


def forecast(estimate: str) -> str:
    """What the month, or the period of the chosen budget, will have cost: p10, p50 or p90."""
    of_providers = (
        f'provider:cloud_cost_forecast_usd:{estimate}{{horizon="month_end",provider=~"$provider",'
        f"{none_but('provider')}}}"
    )
    metric = f"budget:cloud_budget_forecast_usd:{estimate}"
    scopes = [by_scope(metric, scope, 'period="monthly",') for scope in SCOPES[:-1]]
    return f"sum({of_providers}) or sum({' or '.join([by_name(metric), *scopes])})"


def budgets(metric: str) -> str:
    """A metric of the current period of each budget that is chosen; of all while nothing is."""
    of_all = f'{metric}{{budget_period="current",{none_but()}}}'
    scopes = [by_scope(metric, scope) for scope in SCOPES]
    return " or ".join([of_all, by_name(metric), *scopes])


def by_name(metric: str) -> str:
    """Of the budget that is chosen."""
    return f'{metric}{{budget_period="current",budget=~"$budget",narrowed!~"$budget"}}'


def by_scope(metric: str, scope: str, more: str = "") -> str:
    """Of the budgets of a chosen team, environment, service, account or provider, and only of it.

    An account is of one provider, which may be chosen as well.
    """
    chosen = (scope, "provider") if scope == "account" else (scope,)
    return (
        f'{metric}{{budget_period="current",{more}scope_type="{scope}",scope_value=~"${scope}",'
        f'narrowed!~"${scope}",{none_but(*chosen)}}}'
    )
