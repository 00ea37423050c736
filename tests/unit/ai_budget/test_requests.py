"""What is wrong with a request is told field by field, with what is allowed."""

from __future__ import annotations

import asyncio
import json

import pytest

from finops_exporter.ai_model import MOST_TOKENS
from unit.ai_budget.api_support import (
    CHECK,
    Got,
    ask,
    check,
    errors,
    ledger_of,
    put,
    serving,
    track,
)

COUNTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens")
WHOLE = "must be a whole number, not "
BAD_COUNTS = [
    (-1, "must be at least 0, not -1"),
    (MOST_TOKENS + 1, "must be at most 1000000000, not 1000000001"),
    (10**30, f"must be at most 1000000000, not {10**30}"),
    (1.5, f"{WHOLE}1.5"),
    (float("nan"), f"{WHOLE}nan"),
    (float("inf"), f"{WHOLE}inf"),
    ("5", f"{WHOLE}'5'"),
    (True, f"{WHOLE}true"),
    (None, f"{WHOLE}an empty value"),
    ([1], f"{WHOLE}a list"),
]


@pytest.mark.parametrize(("value", "detail"), BAD_COUNTS)
def test_counts_of_tokens_are_whole_numbers_that_make_sense(value: object, detail: str) -> None:
    async def go() -> list[tuple[str, Got]]:
        async with serving() as client:
            asked = [(field, await client.check(**{field: value})) for field in COUNTS]
            told = [(field, await client.track(**{field: value})) for field in COUNTS]
            output = await client.track(output_tokens=value)
            return [*asked, *told, ("output_tokens", output)]

    for field, got in asyncio.run(go()):
        assert errors(got) == {field: detail}


@pytest.mark.parametrize(("value", "detail"), [bad for bad in BAD_COUNTS if bad[0] is not None])
def test_the_most_that_may_be_answered_is_such_a_number_too(value: object, detail: str) -> None:
    assert errors(check(max_output_tokens=value)) == {"max_output_tokens": detail}


LABELS = ("request_id", "tenant_id", "model")
PRINTABLE = "must be printable characters without blanks around them, not "


@pytest.mark.parametrize(
    ("value", "detail"),
    [
        ("", "must have 1 or more characters"),
        ("x" * 201, "must have 200 or fewer characters"),
        (" acme", f"{PRINTABLE}' acme'"),
        ("acme\u00a0", f"{PRINTABLE}'acme\\xa0'"),
        ("ac\nme", f"{PRINTABLE}'ac\\nme'"),
        ("ac\u0000me", f"{PRINTABLE}'ac\\x00me'"),
        ("ac\u200bme", f"{PRINTABLE}'ac\\u200bme'"),
        ("\u202eacme", f"{PRINTABLE}'\\u202eacme'"),
        (5, "must be text, not 5; put it in quotes"),
        (None, "must be text, not an empty value; put it in quotes"),
        ({"$ne": ""}, "must be text, not a mapping"),
    ],
)
def test_names_and_ids_are_printable_and_not_too_long(value: object, detail: str) -> None:
    async def go() -> list[tuple[str, Got]]:
        async with serving() as client:
            return [
                (field, got)
                for field in LABELS
                for got in (
                    await client.check(**{field: value}),
                    await client.track(**{field: value}),
                )
            ]

    for field, got in asyncio.run(go()):
        assert errors(got) == {field: detail}


def test_a_lone_surrogate_is_no_text() -> None:
    body = json.dumps({**CHECK, "tenant_id": "ac\ud800me"}).encode()
    got = ask("POST", "check", data=body)
    assert (got.status, got.json["type"]) == (400, "/api/docs#malformed")


@pytest.mark.parametrize("name", ["acme", "Ünïcode", "a b", "x" * 200, "公司", "a/b?c#d", "'; --"])
def test_names_may_be_in_any_script(name: str) -> None:
    assert check(ledger_of(), request_id=name, model=name).status == 200


def test_a_call_is_for_one_model() -> None:
    for got in (check(model="*"), track(model="*")):
        detail = errors(got)["model"]
        assert detail == "must be the name of a model; * stands for budgets over all, not '*'"


@pytest.mark.parametrize(
    "field", ["cache_read_tokens", "cache_write_tokens", "cache_write_1h_tokens"]
)
def test_with_tokens_of_a_cache_it_must_be_told_how_they_are_counted(field: str) -> None:
    for got in (check(**{field: 1}), track(**{field: 1})):
        detail = errors(got)["cache_included"]
        assert "(OpenAI, OpenTelemetry)" in detail
        assert "(Anthropic)" in detail


def test_counts_that_contradict_each_other_are_refused() -> None:
    got = track(cache_read_tokens=1_001, cache_included=True)
    assert errors(got) == {
        "input_tokens": "must be at least the tokens of caches, which it includes"
    }


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-21",
        "2026-11-21T12:00:00",
        "2026-11-21 12:00",
        "2026-02-30T12:00:00Z",
        "2026-11-21T12:00:00+25:00",
        "20261121T120000Z",
        "now",
        "",
        1795262400,
        True,
        {},
    ],
)
def test_a_time_has_a_zone(value: object) -> None:
    detail = errors(track(time=value))["time"]
    assert detail.startswith("must be a time with its zone such as 2026-01-31T12:00:00Z, not ")


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-21T11:00:00Z",
        "2026-11-21t11:00:00z",
        "2026-11-21 11:00:00.123456789Z",
        "2026-11-21T16:30:00+05:30",
        "2026-11-21T04:00:00-08:00",
    ],
)
def test_times_as_the_internet_writes_them(value: str) -> None:
    assert track(time=value).status == 200


@pytest.mark.parametrize("value", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_times_at_the_end_of_the_calendar(value: str) -> None:
    assert errors(track(time=value))["time"].startswith("must be a time with its zone")


def test_unknown_fields_are_refused_with_the_nearest() -> None:
    detail = errors(check(tenant="acme"))["tenant"]
    assert detail.startswith('unknown key; did you mean "tenant_id"? (allowed: batch, cache_in')
    assert set(errors(track(max_output_tokens=5))) == {"max_output_tokens"}


def test_fields_that_are_missing_are_named() -> None:
    got = ask("POST", "track", {"request_id": "r1"})
    missing = "required key is missing"
    assert errors(got) == dict.fromkeys(
        ("tenant_id", "model", "input_tokens", "output_tokens"), missing
    )
    assert "(and 3 more, see errors)" in got.json["detail"]


@pytest.mark.parametrize(
    ("field", "value", "detail"),
    [
        ("monthly_limit_usd", -0.01, "must be at least 0, not -0.01"),
        ("monthly_limit_usd", 1_000_000_001, "must be at most 1000000000, not 1000000001"),
        ("monthly_limit_usd", float("nan"), "must be a finite number, not NaN"),
        ("monthly_limit_usd", float("inf"), "must be a finite number, not Infinity"),
        ("monthly_limit_usd", "500", "must be a number, not '500'"),
        ("monthly_limit_usd", True, "must be a number, not true"),
        ("monthly_limit_usd", 0.1234567890123456, "must have 15 or fewer digits"),
        ("allowance_usd", -1, "must be at least 0, not -1"),
        ("soft_limit_ratio", 0, "must be greater than 0, not 0"),
        ("soft_limit_ratio", 1.01, "must be at most 1, not 1.01"),
        ("soft_limit_ratio", "80%", "must be a number, not '80%'"),
        (
            "currency",
            "EUR",
            "must be USD: budgets are in US dollars, because models are priced so, not 'EUR'",
        ),
        ("timezone", "Mars", "must be a time zone such as UTC or Europe/Berlin, not 'Mars'"),
        ("timezone", "../../etc/passwd", "must be a time zone such as UTC or Europe/Berlin, not "),
        ("fail_mode", "open", "must be 'fail_closed' or 'fail_open', not 'open'"),
        (
            "tier",
            "gold",
            "must be 'starter', 'professional', 'enterprise' or 'custom', not 'gold'",
        ),
        ("enforce", "yes", "must be true or false, not 'yes'"),
        ("critical", 1, "must be true or false, not 1"),
        ("owner", "a\nb", f"{PRINTABLE}'a\\nb'"),
        ("owner", "x" * 201, "must have 200 or fewer characters"),
        ("model", "", "must have 1 or more characters"),
    ],
)
def test_wrong_fields_of_a_budget_are_named(field: str, value: object, detail: str) -> None:
    found = errors(put(**{"tenant_id": "acme", field: value}))
    assert found.keys() == {field}
    assert found[field].startswith(detail)
