from __future__ import annotations

from math import inf, nan
from typing import TYPE_CHECKING

import pytest

from finops_exporter.alerts.rule import Alert, Limit, Line
from finops_exporter.alerts.values import Values, named, ratio
from finops_exporter.exposition.metric import Family, Metric

if TYPE_CHECKING:
    from collections.abc import Iterator

ABOVE = Limit("spent", ">", 10, "usd")
UNLESS = Limit("excused", ">=", 1, "flag", unless=True)


def state(
    *values: float | None, limits: tuple[Limit, ...] = (ABOVE, ABOVE), any_of: bool = False
) -> str:
    def lines(_values: Values, _now: float) -> Iterator[Line]:
        yield Line({}, values, {}, {})

    alert = Alert("A", "g", "info", limits, lines, hold="1m", any_of=any_of)
    (one,) = alert.decide(Values([]), 0)
    return one.state


@pytest.mark.parametrize(
    ("values", "of_both", "of_one"),
    [
        ((11, 12), "met", "met"),
        ((11, 10), "not met", "met"),
        ((1, 10), "not met", "not met"),
        ((11, None), "unknown", "met"),
        ((1, None), "not met", "unknown"),
        ((None, None), "unknown", "unknown"),
        ((nan, 11), "unknown", "met"),
        ((inf, 11), "met", "met"),
    ],
)
def test_what_is_not_known_decides_nothing(
    values: tuple[float | None, ...], of_both: str, of_one: str
) -> None:
    assert state(*values) == of_both
    assert state(*values, any_of=True) == of_one


def test_unless_holds_where_nothing_is_known() -> None:
    limits = (ABOVE, UNLESS)
    assert state(11, None, limits=limits) == "met"
    assert state(11, 0, limits=limits) == "met"
    assert state(11, 1, limits=limits) == "not met"
    assert state(None, 0, limits=limits) == "unknown"


def test_a_threshold_that_is_a_value_is_multiplied() -> None:
    limit = Limit("excess", ">", 0.2, "usd", "what was expected")
    tested = limit.test(30, 100)
    assert (tested.threshold, tested.distance, tested.met) == (20, 10, True)
    unknown = limit.test(30, None)
    assert (unknown.threshold, unknown.distance, unknown.met) == (None, None, None)


def test_values_are_added_up_by_labels() -> None:
    usage = ("account_id", "service")
    other = Metric("other_cost_x_usd", "gauge", "", ("provider", *usage))
    families = [
        Family(Metric("aws_cost_x_usd", "gauge", "", usage), {("1", "a"): 1, ("1", "b"): 2}),
        Family(other, {("oracle", "1", "a"): 4}),
    ]
    values = Values(families)
    assert values.of_providers("cost_x_usd", ["account_id"]) == {
        ("aws", "1"): 3,
        ("oracle", "1"): 4,
    }
    assert values.of_providers("cost_x_usd", [], service="b") == {("aws",): 2}
    assert values.by("aws_cost_x_usd", ()) == {(): 3}
    assert values.by("aws_cost_x_usd", usage[:1], max) == {("1",): 2}
    assert values.by("absent", usage) == {}


def test_a_part_of_nothing_is_unknown() -> None:
    assert ratio(1, 4) == 0.25
    assert [ratio(1, 0), ratio(1, -1), ratio(None, 1), ratio(1, None)] == [None] * 4
    assert named(("a", "b"), ("x", "")) == {"a": "x"}
