"""`ai tenants`, `status`, `set` and `remove` on a real database."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from finops_exporter.ai_model import Check
from integration.ai_store import NOW, Ai, ai_commands, cells, track, use
from integration.processes import as_url, configure, invoke

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database


@pytest.fixture
def ai(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ai:
    """The commands on an empty store."""
    return ai_commands(database_url, tmp_path, monkeypatch)


def budgets(ai: Ai, *arguments: object) -> dict[tuple[str, str], dict[str, Any]]:
    found = json.loads(ai("tenants", "--format", "json", *arguments).stdout)["budgets"]
    return {(one["tenant_id"], one["model"]): one for one in found}


def test_a_tier_gives_the_limit_and_only_what_is_given_changes(ai: Ai) -> None:
    said = ai("set", "acme", "--tier", "professional", "--owner", "data team")
    assert said.stdout == (
        "acme, all models: set new: limit $2000; tier professional; owner data team\n"
    )
    first = budgets(ai)["acme", "*"]
    assert (first["tier"], first["monthly_limit_usd"]) == ("professional", "2000")
    assert (first["timezone"], first["soft_limit_ratio"], first["enforce"]) == ("UTC", "0.8", True)

    said = ai("set", "acme", "--limit", "2500.50", "--time-zone", "Europe/Berlin", "--shadow")
    assert said.stdout == (
        "acme, all models: set: limit $2000 -> $2500.5; time zone UTC -> Europe/Berlin; "
        "enforce yes -> no\n"
    )
    changed = {"monthly_limit_usd": "2500.5", "timezone": "Europe/Berlin", "enforce": False}
    dependent = {"remaining_usd": "2500.5", "resets_at": "2026-11-30T23:00:00+00:00"}
    assert budgets(ai)["acme", "*"] == first | changed | dependent

    options = ("--soft-limit", "70", "--fail-mode", "fail_open", "--allowance", "5", "--critical")
    said = ai("set", "acme", *options)
    assert said.stdout == (
        "acme, all models: set: soft limit 80 % -> 70 %; fail mode fail_closed -> fail_open; "
        "allowance $1 -> $5; critical no -> yes\n"
    )
    assert ai("set", "acme", *options).stdout == "acme, all models: is so already\n"
    assert ai("set", "acme", "--tier", "custom").stdout.endswith("tier professional -> custom\n")
    assert budgets(ai)["acme", "*"]["monthly_limit_usd"] == "2500.5"
    assert ai("set", "acme", "--tier", "starter", "--limit", "700", "--enforce").stdout.startswith(
        "acme, all models: set: limit $2500.5 -> $700; enforce no -> yes; tier custom -> starter"
    )


def test_a_model_has_a_budget_of_its_own(ai: Ai) -> None:
    said = ai("set", "acme", "--model", "gpt-4o", "--limit", "300")
    assert said.stdout == "acme, gpt-4o: set new: limit $300\n"
    ai("set", "acme", "--tier", "starter")
    found = budgets(ai)
    assert [key[1] for key in found] == ["*", "gpt-4o"]
    assert found["acme", "gpt-4o"]["tier"] == "custom"


def test_a_dry_run_says_what_a_run_would_say_and_changes_nothing(ai: Ai) -> None:
    said = ai("set", "acme", "--limit", "5", "--dry-run").stdout
    assert said == "acme, all models: would set new: limit $5\n"
    assert budgets(ai) == {}
    ai("set", "acme", "--limit", "5")
    assert "would set: limit $5 -> $6" in ai("set", "acme", "--limit", "6", "--dry-run").stdout
    assert "would remove the budget of $5.00" in ai("remove", "acme", "--dry-run").stdout
    assert budgets(ai)["acme", "*"]["monthly_limit_usd"] == "5"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["acme"], "nothing to set"),
        (["acme", "--limit", "-1"], "'--limit': must be a number from 0 to 1,000,000,000"),
        (["acme", "--limit", "nan"], "'--limit': must be a number from 0 to 1,000,000,000"),
        (["acme", "--limit", "1e9"], "'--limit': must be a number from 0 to 1,000,000,000"),
        (["acme", "--limit", "9999999999"], "'--limit': must be a number from 0 to 1,000,000,000"),
        (["acme", "--tier", "gold"], "'gold' is not one of 'starter', 'professional'"),
        (["acme", "--tier", "custom"], "acme, all models has no budget yet: a new one needs --lim"),
        (["acme", "--owner", "x"], "acme, all models has no budget yet: a new one needs --limit, "),
        (["acme", "--model", "gpt-4o", "--shadow"], "acme, gpt-4o has no budget yet"),
        (["acme", "--limit", "5", "--time-zone", "Berlin"], "must be a time zone such as UTC or"),
        (["acme", "--limit", "5", "--soft-limit", "0"], "must be a number above 0 and at most 100"),
        (["acme", "--limit", "5", "--fail-mode", "open"], "'fail_closed', 'fail_open'"),
        ([" ", "--limit", "5"], "'TENANT': must be one line of printable text"),
        (["", "--limit", "5"], "'TENANT': must not be empty"),
        (["a" * 201, "--limit", "5"], "'TENANT': must have 200 or fewer characters"),
    ],
)
def test_mistakes_are_told_and_change_nothing(ai: Ai, arguments: list[str], words: str) -> None:
    for more in ([], ["--dry-run"]):
        refused = ai("set", *arguments, *more, code=2)
        assert refused.stdout == ""
        assert words in refused.stderr
    assert budgets(ai) == {}


def test_how_budgets_stand(ai: Ai, database: Database) -> None:
    for tenant, limit in (("acme", "10"), ("beta", "10"), ("gamma", "10"), ("delta", "0")):
        ai("set", tenant, "--limit", limit)
    ai("set", "acme", "--model", "gpt-4o", "--limit", "9")
    ai("set", "gamma", "--shadow")
    use(
        database,
        track(1, "7.995"),
        track(2, "8.125", tenant_id="beta"),
        track(3, "10.5", tenant_id="gamma"),
        Check("held", "acme", "mini", Decimal("0.25"), ""),
    )
    found = budgets(ai)
    assert {key: one["state"] for key, one in found.items()} == {
        ("acme", "*"): "ok",
        ("acme", "gpt-4o"): "warning",
        ("beta", "*"): "warning",
        ("delta", "*"): "exceeded",
        ("gamma", "*"): "exceeded",
    }
    acme = found["acme", "*"]
    assert (acme["used_usd"], acme["reserved_usd"]) == ("7.995", "0.25")
    assert (acme["remaining_usd"], acme["usage_ratio"]) == ("1.755", "0.7995")
    over = budgets(ai, "--over", "81")
    assert list(over) == [("acme", "gpt-4o"), ("beta", "*"), ("delta", "*"), ("gamma", "*")]
    assert ai("tenants", "--over", "106").stdout == "no AI budget is 106 % used\n"

    lines = cells(ai("tenants").stdout)
    assert lines[0] == [
        "tenant", "model", "tier", "limit", "used", "held", "used %", "state", "resets at",
    ]  # fmt: skip
    resets = "2026-12-01 00:00"
    assert lines[1] == ["acme", "*", "custom", "$10.00", "$8.00", "$0.25", "79.9", "ok", resets]
    assert [line[-2] for line in lines[2:]] == [
        "warning", "warning", "exceeded", "exceeded (shadow)",
    ]  # fmt: skip


def test_a_refused_call_is_an_exceeded_budget_until_the_limit_is_raised(
    ai: Ai, database: Database
) -> None:
    ai("set", "acme", "--limit", "10")
    use(database, track(1, "6"), Check("large", "acme", "gpt-4o", Decimal(5), ""))
    assert budgets(ai)["acme", "*"]["state"] == "exceeded"
    ai("set", "acme", "--limit", "12")
    assert budgets(ai)["acme", "*"]["state"] == "ok"


def test_a_limit_below_what_is_used_is_told(ai: Ai, database: Database) -> None:
    use(database, track(1, "6"))
    said = ai("set", "acme", "--limit", "5", "--dry-run")
    told = "acme, all models: $6.00 of $5.00 is used, so its calls are refused until 2026-12-01"
    assert said.stderr.startswith(told)
    said = ai("set", "acme", "--limit", "5", "--shadow")
    assert "so its calls are counted, not refused, until 2026-12-01 00:00 UTC" in said.stderr


def test_a_tenant_in_all_its_parts(ai: Ai, database: Database) -> None:
    ai("set", "acme", "--limit", "100", "--time-zone", "America/New_York")
    use(
        database,
        track(1, "1.5", report_type="daily"),
        track(2, "2.25", "o3"),
        track(3, "0.75", at=NOW - timedelta(days=1)),
        track(4, "9", at=datetime(2026, 11, 1, 3, tzinfo=UTC)),  # still October in New York
        Check("held", "acme", "o3", Decimal("0.125"), ""),
    )
    found = json.loads(ai("status", "acme", "--calls", "3", "--format", "json").stdout)
    assert [one["used_usd"] for one in found["budgets"]] == ["4.5"]
    assert [
        (one["model"], one["used_usd"], one["reserved_usd"], one["requests"])
        for one in found["models"]
    ] == [("gpt-4o", "2.25", "0", 2), ("o3", "2.25", "0.125", 1)]
    assert {key: value for key, value in found["models"][0].items() if "tokens" in key} == {
        "input_tokens": 2000,
        "output_tokens": 100,
        "cache_read_tokens": 400,
        "cache_write_tokens": 68,
    }
    calls = found["last_calls"]
    assert [one["request_id"] for one in calls] == ["call-1", "call-2", "call-3"]
    assert calls[0] == {
        "request_id": "call-1",
        "time": "2026-11-21T12:00:00+00:00",
        "model": "gpt-4o",
        "input_tokens": 1000,
        "output_tokens": 50,
        "cache_read_tokens": 200,
        "cache_write_tokens": 30,
        "cache_write_1h_tokens": 4,
        "cost_usd": "1.5",
        "price_source": "test",
        "report_type": "daily",
    }
    text = ai("status", "acme").stdout
    assert ["gpt-4o", "$2.25", "$0.00", "2", "2,000", "100", "400", "68"] in cells(text)
    head = ["2026-11-21 12:00:00", "gpt-4o", "daily", "1,000", "50", "200", "34", "$1.5"]
    assert head in cells(text)
    assert "newest calls" not in ai("status", "acme", "--calls", "0").stdout


def test_a_tenant_without_a_budget(ai: Ai, database_url: str, tmp_path: Path) -> None:
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO ai_token_usage (tenant_id, model, input_tokens, time) "
            "VALUES ('acme', 'new-model', 5, %s)",
            [NOW],
        )
    said = ai("status", "acme").stdout
    assert "acme has no budget: its calls are allowed (ai.unknown_tenant)\n" in said
    assert "nothing was used this month\n" in said  # what has no price yet is not counted
    assert "not priced yet" in said
    config = configure(tmp_path, as_url(database_url), ai={"unknown_tenant": "deny"})
    said = invoke("ai", "status", "acme", "--config", config).stdout
    assert "its calls are refused (ai.unknown_tenant)" in said


def test_an_unknown_tenant_is_answered_with_the_nearest(ai: Ai) -> None:
    said = ai("status", "acme", code=1)
    assert said.stderr == (
        "finops-exporter: there is no tenant 'acme': none has a budget or has used anything yet\n"
    )
    for name in ("acme-eu", "acme-us", "beta"):
        ai("set", name, "--limit", "1")
    said = ai("status", "acme", code=1)
    assert "no tenant 'acme'; did you mean 'acme-eu' or 'acme-us'?" in said.stderr
    assert "did you mean 'beta'?" in ai("usage", "betta", code=1).stderr
    assert ai("status", "zzz", code=1).stderr.endswith("there is no tenant 'zzz'\n")


def test_a_removed_budget_limits_nothing_and_its_sums_stay(ai: Ai, database: Database) -> None:
    ai("set", "acme", "--limit", "5")
    ai("set", "acme", "--model", "gpt-4o", "--limit", "4")
    use(database, track(1, "3"))
    assert ai("remove", "acme", "--model", "gpt-4o").stdout == (
        "acme, gpt-4o: removed the budget of $4.00; the $3.00 used this month stay known\n"
    )
    said = ai("remove", "acme", "--model", "gpt-4o", code=1)
    assert "acme, gpt-4o has no budget (budgets of the tenant: of *)" in said.stderr
    ai("remove", "acme")
    assert "(budgets of the tenant: none)" in ai("remove", "acme", code=1).stderr
    assert "no tenant 'acne'; did you mean 'acme'?" in ai("remove", "acne", code=1).stderr
    assert budgets(ai) == {}
    lines = cells(ai("status", "acme", "--calls", 0).stdout)
    assert lines[1][:4] == ["gpt-4o", "$3.00", "$0.00", "1"]
    ai("set", "acme", "--limit", "2")
    assert budgets(ai)["acme", "*"]["used_usd"] == "3"


def test_nothing_is_there_yet(ai: Ai, empty_url: str, tmp_path: Path) -> None:
    assert ai("tenants").stdout == "no AI budget is set\n"
    config = configure(tmp_path, as_url(empty_url))
    for arguments in (["tenants"], ["status", "acme"], ["usage"], ["remove", "a", "--dry-run"]):
        refused = invoke("ai", *arguments, "--config", config)
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "nothing is stored yet; run: finops-exporter migrate" in refused.stderr
    # To set one brings the schema.
    assert invoke("ai", "set", "a", "--limit", "1", "--config", config).exit_code == 0
