from __future__ import annotations

import csv
import io
import json
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.ai_model import Tokens
from finops_exporter.ai_usage_query import KEYS, Usage, as_csv, as_json, parse_keys
from finops_exporter.errors import UsageError
from finops_exporter.store.ai_usage import UsageSum

counts = st.integers(0, 10**15)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20)
sums = st.builds(
    UsageSum,
    tenant=names,
    model=st.none(),
    day=st.dates(),
    report=names,
    calls=counts,
    tokens=st.builds(Tokens, counts, counts, counts, counts, counts),
    cost_usd=st.decimals(min_value=0, max_value=10**30, places=28),
    unpriced=counts,
)


def usage(groups: list[UsageSum]) -> Usage:
    return Usage(("tenant", "day", "report"), tuple(groups), 3, None)


@given(st.lists(sums, max_size=10))
def test_the_total_is_the_sum_of_the_groups_exact(groups: list[UsageSum]) -> None:
    document = json.loads(as_json(usage(groups)))
    told = document["groups"]
    for key in ("calls", "input_tokens", "cache_write_1h_tokens", "cost_usd", "unpriced_calls"):
        assert Fraction(document["total"][key]) == sum(Fraction(one[key]) for one in told)
    wanted = sum((Fraction(one.cost_usd) for one in groups), Fraction(0))
    assert Fraction(document["total"]["cost_usd"]) == wanted
    assert document["calls_not_kept"] == 3


@given(st.lists(sums, max_size=10))
def test_csv_says_the_same(groups: list[UsageSum]) -> None:
    found = list(csv.reader(io.StringIO(as_csv(usage(groups)), newline="")))
    assert found[0][:4] == ["tenant", "day", "report", "calls"]
    for one, row in zip(groups, found[1:], strict=True):
        assert row[:3] == [one.tenant, str(one.day), one.report]
        assert list(map(int, row[3:9])) == [one.calls, *astuple(one.tokens)]
        assert Fraction(row[9]) == Fraction(one.cost_usd)
        assert row[10] == str(one.unpriced)


def test_days_are_written_as_days() -> None:
    one = UsageSum("a", None, date(2026, 11, 1), "", 1, Tokens(1), Decimal("1E-7"), 0)
    assert as_csv(usage([one])).splitlines()[1] == "a,2026-11-01,,1,1,0,0,0,0,0.0000001,0"


def test_keys_stay_in_the_order_in_which_they_are_asked_for() -> None:
    assert parse_keys(" day, tenant") == ("day", "tenant")
    assert parse_keys(",".join(KEYS)) == KEYS
    assert parse_keys("") == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("modle", "cannot group by 'modle'; did you mean 'model'? (allowed: tenant, model, day, "),
        ("xyz", "cannot group by 'xyz' (allowed: tenant, model, day, report)"),
        ("day,day", "a key comes twice in 'day,day'"),
    ],
)
def test_a_key_that_is_none_is_answered_with_the_nearest(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_keys(text)
    assert str(caught.value).startswith(words)
