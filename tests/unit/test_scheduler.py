from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from finops_exporter.analysis.due import pause
from finops_exporter.model import Plan, PlannedPart, Rejected, Task, Window
from finops_exporter.one_run import pending, withdrawn

NOW = datetime(2026, 11, 21, tzinfo=UTC)
PLAN = Plan(parts=(PlannedPart("a", "1"), PlannedPart("b", "2"), PlannedPart("c", "3")))


def test_failures_are_retried_soon_and_then_ever_more_rarely() -> None:
    interval = timedelta(hours=6)
    waits = [pause(interval, failures).total_seconds() for failures in range(5)]
    assert waits == [21600, 30, 60, 120, 240]
    assert pause(interval, 1000) == interval
    assert pause(timedelta(seconds=10), 1) == timedelta(seconds=10)


def test_parts_with_a_known_fingerprint_are_not_read_again() -> None:
    assert [
        part.key for part in pending(PLAN, Task(NOW, stored={"a": "1", "b": "other"})).parts
    ] == ["b", "c"]


def test_a_window_reads_every_part() -> None:
    window = Window(date(2026, 1, 1), date(2026, 1, 2))
    plan = Plan(parts=PLAN.parts, window=window)
    assert pending(plan, Task(NOW, window, {"a": "1", "b": "2", "c": "3"})) == plan
    assert withdrawn(plan, {"gone": "9"}) == []


def test_parts_that_the_source_no_longer_has_are_withdrawn() -> None:
    assert withdrawn(PLAN, {"a": "1", "z": "8", "y": "9"}) == ["y", "z"]


@pytest.mark.parametrize(
    "plan",
    [
        Plan(parts=PLAN.parts, withdraws=False),
        Plan(parts=PLAN.parts, whole=False),
    ],
)
def test_nothing_is_withdrawn_when_told_so_or_when_the_listing_is_not_whole(plan: Plan) -> None:
    assert withdrawn(plan, {"a": "1", "z": "8"}) == []
    # The same content under another name is no withdrawal of money: it would count twice.
    assert withdrawn(plan, {"a": "1", "old name of b": "2"}) == ["old name of b"]


def test_a_rejected_successor_keeps_what_it_might_replace() -> None:
    broken_new = Rejected("b", "bad_csv", "broken")
    assert withdrawn(PLAN, {"a": "1", "z": "8"}, [broken_new]) == []
    broken_old = Rejected("a", "bad_csv", "broken")
    assert withdrawn(PLAN, {"a": "1", "z": "8"}, [broken_old]) == ["z"]
    not_a_bill = Rejected("notes.txt", "unsupported_format", "only .csv")
    assert withdrawn(PLAN, {"a": "1", "z": "8"}, [not_a_bill]) == ["z"]
