from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.ai_parameters import LABEL, NAME, ONE_MODEL, TIME_ZONE, Checked, Number

if TYPE_CHECKING:
    from decimal import Decimal

USD = Number(0, 1_000_000_000)


@given(st.decimals(min_value=0, max_value=10**9, places=9))
def test_an_amount_is_taken_as_it_is_written(amount: Decimal) -> None:
    assert USD.convert(f"{amount:f}", None, None) == amount


@pytest.mark.parametrize(
    "text",
    [
        "-1",
        "nan",
        "inf",
        "1e3",
        "1,5",
        "1_000",
        "",
        " 1",
        "$5",
        "\u0665",
        ".5",
        "5.",
        "1000000000.01",
    ],
)
def test_what_is_no_amount_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        USD.convert(text, None, None)
    assert caught.value.message == (
        f"must be a number from 0 to 1,000,000,000, such as 12.50, not {text!r}"
    )


def test_a_limit_may_itself_be_left_out() -> None:
    percent = Number(0, 100, above=True)
    assert percent.convert("100", None, None) == 100
    with pytest.raises(click.BadParameter, match="must be a number above 0 and at most 100, such"):
        percent.convert("0.0", None, None)


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (NAME, "", "must not be empty"),
        (NAME, " acme", "must be one line of printable text without spaces around it, not ' acme'"),
        (NAME, "a\nb", "must be one line of printable text"),
        (NAME, "a" * 201, "must have 200 or fewer characters"),
        (LABEL, "a\x00", "must be one line of printable text"),
        (ONE_MODEL, "*", "must be the name of one model, not '*'"),
        (ONE_MODEL, "gpt-*", "must be the name of one model"),
        (TIME_ZONE, "Berlin", "must be a time zone such as UTC or Europe/Berlin, not 'Berlin'"),
        (TIME_ZONE, "../UTC", "must be a time zone such as"),
    ],
)
def test_text_that_does_not_fit(kind: Checked, text: str, words: str) -> None:
    with pytest.raises(click.BadParameter) as caught:
        kind.convert(text, None, None)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("kind", "text"),
    [(NAME, "*"), (NAME, "Ümläut & Söhne"), (LABEL, ""), (TIME_ZONE, "Asia/Kolkata")],
)
def test_text_that_fits_stays_as_it_is(kind: Checked, text: str) -> None:
    assert kind.convert(text, None, None) == text
