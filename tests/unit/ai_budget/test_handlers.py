"""What callers of the API get: admissions and refusals, budgets and their state."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from doubles.ai_ledger import NOW
from finops_exporter.ai_config import Ai
from unit.ai_budget.api_support import (
    BASE,
    CHECK,
    CONFIG,
    TRACK,
    Got,
    ask,
    check,
    errors,
    ledger_of,
    put,
    serving,
    track,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

SHADOW = Ai(listen=CONFIG.listen, enforce=False)


def test_a_call_that_fits_is_admitted() -> None:
    got = check()
    assert got.status == 200
    # 1,000 tokens in and 500 out at a millionth of a dollar each, of one cent.
    assert got.json == {
        "request_id": "r1",
        "allowed": True,
        "reserved_usd": Decimal("0.0015"),
        "expires_at": "2026-11-21T12:10:00Z",
        "usage_ratio": Decimal("0.15"),
        "shadow_refusal": None,
        "fail_open": False,
    }
    assert "X-AI-Budget-Warning" not in got.headers


def test_the_soft_limit_is_told_in_a_header() -> None:
    got = check(input_tokens=8_250)
    assert got.status == 200
    warning = got.headers["X-AI-Budget-Warning"]
    assert warning == "87.50% of the budget is spent or reserved"


def test_a_share_is_never_rounded_up_to_a_limit_that_is_not_reached() -> None:
    got = check(ledger_of("3"), input_tokens=2_999_499)
    assert got.json["usage_ratio"] == Decimal("0.999999")
    assert got.headers["X-AI-Budget-Warning"].startswith("99.99%")


def test_without_a_count_the_configured_most_is_held() -> None:
    config = Ai(listen=CONFIG.listen, default_max_output_tokens=7_000)
    body = {key: value for key, value in CHECK.items() if key != "max_output_tokens"}
    got = ask("POST", "check", body, config=config)
    assert got.json["reserved_usd"] == Decimal("0.008")


@pytest.mark.parametrize(
    ("fields", "reserved"),
    [
        ({"cache_read_tokens": 200, "cache_included": True}, "0.0015"),
        ({"cache_read_tokens": 200, "cache_included": False}, "0.0017"),
        (
            {"cache_write_tokens": 3, "cache_write_1h_tokens": 4, "cache_included": False},
            "0.001507",
        ),
        ({"cache_included": True}, "0.0015"),
        ({"batch": True}, "0.00075"),
        ({"max_output_tokens": 0}, "0.001"),
    ],
)
def test_tokens_of_all_kinds_are_held(fields: Mapping[str, object], reserved: str) -> None:
    assert check(**fields).json["reserved_usd"] == Decimal(reserved)


def test_a_call_beyond_the_limit_is_refused_with_the_numbers() -> None:
    got = check(input_tokens=1_000_000)
    assert got.status == 429
    assert got.headers["Retry-After"] == "820800"  # 9 days and 12 hours
    assert got.json == {
        "type": "/api/docs#exceeded",
        "title": "The budget is spent",
        "status": 429,
        "detail": (
            "the call may cost $1.0005; the budget of the tenant is $0.01 a month, of which $0 is "
            "spent and $0 held"
        ),
        "errors": [],
        "reason": "exceeded",
        "request_id": "r1",
        "budget_model": "*",
        "limit_usd": Decimal("0.01"),
        "used_usd": 0,
        "reserved_usd": 0,
        "requested_usd": Decimal("1.0005"),
    }


def test_where_only_holds_are_in_the_way_the_wait_is_short() -> None:
    async def go() -> Got:
        async with serving() as client:
            assert (await client.check(input_tokens=5_000)).status == 200
            return await client.check(request_id="r2", input_tokens=5_000)

    got = asyncio.run(go())
    assert (got.status, got.json["reason"]) == (429, "busy")
    assert got.headers["Retry-After"] == "3"  # 2.5 s, rounded up
    assert got.json["reserved_usd"] == Decimal("0.0055")


def test_a_tenant_without_a_budget_may_be_refused() -> None:
    got = check(tenant_id="umbrel")
    assert (got.status, got.json["type"]) == (403, "/api/docs#unknown-tenant")
    assert got.json["reason"] == "unknown_tenant"
    assert "Retry-After" not in got.headers


def test_a_model_without_a_price_is_refused() -> None:
    got = check(model="unpriced-1")
    assert (got.status, got.json["reason"]) == (429, "unpriced")
    assert got.headers["Retry-After"] == "3600"
    assert got.json["limit_usd"] is None


def test_where_nothing_is_enforced_a_model_without_a_price_is_admitted_with_nothing_held() -> None:
    ledger = ledger_of()
    got = check(ledger, SHADOW, model="unpriced-1")
    assert got.status == 200
    assert (got.json["shadow_refusal"], got.json["reserved_usd"]) == ("unpriced", 0)
    assert got.json["expires_at"] is None
    assert ledger.checks == {}


def test_the_same_check_again_gets_the_same_answer_and_another_a_conflict() -> None:
    async def go() -> tuple[Got, Got, Got]:
        async with serving() as client:
            first = await client.check()
            again = await client.check(cache_read_tokens=0, cache_included=True)
            return first, again, await client.check(input_tokens=1_001)

    first, again, other = asyncio.run(go())
    assert first.text == again.text
    assert (other.status, other.json["type"]) == (409, "/api/docs#conflict")
    assert other.json["detail"] == "this id was used for another call"
    assert other.json["request_id"] == "r1"


# What has been used


def test_usage_is_counted_once() -> None:
    async def go() -> list[Got]:
        async with serving() as client:
            await client.check()
            answers = [await client.track(), await client.track()]
            return [*answers, await client.track(output_tokens=201)]

    first, again, other = asyncio.run(go())
    assert first.status == 200
    assert first.json == {
        "request_id": "r1",
        "cost_usd": Decimal("0.0012"),
        "overrun_usd": 0,
        "usage_ratio": None,
        "fail_open": False,
    }
    assert again.text == first.text
    assert (other.status, other.json["type"]) == (409, "/api/docs#conflict")


def test_what_was_told_reaches_the_ledger() -> None:
    ledger = ledger_of()
    got = track(
        ledger,
        cache_read_tokens=100,
        cache_write_tokens=20,
        cache_write_1h_tokens=3,
        cache_included=True,
        batch=True,
        report_type="monthly summary",
        time="2026-11-20T23:30:00+02:00",
    )
    assert got.status == 200
    told = ledger.tracks["r1"]
    assert (told.tokens.input, told.tokens.output) == (877, 200)
    assert (told.tokens.cache_read, told.tokens.cache_write_5m) == (100, 20)
    assert told.tokens.cache_write_1h == 3
    assert told.cost_usd == Decimal("0.0006")
    assert (told.price_source, told.report_type) == ("test", "monthly summary")
    assert told.at
    assert told.at.isoformat() == "2026-11-20T21:30:00+00:00"


def test_usage_of_a_model_without_a_price_is_not_lost_but_asked_for_again() -> None:
    ledger = ledger_of()
    got = track(ledger, model="unpriced-1")
    assert (got.status, got.json["type"]) == (422, "/api/docs#unpriced-usage")
    assert "'unpriced-1' has no price" in got.json["detail"]
    assert "ai.prices" in got.json["detail"]
    assert "track the call again" in got.json["detail"]
    assert ledger.tracks == {}


@pytest.mark.parametrize(
    ("ahead", "told"),
    [
        (timedelta(minutes=5, seconds=1), "your clock is 5m1s ahead: it says 2026-11-21T12:05:01Z"),
        (timedelta(days=400), "your clock is 400d ahead: it says 2027-12-26T12:00:00Z"),
        (-timedelta(days=35, seconds=1), "2026-10-17T11:59:59Z is 35d1s ago by our clock"),
    ],
)
def test_a_clock_that_is_wrong_is_told_both_times(ahead: timedelta, told: str) -> None:
    detail = errors(track(time=(NOW + ahead).isoformat()))["time"]
    assert detail.startswith(told)
    assert "2026-11-21T12:00:00Z" in detail
    assert "at most " in detail


@pytest.mark.parametrize("ahead", [timedelta(minutes=5), timedelta(0), -timedelta(days=35)])
def test_a_clock_may_be_a_little_wrong_and_usage_a_little_old(ahead: timedelta) -> None:
    assert track(time=(NOW + ahead).isoformat()).status == 200


def test_a_budget_is_set_and_shown() -> None:
    ledger = ledger_of()
    got = put(
        ledger,
        tenant_id="umbrel",
        model="claude-3-opus",
        monthly_limit_usd=12.5,
        currency="USD",
        soft_limit_ratio=0.75,
        timezone="Europe/Berlin",
        fail_mode="fail_open",
        allowance_usd=2,
        enforce=False,
        owner="data team",
        critical=True,
    )
    assert got.status == 200
    assert got.json == {
        "tenant_id": "umbrel",
        "soft_limit_reached": False,
        "hard_limit_reached": False,
        "budgets": [
            {
                "model": "claude-3-opus",
                "monthly_limit_usd": Decimal("12.5"),
                "used_usd": 0,
                "reserved_usd": 0,
                "remaining_usd": Decimal("12.5"),
                "usage_ratio": 0,
                "soft_limit_ratio": Decimal("0.75"),
                "soft_limit_reached": False,
                "hard_limit_reached": False,
                "timezone": "Europe/Berlin",
                "period_start": "2026-11-01",
                "resets_at": "2026-12-01T00:00:00Z",
                "requests": 0,
                "enforce": False,
                "fail_mode": "fail_open",
                "allowance_usd": 2,
                "tier": "custom",
                "owner": "data team",
                "critical": True,
            }
        ],
    }
    assert ask("GET", "tenant/umbrel", ledger=ledger).json == got.json


def test_only_what_is_given_is_changed() -> None:
    ledger = ledger_of()
    put(ledger, tenant_id="acme", soft_limit_ratio=0.5, owner="data team")
    got = put(ledger, tenant_id="acme", critical=True)
    (budget,) = got.json["budgets"]
    assert budget["monthly_limit_usd"] == Decimal("0.01")
    assert (budget["soft_limit_ratio"], budget["owner"]) == (Decimal("0.5"), "data team")
    assert (budget["critical"], budget["model"]) == (True, "*")


@pytest.mark.parametrize(
    ("tier", "limit"), [("starter", 500), ("professional", 2000), ("enterprise", 10000)]
)
def test_a_tier_has_a_limit_which_a_given_one_replaces(tier: str, limit: int) -> None:
    (budget,) = put(tenant_id="new", tier=tier).json["budgets"]
    assert (budget["monthly_limit_usd"], budget["tier"]) == (limit, tier)
    (budget,) = put(tenant_id="new", tier=tier, monthly_limit_usd=7).json["budgets"]
    assert budget["monthly_limit_usd"] == 7


def test_a_new_budget_needs_a_limit() -> None:
    assert errors(put(tenant_id="new", owner="x")) == {
        "monthly_limit_usd": "a new budget needs a limit, or a tier that has one"
    }
    assert errors(put(tenant_id="new", tier="custom")) == {
        "monthly_limit_usd": "required with the tier custom, which has none"
    }
    assert errors(put(tenant_id="acme", model="other", owner="x")).keys() == {"monthly_limit_usd"}


def test_an_amount_keeps_its_digits() -> None:
    got = ask(
        "POST",
        "set",
        data=b'{"tenant_id":"new","monthly_limit_usd":1234567.12345678}',
        who="admin",
    )
    assert '"monthly_limit_usd":1234567.12345678,' in got.text


def test_the_status_of_an_unknown_tenant() -> None:
    got = ask("GET", "tenant/nobody")
    assert (got.status, got.json["type"]) == (404, "/api/docs#not-found")
    assert got.json["detail"] == "this tenant has no budget"


def test_a_tenant_may_have_any_name_in_the_path() -> None:
    ledger = ledger_of()
    put(ledger, tenant_id="a/b?c#d é", tier="starter")
    got = ask("GET", "tenant/a%2Fb%3Fc%23d%20%C3%A9", ledger=ledger)
    assert got.json["tenant_id"] == "a/b?c#d é"
    assert errors(ask("GET", "tenant/a%0Ab")).keys() == {"id"}


def test_the_top_consumers() -> None:
    async def go() -> tuple[Got, Got]:
        ledger = ledger_of()
        async with serving(ledger) as client:
            await client.ask(
                "POST", f"{BASE}/set", {"tenant_id": "small", "tier": "starter"}, who="admin"
            )
            await client.track()
            path = f"{BASE}/top-consumers"
            return await client.ask("GET", path), await client.ask("GET", f"{path}?limit=1")

    both, one = asyncio.run(go())
    assert [found["tenant_id"] for found in both.json["consumers"]] == ["acme", "small"]
    assert one.json["consumers"] == both.json["consumers"][:1]
    assert one.json["consumers"][0]["used_usd"] == Decimal("0.0012")


@pytest.mark.parametrize("limit", ["0", "101", "-1", "1.5", "", "ten", "1e2", "1_0", " 5"])
def test_the_limit_of_the_top_consumers(limit: str) -> None:
    assert errors(ask("GET", f"top-consumers?limit={limit}")).keys() == {"limit"}


def test_health_needs_no_token() -> None:
    ledger = ledger_of()
    got = ask("GET", "health", ledger=ledger, who=None)
    assert (got.status, got.json) == (200, {"status": "ok"})
    ledger.is_up = False
    got = ask("GET", "health", ledger=ledger, who=None)
    assert (got.status, got.json["type"]) == (503, "/api/docs#unavailable")
    assert got.headers["Retry-After"] == "2"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "check", CHECK),
        ("POST", "track", TRACK),
        ("POST", "set", {"tenant_id": "acme", "tier": "starter"}),
        ("GET", "tenant/acme", None),
        ("GET", "top-consumers", None),
    ],
)
def test_while_the_database_is_away_it_is_told_when_to_ask_again(
    method: str, path: str, body: object
) -> None:
    ledger = ledger_of()
    ledger.is_up = False
    got = ask(method, path, body, ledger=ledger, who="admin")
    assert (got.status, got.headers["Retry-After"]) == (503, "2")
    assert "db.internal" not in got.text
