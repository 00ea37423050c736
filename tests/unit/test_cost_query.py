from __future__ import annotations

import csv
import io
import json
from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.cost_query import CostTable, Group, as_csv, as_json, parse_keys
from finops_exporter.errors import UsageError
from finops_exporter.model import COST_KEYS, Window

WINDOW = Window.inclusive(date(2026, 11, 1), date(2026, 11, 20))

amounts = st.decimals(
    min_value=-(10**30), max_value=10**30, places=28, allow_nan=False, allow_infinity=False
)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=20)


def table(*groups: Group, keys: tuple[str, ...] = ("service",)) -> CostTable:
    return CostTable(keys, WINDOW, "USD", groups)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("provider", ("provider",)),
        ("month, provider ,team", ("month", "provider", "team")),
        (",".join(COST_KEYS), COST_KEYS),
        ("", ()),
    ],
)
def test_keys_stay_in_the_order_in_which_they_are_asked_for(
    text: str, keys: tuple[str, ...]
) -> None:
    assert parse_keys(text, ["team"]) == keys


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("regoin", "cannot group by 'regoin'; did you mean 'region'?"),
        ("provider,taem", "cannot group by 'taem'; did you mean 'team'?"),
        ("xyz", "cannot group by 'xyz' (allowed: provider, account, "),
        ("Provider", "cannot group by 'Provider'; did you mean 'provider'?"),
        ("day,day", "a key comes twice in 'day,day'"),
    ],
)
def test_a_key_that_is_none_is_answered_with_the_nearest(text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_keys(text, ["team", "stage"])
    assert str(caught.value).startswith(words)


@given(st.lists(st.tuples(amounts, amounts), max_size=20))
def test_totals_keep_every_digit(pairs: list[tuple[Decimal, Decimal]]) -> None:
    summed = table(*(Group((str(i),), *pair) for i, pair in enumerate(pairs)))
    # Fractions know no precision to round to.
    assert Fraction(summed.billed) == sum(Fraction(billed) for billed, _ in pairs)
    assert Fraction(summed.effective) == sum(Fraction(effective) for _, effective in pairs)


@given(st.lists(st.tuples(names, amounts, amounts), max_size=8))
def test_csv_gives_names_and_amounts_back(rows: list[tuple[str, Decimal, Decimal]]) -> None:
    text = as_csv(table(*(Group((name,), *pair) for name, *pair in rows)))
    header, *lines = csv.reader(io.StringIO(text, newline=""))
    assert header == ["service", "billed", "effective", "currency"]
    assert [(name, Decimal(b), Decimal(e), c) for name, b, e, c in lines] == [
        (name, billed, effective, "USD") for name, billed, effective in rows
    ]


def test_json_has_exactly_this_shape() -> None:
    groups = (
        Group(("2026-11-01", "é ☁"), Decimal("1.50"), Decimal("1E-7")),
        Group(("2026-11-02", "S3"), Decimal("-0.0"), Decimal("1E+3")),
    )
    assert json.loads(as_json(table(*groups, keys=("day", "service")))) == {
        "from": "2026-11-01",
        "to": "2026-11-20",
        "groups": [
            {"day": "2026-11-01", "service": "é ☁", "billed": "1.5", "effective": "0.0000001"},
            {"day": "2026-11-02", "service": "S3", "billed": "0", "effective": "1000"},
        ],
        "total": {"billed": "1.5", "effective": "1000.0000001"},
    }
