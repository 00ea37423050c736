"""What the alerts on AI budgets look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter.alerts.rule import Line
from finops_exporter.alerts.values import named, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finops_exporter.alerts.values import Values

_REFUSED = "ai_budget_hard_limit_reached"
_TENANT = ("tenant_id",)
_BUDGET = ("tenant_id", "model")
_REPORT = ("tenant_id", "report_type")


def used(values: Values, _now: float) -> Iterator[Line]:
    """Used of the limit of each budget."""
    limits = values.by("ai_budget_limit_usd", _BUDGET)
    spent = values.by("ai_budget_used_usd", _BUDGET)
    owner = _owners(values)
    for key in limits.keys() | spent.keys() | values.by(_REFUSED, _BUDGET).keys():
        labels = named((*_BUDGET, "owner"), (*key, owner.get(key[0], "")))
        part, limit = spent.get(key), limits.get(key)
        yield Line(labels, [ratio(part, limit)], {}, {"used": part, "limit": limit})


def exceeded(*, critical: bool) -> Callable[[Values, float], Iterator[Line]]:
    """The same, and whether a call was refused, of the tenants that are marked critical or not."""

    def lines(values: Values, now: float) -> Iterator[Line]:
        marked = {key[0] for key in values.by("ai_budget_tenant_info", _TENANT, critical="true")}
        refused = values.by(_REFUSED, _BUDGET, max)
        for one in used(values, now):
            key = (one.labels["tenant_id"], one.labels["model"])
            if (key[0] in marked) == critical:
                yield Line(one.labels, [*one.values, refused.get(key)], {}, one.beside)

    return lines


def total(values: Values, _now: float) -> Iterator[Line]:
    """What all tenants have spent together."""
    yield Line({}, [values.by("ai_budget_total_used_usd", ()).get(())], {}, {})


def tokens(values: Values, _now: float) -> Iterator[Line]:
    """Tokens of the last hour against an average active hour, as they are, and their cost."""
    hour = values.by("ai_budget_tokens_last_hour", _TENANT)
    average = values.by("ai_budget_tokens_hourly_avg_7d", _TENANT)
    cost = values.by("ai_budget_cost_last_hour_usd", _TENANT)
    owner = _owners(values)
    for key, number in hour.items():
        labels = named(("tenant_id", "owner"), (*key, owner.get(key[0], "")))
        yield Line(labels, [ratio(number, average.get(key)), number, cost.get(key)], {}, {})


def reports(values: Values, _now: float) -> Iterator[Line]:
    """What a report of each type has cost in 24 hours, and how many there were."""
    cost = values.by("ai_budget_report_cost_24h_usd", _REPORT)
    owner = _owners(values)
    for key, number in values.by("ai_budget_reports_24h", _REPORT).items():
        labels = named((*_REPORT, "owner"), (*key, owner.get(key[0], "")))
        total_usd = cost.get(key)
        yield Line(labels, [ratio(total_usd, number), number], {}, {"all of them": total_usd})


def _owners(values: Values) -> dict[str, str]:
    found = values.by("ai_budget_tenant_info", ("tenant_id", "owner"), max)
    return {key[0]: key[1] for key in found}
