from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.doctor import bookkeeping
from finops_exporter.doctor.bookkeeping import NAMED, Planned, Seen
from finops_exporter.exposition.budget_states import BudgetState, Problem
from finops_exporter.model import Budget
from finops_exporter.store.checks import CutTotals, Drift
from finops_exporter.store.reads import Cost, Ended, SourceState

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
NOVEMBER = date(2026, 11, 1)
HOUR = timedelta(hours=1)
PLAN = {"bill": Planned(6 * HOUR, HOUR)}
NOTHING = Seen(states=[], caps={}, killed={}, stored=[], running=[])


def test_a_rollup_without_drift_says_how_many_rows_it_has() -> None:
    (one,) = bookkeeping.rollup("cost_days", Drift(12, 0, 0, 0, ()), None)
    assert (one.level, one.message) == ("ok", "cost_days equals the facts (12 rows)")
    (one,) = bookkeeping.rollup("cost_days", Drift(12, 0, 0, 0, ()), NOVEMBER)
    assert one.message == "cost_days equals the facts since 2026-11-01 (12 rows)"


def test_each_kind_of_drift_is_counted() -> None:
    (one,) = bookkeeping.rollup(
        "cost_days", Drift(9, 1, 2, 3, ("2026-11-02 7", "2026-11-01 1")), None
    )
    assert one.level == "problem"
    assert one.message == (
        "cost_days: 6 rows differ from the facts (1 missing, 2 without facts, 3 with other sums): "
        "2026-11-02 7; 2026-11-01 1"
    )


def totals(*billed: str, effective: str = "1", month: date = NOVEMBER) -> CutTotals:
    amounts = [Decimal(text) for text in billed]
    cuts = [f"cut{place}" for place in range(len(amounts))]
    same = [Decimal(effective)] * len(amounts)
    return CutTotals("aws", month, "api", "USD", cuts, amounts, same)


def test_cuts_may_differ_by_what_apis_round() -> None:
    (one,) = bookkeeping.cuts([totals("10", "10.01", "10.005")])
    assert one.level == "ok"


def test_where_there_is_nothing_to_compare_it_says_so() -> None:
    (one,) = bookkeeping.cuts([])
    assert (one.level, one.message) == ("ok", "no month in several cuts")
    (one,) = bookkeeping.controls([])
    assert (one.level, one.message) == ("ok", "no source gives a total of its own")


def test_the_cuts_with_the_least_and_the_most_are_named() -> None:
    (one,) = bookkeeping.cuts([totals("10", "10.02", "9")])
    assert one.message == "api: aws 2026-11 is billed 9 USD by cut2, but 10.02 by cut1"
    assert str(one.remedy).endswith("--source api --since 2026-11-01 --until 2026-11-30")


def test_effective_costs_are_compared_as_well() -> None:
    one = totals("1", "1")._replace(effective=[Decimal(3), Decimal(4)])
    (found,) = bookkeeping.cuts([one])
    assert "is effective 3 USD by cut0, but 4 by cut1" in found.message


def test_many_months_are_told_shortly() -> None:
    months = [totals("1", "2", month=date(2026, month, 1)) for month in range(1, 13)]
    found = bookkeeping.cuts(months)
    assert len(found) == NAMED + 1
    assert found[-1].message == f"and {12 - NAMED} more of older months"


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)).map(lambda day: day.replace(day=1)))
def test_the_remedy_names_the_whole_month(month: date) -> None:
    (one,) = bookkeeping.cuts([totals("1", "2", month=month)])
    since, until = (
        date.fromisoformat(word) for word in str(one.remedy).split() if "20" in word or "21" in word
    )
    assert since == month
    assert until + timedelta(days=1) == (month + timedelta(days=31)).replace(day=1)


def difference(billed: str, effective: str) -> Cost:
    dimensions = ("bill", "account")
    return Cost("aws", NOVEMBER, dimensions, "USD", Decimal(billed), Decimal(effective))


def test_totals_tie_within_a_cent() -> None:
    (one,) = bookkeeping.controls([difference("0.01", "-0.01"), difference("0", "0")])
    assert (one.level, one.message) == ("ok", "2 totals of sources tie")


def test_the_greater_difference_is_told() -> None:
    (one,) = bookkeeping.controls([difference("0.5", "-0.75")])
    assert one.level == "warning"
    assert "aws 2026-11 is 0.75 USD less than what is stored (by account)" in one.message
    (one,) = bookkeeping.controls([difference("0.5", "0")])
    assert "0.5 USD more" in one.message


def state(outcome: str, ago: timedelta | None, **others: Any) -> SourceState:
    fields = {"error": None, "ended": Ended(outcome, 1.0, 1)} | others
    success = None if ago is None else NOW - ago
    return SourceState("bill", NOW - HOUR, outcome, last_success=success, **fields)


@pytest.mark.parametrize(
    ("one", "level", "words"),
    [
        (None, "warning", "bill: was never read"),
        (state("succeeded", 12 * HOUR), "ok", "1 sources"),
        (state("succeeded", 13 * HOUR), "warning", "13h ago, although its interval is 6h"),
        (state("failed", HOUR, error="no bucket"), "warning", "the last run failed: no bucket"),
        (state("failed", 13 * HOUR), "problem", "fails, and something was stored last 13h ago"),
        (state("failed", None, error="no key"), "problem", "nothing was ever stored: no key"),
        (state("partial", HOUR, error="a.csv"), "warning", "left something out: a.csv"),
        (state("running", HOUR, ended=None), "ok", "1 sources"),
        (state("running", None, ended=None), "ok", "1 sources"),
        (
            state("running", 13 * HOUR, ended=Ended("failed", 1.0, 0)),
            "problem",
            "fails, and something was stored last 13h ago",
        ),
    ],
)
def test_how_a_source_does(one: SourceState | None, level: str, words: str) -> None:
    seen = Seen([one] if one else [], {}, {}, ["bill"], [])
    (found,) = bookkeeping.sources(seen, PLAN, NOW)
    assert found.level == level
    assert words in found.message


def test_a_cap_that_is_used_up_and_one_that_is_not() -> None:
    for spent, count in (("0.99", 0), ("1", 1)):
        caps = {"bill": (Decimal(spent), Decimal(1))}
        seen = Seen([state("succeeded", HOUR)], caps, {}, [], [])
        found = bookkeeping.sources(seen, PLAN, NOW)
        assert sum("cap of $1 is used up" in one.message for one in found) == count


def test_killed_runs_and_sources_that_are_configured_no_more() -> None:
    seen = Seen([state("succeeded", HOUR)], {}, {"bill": 3, "old": 1}, ["bill", "old"], [])
    assert [one.message for one in bookkeeping.sources(seen, PLAN, NOW)] == [
        "bill: 3 runs of the last 7 days were killed half-way",
        "old: is configured no more, but its costs are stored and count",
    ]


def test_runs_that_cannot_be_under_way_any_more() -> None:
    running = [
        ("bill", NOW - HOUR),
        ("old", NOW - 3 * HOUR),
        ("bill", NOW - 2 * HOUR),
        ("bill", NOW - 4 * HOUR),
    ]
    seen = Seen([], {}, {}, [], running)
    found = bookkeeping.runs(seen, PLAN, NOW)
    assert [one.message for one in found] == [
        "old: 1 runs stand as running since 2026-11-21 09:00 UTC, longer than it may",
        "bill: 2 runs stand as running since 2026-11-21 08:00 UTC, longer than it may",
    ]
    assert str(found[0].remedy).startswith("nothing")
    (one,) = bookkeeping.runs(NOTHING, PLAN, NOW)
    assert one.message == "0 under way, none for too long"


@pytest.mark.parametrize(
    ("reason", "configured", "remedy"),
    [
        ("no_costs", True, "see what there is: finops-exporter costs --by team"),
        ("no_cut", True, "give the budget another scope, or one provider that knows it"),
        ("no_rate_eur", True, "correct it in the configuration (section budgets)"),
        ("no_rate_eur", False, "finops-exporter budget set 'a b' ..., or budget delete"),
    ],
)
def test_a_budget_that_cannot_be_told(reason: str, configured: bool, remedy: str) -> None:  # noqa: FBT001 - a parameter of the test
    budget = Budget("a b", "team", "x", Decimal(1), "monthly", is_configured=configured)
    (one,) = bookkeeping.budgets([BudgetState(budget, problems=(Problem(reason, "why"),))])
    assert (one.level, one.message, one.remedy) == ("warning", "a b: why", remedy)


def test_what_goes_away_by_waiting_is_no_warning_of_a_budget() -> None:
    budget = Budget("a", "organization", "", Decimal(1), "monthly")
    (one,) = bookkeeping.budgets([BudgetState(budget, problems=(Problem("no_days", "why"),))])
    assert (one.level, one.message) == ("ok", "1 budgets, each can be told")
    (one,) = bookkeeping.budgets([])
    assert (one.level, one.message) == ("ok", "no budget is set")
