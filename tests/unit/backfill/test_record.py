from __future__ import annotations

from math import isnan, nan
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.backfill.record import Changes, Record
from finops_exporter.exposition.metric import Family, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

METRIC = Metric("a_usd", "gauge", "A.", ("x",))
OTHER = Metric("b_usd", "gauge", "B.", ("x",))
VALUES = st.lists(st.sampled_from([nan, 0.0, 1.0, 2.5]), min_size=1, max_size=30)


def drawn(changes: Changes, count: int, visible: int = 0) -> list[float]:
    """The value at each point; NaN: none."""
    found = [nan] * count
    for run in changes.runs(count, visible):
        for place in range(run.begin, run.end):
            assert isnan(found[place])
            found[place] = run.value
    return found


def same(one: list[float], other: list[float]) -> bool:
    return str(one) == str(other)


@given(VALUES)
def test_runs_are_what_was_put(values: list[float]) -> None:
    changes = Changes()
    for place, value in enumerate(values):
        changes.put(place, value)
    assert same(drawn(changes, len(values) + 3), [*values, *[values[-1]] * 3])


@given(VALUES, st.integers(0, 4))
def test_points_before_a_gap_are_left_out(values: list[float], visible: int) -> None:
    changes = Changes()
    for place, value in enumerate(values):
        changes.put(place, value)
    expected = [
        nan if any(map(isnan, values[place : place + visible + 1])) else value
        for place, value in enumerate(values)
    ]
    assert same(drawn(changes, len(values), visible), expected)


def families(*pages: tuple[Metric, Mapping[str, float]]) -> list[Family]:
    return [Family(metric, {(x,): value for x, value in page.items()}) for metric, page in pages]


def test_what_a_page_does_not_show_any_more_ends() -> None:
    record = Record()
    record.put(0, families((METRIC, {"one": 1, "two": 2}), (OTHER, {"one": 3})))
    record.put(2, families((METRIC, {"two": 2})))
    record.put(3, families((METRIC, {"one": 1}), (OTHER, {"one": 4})))
    found = {
        (metric.name, key[0]): drawn(changes, 4)
        for metric, series in record.families()
        for key, changes in series
    }
    expected = {
        ("a_usd", "one"): [1.0, 1.0, nan, 1.0],
        ("a_usd", "two"): [2.0, 2.0, 2.0, nan],
        ("b_usd", "one"): [3.0, 3.0, nan, 4.0],
    }
    assert list(found) == list(expected)
    assert all(same(found[key], expected[key]) for key in expected)


def test_an_empty_record_has_no_family() -> None:
    assert list(Record().families()) == []
