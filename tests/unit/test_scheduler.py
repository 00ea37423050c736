from __future__ import annotations

from datetime import date

import pytest

from finops_exporter.model import Plan, PlannedPart, Rejected, Window
from finops_exporter.scheduler import pending, withdrawn

PLAN = Plan(parts=(PlannedPart("a", "1"), PlannedPart("b", "2"), PlannedPart("c", "3")))


def test_parts_with_a_known_fingerprint_are_not_read_again() -> None:
    assert [part.key for part in pending(PLAN, {"a": "1", "b": "other"}).parts] == ["b", "c"]


def test_a_window_reads_every_part() -> None:
    window = Window(date(2026, 1, 1), date(2026, 1, 2))
    plan = Plan(parts=PLAN.parts, window=window)
    assert pending(plan, {"a": "1", "b": "2", "c": "3"}) == plan
    assert withdrawn(plan, ["gone"]) == []


def test_parts_that_the_source_no_longer_has_are_withdrawn() -> None:
    assert withdrawn(PLAN, ["a", "z", "y"]) == ["y", "z"]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(parts=PLAN.parts, withdraws=False),
        Plan(parts=PLAN.parts, unreadable=(Rejected("*.csv", "no_match", "no file matches"),)),
    ],
)
def test_nothing_is_withdrawn_when_told_so_or_when_the_listing_is_not_whole(plan: Plan) -> None:
    assert withdrawn(plan, ["a", "z"]) == []
