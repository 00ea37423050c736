from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.web.api.writing import to_json


@dataclass(frozen=True, slots=True)
class One:
    amount: Decimal
    at: datetime


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_an_amount_is_a_number_with_all_its_digits(amount: Decimal) -> None:
    text = to_json([amount]).decode()[1:-1]
    assert "e" not in text.lower()
    assert Decimal(text) == amount
    assert json.loads(text, parse_float=Decimal, parse_int=Decimal) == amount


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0.10", "0.1"),
        ("1E+3", "1000"),
        ("1E-7", "0.0000001"),
        ("-0", "0"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ],
)
def test_an_amount_is_written_out(amount: str, text: str) -> None:
    assert to_json({"a": Decimal(amount)}) == f'{{"a":{text}}}'.encode()


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_no_answer(amount: str) -> None:
    with pytest.raises(TypeError):
        to_json(Decimal(amount))


def test_a_dataclass_is_an_object_and_a_time_is_told_in_utc() -> None:
    one = One(Decimal("1.50"), datetime(2026, 11, 21, 12, tzinfo=UTC))
    assert to_json(one) == b'{"amount":1.5,"at":"2026-11-21T12:00:00Z"}'
