"""What the alerts on cloud budgets and on spikes look at."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.alerts.rule import Line
from finops_exporter.alerts.values import named, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finops_exporter.alerts.values import Values, Vector

BUDGET = ("budget", "scope_type", "scope_value", "period", "owner")
_ACCOUNT = ("provider", "account_id")


def used(values: Values, _now: float) -> Iterator[Line]:
    """Spent of the limit: the current period of each budget, and the one that is closing."""
    for period, prefix in (("current", ""), ("closing", "closing_")):
        limits = values.by(f"cloud_budget_{prefix}limit_usd", BUDGET)
        spent = values.by(f"cloud_budget_{prefix}spent_usd", BUDGET)
        for key in limits.keys() | spent.keys():
            part, whole = spent.get(key), limits.get(key)
            labels = named(BUDGET, key) | {"budget_period": period}
            yield Line(labels, [ratio(part, whole)], {}, {"spent": part, "limit": whole})


def forecast(values: Values, _now: float) -> Iterator[Line]:
    """The low forecast of the limit, and what is spent of it."""
    limits = values.by("cloud_budget_limit_usd", BUDGET)
    spent = values.by("cloud_budget_spent_usd", BUDGET)
    low = values.by("cloud_budget_forecast_usd", BUDGET, estimate="p10")
    for key, limit in limits.items():
        tested = [ratio(low.get(key), limit), ratio(spent.get(key), limit)]
        beside = {"p10 forecast": low.get(key), "spent": spent.get(key), "limit": limit}
        yield Line(named(BUDGET, key) | {"budget_period": "current"}, tested, {}, beside)


def thresholds(wanted: Callable[[Decimal], bool]) -> Callable[[Values, float], Iterator[Line]]:
    """Whether those of the budgets' own thresholds (percent) that are `wanted` were reached."""

    def lines(values: Values, _now: float) -> Iterator[Line]:
        labels = (*BUDGET, "threshold")
        limits = values.by("cloud_budget_limit_usd", BUDGET)
        spent = values.by("cloud_budget_spent_usd", BUDGET)
        for key, reached in values.by("cloud_budget_threshold_reached", labels, max).items():
            if wanted(Decimal(key[-1])):
                beside = {"spent": spent.get(key[:-1]), "limit": limits.get(key[:-1])}
                shown = named(labels, key) | {"budget_period": "current"}
                yield Line(shown, [reached], {}, beside)

    return lines


def spikes(values: Values, _now: float) -> Iterator[Line]:
    """Usage of the newest complete day above the day before and the same weekday a week ago."""
    newest, before, week_ago = (
        values.of_providers("cost_usage_daily_usd", ["account_id"], day_offset=offset)
        for offset in ("1", "2", "8")
    )
    floors = values.by("finops_alert_floor_usd", ["provider"], max)
    owner = owners(values)
    for key in newest.keys() | before.keys() | week_ago.keys():
        days = [day.get(key) for day in (newest, before, week_ago)]
        labels = named((*_ACCOUNT, "owner"), (*key, owner.get(key, "")))
        beside = dict(zip(("newest day", "day before", "a week ago"), days, strict=True))
        yield Line(labels, _rise(*days), {1: floors.get(key[:1])}, beside)


def owners(values: Values) -> dict[tuple[str, ...], str]:
    """Who answers for an account, by provider and account; empty where nobody is named."""
    found: Vector = values.by("finops_account_info", (*_ACCOUNT, "owner"), max)
    return {key[:2]: key[2] for key in found}


def _rise(newest: float | None, before: float | None, week_ago: float | None) -> list[float | None]:
    """Relative to the higher one, where both cost anything; and in dollars to the day before."""
    dollars = None if newest is None or before is None else newest - before
    if newest is None or before is None or week_ago is None or min(before, week_ago) <= 0:
        return [None, dollars]
    return [newest / max(before, week_ago) - 1, dollars]
