"""What the alerts on growth, on the cost of a customer and on anomalies look at."""

from __future__ import annotations

from math import fsum
from typing import TYPE_CHECKING

from finops_exporter.alerts.cloud import owners
from finops_exporter.alerts.rule import Line
from finops_exporter.alerts.values import named, ratio

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.alerts.values import Values

_WINDOWS = ("current", "previous")
_SERVICE = ("provider", "account_id", "service")


def growth(values: Values, _now: float) -> Iterator[Line]:
    """The last 30 complete days against the 30 before, of providers that are known in both."""
    current, previous = _comparable(values)
    beside = {"last 30 days": current, "30 before": previous}
    yield Line({}, _grown(current, previous), {1: _floor(values)}, beside)


def customers(values: Values, _now: float) -> Iterator[Line]:
    """The same of the cost of a customer; and what its growth makes for all of them."""
    counted = values.by("finops_customers", ["window"], max)
    number, number_before = (counted.get((window,)) for window in _WINDOWS)
    current, previous = _comparable(values)
    costs, cost_before = ratio(current, number), ratio(previous, number_before)
    share, dollars = _grown(costs, cost_before)
    everybody = None if dollars is None or number is None else dollars * number
    beside = {"a customer": costs, "a customer before": cost_before}
    yield Line({}, [share, everybody], {1: _floor(values)}, beside)


def anomalies(values: Values, _now: float) -> Iterator[Line]:
    """How far each service lies above what was expected of it."""
    excess = values.by("finops_cost_anomaly_excess_usd", _SERVICE, max)
    expected = values.by("finops_cost_anomaly_expected_usd", _SERVICE, max)
    floors = values.by("finops_alert_floor_usd", ["provider"], max)
    owner = owners(values)
    for key, score in values.by("finops_cost_anomaly_score", _SERVICE, max).items():
        above = excess.get(key)
        labels = named((*_SERVICE, "owner"), (*key, owner.get(key[:2], "")))
        bases = {1: floors.get(key[:1]), 2: expected.get(key)}
        yield Line(labels, [score, above, above], bases, {"expected": expected.get(key)})


def _comparable(values: Values) -> list[float | None]:
    """The costs of both windows, of the providers that have both; None where there is none."""
    by_window = [
        values.of_providers("cost_trailing_30d_usd", [], window=window) for window in _WINDOWS
    ]
    both = set.intersection(*(set(one) for one in by_window))
    return [fsum(one[key] for key in both) if both else None for one in by_window]


def _grown(current: float | None, previous: float | None) -> list[float | None]:
    """By which share, and by how many dollars."""
    share = ratio(current, previous)
    if share is None or current is None or previous is None:
        return [None, None]
    return [share - 1, current - previous]


def _floor(values: Values) -> float | None:
    return values.by("finops_alert_floor_usd", ()).get(())
