"""What the metrics say of AI budgets, held against the calls that were made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from exporter_families import text_of
from finops_exporter.ai_model import Admission, Refusal, Tokens
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.exposition.exposition import Exposition
from integration.ai_calls import HAIKU, OPUS, Calls
from integration.feeding import NOW
from integration.test_snapshot import plain

if TYPE_CHECKING:
    from finops_exporter.store.database import Database

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def test_nothing_is_shown_before_the_first_budget_and_the_first_call(
    database: Database, calls: Calls
) -> None:
    assert calls.shown(NOW) == {}
    exposition = Exposition(database, plain(), AiSettings())
    exposition.refresh(NOW)
    assert "ai_" not in text_of(exposition.page)


def test_a_budget_without_calls_is_known_to_be_unused(calls: Calls) -> None:
    calls.put("acme", "100", owner="growth", tier="starter")
    acme, own = ("acme",), ("acme", "*")
    assert calls.shown(NOW) == {
        "ai_budget_limit_usd": {own: 100},
        "ai_budget_used_usd": {own: 0},
        "ai_budget_reserved_usd": {own: 0},
        "ai_budget_hard_limit_reached": {own: 0},
        "ai_budget_tenant_info": {("acme", "starter", "growth", "false"): 1},
        "ai_budget_total_used_usd": {(): 0},
        "ai_budget_tenants": {("ok",): 1, ("warning",): 0, ("exceeded",): 0},
        "ai_budget_tokens_last_hour": {acme: 0},
        "ai_budget_cost_last_hour_usd": {acme: 0},
        "ai_budget_estimate_overrun_usd_total": {acme: 0},
        "finops_ai_open_reservations": {(): 0},
        "finops_ai_tenants_left_out": {(): 0},
        "finops_ai_series_dropped_to_other": {
            ("ai_budget_tokens",): 0,
            ("ai_budget_cost_by_model_usd",): 0,
            ("ai_budget_requests",): 0,
            ("ai_budget_report_cost_24h_usd",): 0,
            ("ai_budget_reports_24h",): 0,
        },
    }


def test_a_call_under_way_then_reported(calls: Calls) -> None:
    calls.put("acme", "100")
    calls.put("acme", "20", OPUS)
    calls.check("one", "acme", OPUS, "3", NOW)
    found = calls.shown(NOW)
    assert found["ai_budget_reserved_usd"] == {("acme", "*"): 3, ("acme", OPUS): 3}
    assert found["ai_budget_used_usd"] == {("acme", "*"): 0, ("acme", OPUS): 0}
    assert found["finops_ai_open_reservations"] == {(): 1}
    assert "ai_budget_tokens" not in found

    tokens = Tokens(input=10, output=200, cache_read=3000, cache_write_5m=40000, cache_write_1h=1)
    calls.track("one", "acme", OPUS, "3.25", NOW, tokens=tokens)
    found = calls.shown(NOW)
    assert found["ai_budget_reserved_usd"] == {("acme", "*"): 0, ("acme", OPUS): 0}
    assert found["ai_budget_used_usd"] == {("acme", "*"): 3.25, ("acme", OPUS): 3.25}
    assert found["ai_budget_limit_usd"] == {("acme", "*"): 100, ("acme", OPUS): 20}
    assert found["ai_budget_tokens"] == {
        ("acme", OPUS, "input"): 10,
        ("acme", OPUS, "output"): 200,
        ("acme", OPUS, "cache_read"): 3000,
        ("acme", OPUS, "cache_write"): 40001,
    }
    assert found["ai_budget_cost_by_model_usd"] == {("acme", OPUS): 3.25}
    assert found["ai_budget_requests"] == {("acme", OPUS): 1}
    assert found["ai_budget_tokens_last_hour"] == {("acme",): 43211}
    assert found["ai_budget_cost_last_hour_usd"] == {("acme",): 3.25}
    assert found["ai_budget_estimate_overrun_usd_total"] == {("acme",): 0.25}
    assert found["finops_ai_open_reservations"] == {(): 0}
    assert found["ai_budget_total_used_usd"] == {(): 3.25}


def test_what_nobody_reports_is_charged_and_put_right_by_a_late_report(calls: Calls) -> None:
    calls.put("acme", "100")
    calls.check("lost", "acme", OPUS, "4", NOW)
    later = NOW + 11 * MINUTE
    assert calls.sweep(later) == (1, Decimal(4))
    found = calls.shown(later)
    assert found["ai_budget_used_usd"] == {("acme", "*"): 4}
    assert found["ai_budget_reserved_usd"] == {("acme", "*"): 0}
    assert found["ai_budget_cost_by_model_usd"] == {("acme", OPUS): 4}
    assert found["ai_budget_requests"] == {("acme", OPUS): 0}
    calls.track("lost", "acme", OPUS, "1.5", later)
    found = calls.shown(later)
    assert found["ai_budget_used_usd"] == {("acme", "*"): 1.5}
    assert found["ai_budget_requests"] == {("acme", OPUS): 1}


def test_a_hard_limit_is_reached_by_a_refusal_until_it_is_raised_or_the_month_ends(
    calls: Calls,
) -> None:
    calls.put("acme", "10")

    def flag(now: datetime) -> float:
        return calls.shown(now)["ai_budget_hard_limit_reached"]["acme", "*"]

    assert isinstance(calls.check("a", "acme", OPUS, "8", NOW), Admission)
    busy = calls.check("b", "acme", OPUS, "5", NOW)
    assert isinstance(busy, Refusal)
    assert busy.reason == "busy"
    assert flag(NOW) == 0
    calls.track("a", "acme", OPUS, "8", NOW)
    assert flag(NOW) == 0
    exceeded = calls.check("b", "acme", OPUS, "5", NOW)
    assert isinstance(exceeded, Refusal)
    assert exceeded.reason == "exceeded"
    assert flag(NOW) == 1
    assert calls.shown(NOW)["ai_budget_tenants"]["exceeded",] == 1
    # A smaller call fits, and changes nothing: a limit was hit in this month.
    assert isinstance(calls.check("c", "acme", OPUS, "1", NOW), Admission)
    assert flag(NOW) == 1
    calls.put("acme", "10.01")
    assert flag(NOW) == 0
    calls.check("d", "acme", OPUS, "5", NOW)
    assert flag(NOW) == 1
    assert flag(datetime(2026, 11, 30, 23, 59, tzinfo=UTC)) == 1
    december = datetime(2026, 12, 1, tzinfo=UTC)
    assert flag(december) == 0
    assert calls.shown(december)["ai_budget_tenants"] == {
        ("ok",): 1,
        ("warning",): 0,
        ("exceeded",): 0,
    }


def test_months_are_those_of_the_tenants_own_clock(calls: Calls) -> None:
    calls.put("west", "100", timezone="America/Los_Angeles")
    calls.put("home", "100")
    calls.put("east", "100", timezone="Asia/Tokyo")
    november = datetime(2026, 11, 30, 14, tzinfo=UTC)  # 23:00 in Tokyo
    for tenant in ("west", "home", "east", "nobody"):
        calls.track(f"{tenant} in november", tenant, OPUS, "1", november)

    def used(now: datetime) -> dict[str, float]:
        found = calls.shown(now)
        assert found.get("ai_budget_cost_by_model_usd", {}) == {
            (tenant, OPUS): usd for tenant, usd in expected[now].items() if usd
        }
        assert found["ai_budget_total_used_usd"] == {(): sum(expected[now].values())}
        by_budget = {tenant: usd for (tenant, _), usd in found["ai_budget_used_usd"].items()}
        return {**by_budget, "nobody": expected[now]["nobody"]}

    in_tokyo = datetime(2026, 11, 30, 15, 1, tzinfo=UTC)
    in_utc = datetime(2026, 12, 1, 0, 1, tzinfo=UTC)
    on_the_coast = datetime(2026, 12, 1, 8, 1, tzinfo=UTC)
    expected: dict[datetime, dict[str, float]] = {
        november: {"west": 1, "home": 1, "east": 1, "nobody": 1},
        in_tokyo: {"west": 1, "home": 1, "east": 0, "nobody": 1},
        in_utc: {"west": 1, "home": 0, "east": 0, "nobody": 0},
        on_the_coast: {"west": 0, "home": 0, "east": 0, "nobody": 0},
    }
    for now, amounts in expected.items():
        assert used(now) == amounts
    # It is December for two of them, and a call counts in the month of each.
    for tenant in ("west", "home"):
        calls.track(f"{tenant} in december", tenant, OPUS, "2", in_utc)
    expected[in_utc] = {"west": 3, "home": 2, "east": 0, "nobody": 0}
    assert used(in_utc) == expected[in_utc]
    expected[on_the_coast]["home"] = 2
    assert used(on_the_coast) == expected[on_the_coast]


def test_a_models_budget_may_have_another_clock_than_the_tenant(calls: Calls) -> None:
    calls.put("acme", "100", timezone="America/Los_Angeles")
    calls.put("acme", "50", OPUS, timezone="Asia/Tokyo")
    tokyo_december = datetime(2026, 11, 30, 20, tzinfo=UTC)
    calls.track("one", "acme", OPUS, "1", tokyo_december - DAY)
    calls.track("two", "acme", OPUS, "2", tokyo_december)
    found = calls.shown(tokyo_december)
    assert found["ai_budget_used_usd"] == {("acme", "*"): 3, ("acme", OPUS): 2}
    assert found["ai_budget_cost_by_model_usd"] == {("acme", OPUS): 2}
    assert found["ai_budget_total_used_usd"] == {(): 3}


def test_usage_of_a_tenant_without_any_budget_is_shown(calls: Calls) -> None:
    calls.track("one", "initech", HAIKU, "0.5", NOW, tokens=Tokens(output=7), report_type="tps")
    found = calls.shown(NOW)
    assert found["ai_budget_tokens"]["initech", HAIKU, "output"] == 7
    assert found["ai_budget_cost_by_model_usd"] == {("initech", HAIKU): 0.5}
    assert found["ai_budget_requests"] == {("initech", HAIKU): 1}
    assert found["ai_budget_total_used_usd"] == {(): 0.5}
    assert found["ai_budget_tenants"] == {("ok",): 1, ("warning",): 0, ("exceeded",): 0}
    assert found["ai_budget_reports_24h"] == {("initech", "tps"): 1}
    assert not {name for name in found if name.startswith("ai_budget_limit")}
    assert "ai_budget_tenant_info" not in found
    # In the month after, all of it is known to be nothing yet; later it is not known any more.
    found = calls.shown(datetime(2026, 12, 1, tzinfo=UTC))
    assert found["ai_budget_total_used_usd"] == {(): 0}
    assert found["ai_budget_tokens_last_hour"] == {("initech",): 0}
    assert "ai_budget_tokens" not in found
    found = calls.shown(datetime(2027, 1, 1, tzinfo=UTC))
    assert found["ai_budget_total_used_usd"] == {(): 0}
    assert "ai_budget_tokens_last_hour" not in found


def test_rows_that_another_application_inserts_are_shown(database: Database, calls: Calls) -> None:
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_token_usage (time, tenant_id, model, input_tokens, cost_usd)"
            " VALUES (%s, 'acme', %s, 9, 0.25)",
            [NOW, OPUS],
        )
    found = calls.shown(NOW)
    assert found["ai_budget_cost_by_model_usd"] == {("acme", OPUS): 0.25}
    assert found["ai_budget_tokens_last_hour"] == {("acme",): 9}


def test_the_worst_of_a_tenants_budgets_says_how_it_stands(calls: Calls) -> None:
    for tenant, limit, of_opus, spent in (
        ("fine", "100", "100", "79.99"),
        ("at its soft limit", "100", "200", "80"),
        ("by its model", "1000", "10", "9"),
        ("used up", "1000", "10", "10"),
        ("of nothing", "0", "10", "0"),
        ("by its refusal", "100", "10", "5"),
    ):
        calls.put(tenant, limit)
        calls.put(tenant, of_opus, OPUS)
        calls.track(tenant, tenant, OPUS, spent, NOW)
    calls.track("no budget at all", "no budget", OPUS, "5000", NOW)
    calls.check("too large", "by its refusal", OPUS, "6", NOW)
    found = calls.shown(NOW)
    assert found["ai_budget_tenants"] == {("ok",): 2, ("warning",): 2, ("exceeded",): 3}


def test_a_tenant_is_described_by_its_own_budget_and_critical_by_any(calls: Calls) -> None:
    calls.put("acme", "10", "!first", owner="model team", tier="starter", critical=True)
    calls.put("acme", "10", owner="growth", tier="enterprise")
    calls.put("globex", "10", "b", owner="second", tier="starter")
    calls.put("globex", "10", "a", owner="first", tier="professional")
    assert calls.shown(NOW)["ai_budget_tenant_info"] == {
        ("acme", "enterprise", "growth", "true"): 1,
        ("globex", "professional", "first", "false"): 1,
    }


def test_ten_thousand_tenants_are_counted_and_a_hundred_listed(
    database: Database, calls: Calls
) -> None:
    """Half of them below half of their limit; of the others three in ten beyond their soft one."""
    with database.connection() as connection:
        connection.execute(
            "INSERT INTO ai_token_budgets (tenant_id, model, monthly_limit_usd)"
            " SELECT 't' || n, '*', 1000 FROM generate_series(0, 9949) n"
        )
        connection.execute(
            "INSERT INTO budget_period (tenant_id, model, period_start, spent_usd, requests)"
            " SELECT 't' || n, model, '2026-11-01', n * 7919 % 10007 / 10.0, 1"
            " FROM generate_series(0, 9999) n, unnest(ARRAY['*', 'm']) model"
        )
    spent = {f"t{n}": Decimal(n * 7919 % 10007) / 10 for n in range(10_000)}
    limited = {f"t{n}" for n in range(9950)}
    above = [tenant for tenant in limited if spent[tenant] >= 500]
    found = calls.shown(NOW, AiSettings(max_tenants=100))
    assert found["ai_budget_total_used_usd"] == {(): float(sum(spent.values()))}
    exceeded = sum(spent[tenant] >= 1000 for tenant in limited)
    warning = sum(800 <= spent[tenant] < 1000 for tenant in limited)
    assert found["ai_budget_tenants"] == {
        ("exceeded",): exceeded,
        ("warning",): warning,
        ("ok",): 10_000 - exceeded - warning,
    }
    assert found["finops_ai_tenants_left_out"] == {(): 9900}
    listed = {tenant for (tenant,) in found["ai_budget_tokens_last_hour"]}
    assert listed == set(sorted(above, key=lambda tenant: -spent[tenant])[:100])
    assert {tenant for tenant, _ in found["ai_budget_limit_usd"]} == listed
    assert {tenant for tenant, _ in found["ai_budget_requests"]} == listed

    # With room for more than those above a half, who has spent most comes next, limit or not.
    found = calls.shown(NOW, AiSettings(max_tenants=len(above) + 30))
    listed = {tenant for (tenant,) in found["ai_budget_tokens_last_hour"]}
    others = sorted(spent.keys() - set(above), key=lambda tenant: -spent[tenant])
    assert listed == {*above, *others[:30]}
    assert set(others[:30]) - limited


def test_the_cheapest_models_and_reports_are_one_where_there_are_too_many(
    calls: Calls,
) -> None:
    for tenant in ("acme", "globex"):
        for number in range(20):
            usd = str(number + (0 if tenant == "acme" else 100))
            name = f"{number:02}"
            calls.track(f"{tenant}{name}", tenant, f"m{name}", usd, NOW, report_type=f"r{name}")
    found = calls.shown(NOW, AiSettings(max_series=100))
    costs = found["ai_budget_cost_by_model_usd"]
    assert len(costs) == 26
    assert costs["acme", "m15"] == 15
    assert ("acme", "m14") not in costs
    assert costs["acme", "__other__"] == sum(range(15))
    assert ("globex", "__other__") not in costs
    assert found["ai_budget_requests"]["acme", "__other__"] == 15
    assert found["ai_budget_tokens"]["acme", "__other__", "input"] == 15
    assert found["finops_ai_series_dropped_to_other"]["ai_budget_tokens",] == 60
    assert found["finops_ai_series_dropped_to_other"]["ai_budget_requests",] == 15
    found = calls.shown(NOW, AiSettings(max_series=24))
    assert found["ai_budget_report_cost_24h_usd"]["acme", "__other__"] == sum(range(16))
    assert found["ai_budget_reports_24h"]["acme", "__other__"] == 16
    assert len(found["ai_budget_reports_24h"]) == 25
    assert found["finops_ai_series_dropped_to_other"]["ai_budget_reports_24h",] == 16


def test_a_call_that_was_refused_leaves_no_series(calls: Calls) -> None:
    calls.put("acme", "1")
    calls.check("one", "acme", "a-model-that-nobody-has", "5", NOW)
    found = calls.shown(NOW)
    assert "ai_budget_requests" not in found
    assert found["ai_budget_hard_limit_reached"] == {("acme", "*"): 1}
