"""`budget` on a real database: what is set, what is refused, and that it agrees with `costs`."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from finops_exporter import app
from integration.bills import charge, write_bill
from integration.processes import as_url, configure, invoke

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ONE = {"name": "web", "scope": "team", "value": "web", "amount": 7, "period": "monthly"}


@pytest.fixture
def budget(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """The command with the configuration of a store that holds October and November."""
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    first = datetime(2026, 10, 1, tzinfo=UTC)
    days = [f"{first + timedelta(days=n):%Y-%m-%d}" for n in range(51)]
    bill = [
        charge(day, f"0.{100 + n}", Tags=json.dumps({"team": "web" if n % 2 else "data"}))
        for n, day in enumerate(days)
    ]
    bill += [charge("2026-11-03", "-1.005", ChargeCategory="Credit")]
    source = {"name": "bill", "paths": [str(write_bill(tmp_path / "a.csv", *bill))]}
    config = configure(tmp_path, as_url(database_url), source, budgets=[ONE])
    assert invoke("collect", "--once", "--config", config).exit_code == 0

    def call(command: str, *arguments: object) -> Result:
        return invoke("budget", command, "--config", config, *arguments)

    call.config = config  # type: ignore[attr-defined]  # for the other commands
    return call


SET = ("--scope", "organization", "--amount", "12.5", "--period", "monthly")


def status(budget: Callable[..., Result], *name: str) -> dict[str, Any]:
    shown = budget("status", "--format", "json", *name)
    assert (shown.exit_code, shown.stderr) == (0, "")
    return {one["name"]: one for one in json.loads(shown.stdout)["budgets"]}


def costs(budget: Callable[..., Result], by: str) -> dict[str, str]:
    config = budget.config  # type: ignore[attr-defined]  # see the fixture
    options = ("--since", "2026-11-01", "--by", by, "--format", "json")
    shown = invoke("costs", "--config", config, *options)
    return {one[by]: one["billed"] for one in json.loads(shown.stdout)["groups"]}


def test_the_status_is_what_costs_says(budget: Callable[..., Result]) -> None:
    assert budget("set", "all", *SET).stdout == "all: set\n"
    team = ("--scope", "team", "--value", "data", "--amount", "1", "--period", "monthly")
    assert budget("set", "data", *team, "--owner", "data").exit_code == 0
    found = status(budget)
    assert found["all"]["current"]["spent"] == costs(budget, "provider")["aws"]
    teams = costs(budget, "team")
    assert found["data"]["current"]["spent"] == teams["data"]
    assert found["web"]["current"]["spent"] == teams["web"]
    assert found["data"]["reached"] == ["50", "80", "100", "120"]
    assert found["all"]["current"]["from"] == "2026-11-01"
    assert found["all"]["current"]["complete_through"] == "2026-11-20"
    assert found["all"]["closing"] is None
    assert status(budget, "web") == {"web": found["web"]}


def test_people_see_a_line_a_budget(budget: Callable[..., Result]) -> None:
    budget(
        "set", "nobody", "--scope", "team", "--value", "x", "--amount", "5", "--period", "yearly"
    )
    shown = budget("status")
    assert shown.exit_code == 0
    lines = [re.split(r"\s*[│┃]\s*", line)[1:-1] for line in shown.stdout.splitlines()[4:-1]]
    assert lines[0][:5] == ["nobody", "team x", "yearly", "unknown", "5.00 USD"]
    assert lines[1][:3] == ["web", "team web", "2026-11-01 to 2026-11-30"]
    assert "nobody: no cost of this scope is stored since 2025-01-01" in shown.stderr
    listed = budget("list").stdout
    assert re.search(r"web .* 7\.00 USD .* monthly .* configuration", listed)
    assert re.search(r"nobody .* 5\.00 USD .* yearly .* command line", listed)
    names = json.loads(budget("list", "--format", "json").stdout)["budgets"]
    assert [(one["name"], one["source"]) for one in names] == [("nobody", "cli"), ("web", "config")]


def test_the_forecast_is_there_for_people_too(budget: Callable[..., Result]) -> None:
    """20 days of November are 0.131 to 0.150, 2.81 in all; ten more will be much like those."""
    assert budget("set", "all", *SET, "--no-credits").exit_code == 0
    found = {name: float(usd) for name, usd in status(budget)["all"]["forecast"].items()}
    assert 2.81 + 10 * 0.13 < found["p50"] < 2.81 + 10 * 0.155
    assert found["p10"] <= found["p50"] <= found["p90"]
    text = f"{found['p50']:.2f} ({found['p10']:.2f}-{found['p90']:.2f})"
    assert text in budget("status", "all").stdout


def test_a_scope_that_matches_nothing_is_told_at_once(budget: Callable[..., Result]) -> None:
    wrong = ("--scope", "provider", "--value", "AWS", "--amount", "5", "--period", "monthly")
    shown = budget("set", "typo", *wrong)
    assert (shown.exit_code, shown.stdout) == (0, "typo: set\n")
    assert shown.stderr.startswith("typo: no cost of this scope is stored since 2026-10-01")
    assert budget("set", "typo", *wrong[:3], "aws", *wrong[4:]).stderr == ""


def test_a_dry_run_shows_and_changes_nothing(budget: Callable[..., Result]) -> None:
    shown = budget("set", "all", *SET, "--dry-run")
    assert shown.exit_code == 0
    assert "12.50 USD" in shown.stdout
    assert "all" not in status(budget)
    assert budget("set", "all", *SET).exit_code == 0
    assert budget("set", "all", *SET).stdout == "all: was so already\n"
    assert budget("delete", "all", "--dry-run").stdout == "all: would end\n"
    assert "all" in status(budget)
    assert budget("delete", "all").stdout == "all: ended\n"
    assert "all" not in status(budget)


def test_what_is_set_is_kept_with_all_it_says(
    budget: Callable[..., Result], database_url: str
) -> None:
    options = ("--currency", "USD", "--time-zone", "Europe/Berlin", "--channel", "#finops")
    more = ("--threshold", "90", "--threshold", "70.5", "--basis", "effective", "--no-credits")
    assert budget("set", "all", *SET, *options, *more).exit_code == 0
    found = status(budget)["all"]
    assert found["thresholds"] == ["70.5", "90"]
    assert (found["time_zone"], found["channels"]) == ("Europe/Berlin", ["#finops"])
    assert (found["basis"], found["include_credits"]) == ("effective", False)
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT created_by, source, active FROM budgets").fetchone()
    assert row is not None
    assert row[0]
    assert row[1:] == ("cli", True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["set", "web", *SET], "the budget 'web' comes from the configuration; change it there"),
        (["delete", "web"], "the budget 'web' comes from the configuration; change it there"),
        (["delete", "wbe"], "there is no budget 'wbe'; did you mean 'web'? (budgets: web)"),
        (["status", "x"], "there is no budget 'x' (budgets: web)"),
        (["set", "a", *SET[:2], "--amount", "0", *SET[4:]], "budget set: amount: must be at least"),
        (
            ["set", "a", *SET[:2], "--amount", "ten", *SET[4:]],
            "amount: must be a number, not 'ten'",
        ),
        (["set", "a", *SET[:2], "--amount", "1e16", *SET[4:]], "amount: must be at most 10000"),
        (["set", "a", *SET[:2], "--amount", "nan", *SET[4:]], "amount: must be a finite number"),
        (["set", "a", *SET, "--time-zone", "Berlin"], "time_zone: must be a time zone such as"),
        (["set", "a", *SET, "--currency", "EUR"], "currency: has no rate (billing.rates)"),
        (["set", "a", *SET, "--value", "x"], "value: does not fit the scope organization"),
        (["set", "a", *SET, "--threshold", "0"], "thresholds[0]: must be greater than 0"),
        (["set", " ", *SET], "name: must be one line of printable text"),
        (
            ["set", "a", "--scope", "team", *SET[2:]],
            "value: required key is missing: it says which",
        ),
        (["set", "a", "--scope", "squad", *SET[2:]], "Invalid value for '--scope'"),
    ],
)
def test_mistakes_are_told_and_change_nothing(
    budget: Callable[..., Result], arguments: list[str], words: str
) -> None:
    refused = budget(*arguments)
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert words in refused.stderr
    assert list(status(budget)) == ["web"]


def test_what_another_budget_had_reached_does_not_count(
    budget: Callable[..., Result], database_url: str
) -> None:
    assert budget("set", "all", *SET).exit_code == 0
    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO budget_thresholds SELECT budget_id, '2026-11-01', 120, now() FROM budgets"
        )
    assert status(budget)["all"]["reached"] == ["120"]
    larger = ("--scope", "organization", "--amount", "1000", "--period", "monthly")
    assert "120 %" not in budget("set", "all", *larger, "--dry-run").stdout
    assert "120 %" in budget("set", "all", *SET, "--owner", "me", "--dry-run").stdout
    # From here on it is the configuration's, whatever file a command is given.
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE budgets SET source = 'config'")
    for arguments in (["set", "all", *larger], ["delete", "all"]):
        for more in ([], ["--dry-run"]):
            refused = budget(*arguments, *more)
            assert (refused.exit_code, refused.stdout) == (2, "")
            assert "comes from the configuration" in refused.stderr
