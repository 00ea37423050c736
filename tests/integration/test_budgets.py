"""What the metrics say of budgets, held against sums that are made by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter_families import samples
from finops_exporter.errors import UsageError
from finops_exporter.exposition.budgets import record_budgets
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import Budget, CostRow
from finops_exporter.store import budgets
from finops_exporter.store.reads import generation
from integration.feeding import NOW, cost, swap

if TYPE_CHECKING:
    from collections.abc import Callable

    from finops_exporter.store.database import Database

Shown: TypeAlias = "dict[str, dict[Any, float]]"

SETTINGS = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team",),
    lags={"bill": timedelta(0), "other": timedelta(0)},
    rate=lambda currency, _on: {"USD": Decimal(1), "EUR": Decimal("1.1")}.get(currency),
)


def budget(**others: Any) -> Budget:
    fields: dict[str, Any] = {
        "name": "all",
        "scope": "organization",
        "scope_value": "",
        "amount": Decimal(100),
        "period": "monthly",
    }
    return Budget(**fields | others)


def put(database: Database, *those: Budget) -> None:
    for one in those:
        budgets.put(database, one, "test", NOW)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def deliver(
    database: Database, rows: list[CostRow], until: str | dict[str, str], source: str = "bill"
) -> None:
    """Store the rows; days are complete `until` this one (of each provider), not included."""
    if isinstance(until, str):
        until = {row.provider: until for row in rows}
    swap(
        database,
        rows,
        source=source,
        parts=[""],
        covered_until={name: at(day) for name, day in until.items()},
    )


def daily(first: str, last: str, amount: str, **others: Any) -> list[CostRow]:
    """A row on each day from `first` through `last`."""
    begin = date.fromisoformat(first)
    count = (date.fromisoformat(last) - begin).days + 1
    return [cost(str(begin + timedelta(days=n)), amount, **others) for n in range(count)]


def shown(database: Database, now: datetime = NOW, settings: Settings = SETTINGS) -> Shown:
    """The budget families without their prefix, each by the budget's name; and the problems."""
    snapshot = build(database, settings, now)
    found: Shown = {
        family.metric.name.removeprefix("cloud_budget_"): {
            key[0]: number for key, number in family.samples.items()
        }
        for family in snapshot.families
        if family.metric.name.startswith("cloud_budget_")
    }
    for others in ("threshold_reached", "forecast_usd"):  # test_forecasts.py looks at these
        found.pop(others, None)
    problems = samples(snapshot, "finops_budget_problems")
    return found | ({"problems": dict(problems)} if problems else {})


def thresholds(database: Database, now: datetime = NOW) -> dict[str, float]:
    found = samples(build(database, SETTINGS, now), "cloud_budget_threshold_reached")
    return {key[-1]: number for key, number in found.items()}


def refreshed(database: Database, now: datetime = NOW) -> Exposition:
    """A process that has looked once."""
    exposition = Exposition(database, SETTINGS)
    exposition.refresh(now)
    assert exposition.problem is None
    return exposition


def test_a_budget_half_way_through_its_month(database: Database) -> None:
    put(database, budget(amount=Decimal(75), owner="finance"))
    rows = [*daily("2026-10-01", "2026-11-20", "3"), cost("2026-11-21", "1")]
    deliver(database, rows, "2026-11-21")
    # 20 complete days and a partial one: 61. 3 a day; 15 are left at the end of the 20th.
    assert shown(database) == {
        "limit_usd": {"all": 75},
        "spent_usd": {"all": 61},
        "burn_rate_usd_per_day": {"all": 3},
        "exhaustion_timestamp_seconds": {"all": at("2026-11-26").timestamp()},
    }
    assert thresholds(database) == {"50": 1, "80": 1, "100": 0, "120": 0}
    labels = ("all", "organization", "", "monthly", "finance")
    assert samples(build(database, SETTINGS, NOW), "cloud_budget_spent_usd") == {labels: 61}


def test_each_scope_counts_its_own(database: Database) -> None:
    rows = [
        *daily("2026-10-01", "2026-10-31", "100"),
        cost("2026-11-01", "1", tags={"team": "data"}),
        cost("2026-11-02", "2", account_id="222", tags={"team": "web"}),
        cost("2026-11-03", "4", service="EC2"),
        cost("2026-11-04", "8", provider="gcp", tags={"team": "data"}),
        cost("2026-11-05", "16", provider="gcp", account_id="222", service="EC2"),
    ]
    deliver(database, rows, {"aws": "2026-11-21", "gcp": "2026-11-21"})
    put(
        database,
        budget(),
        budget(name="aws", scope="provider", scope_value="aws"),
        budget(name="222", scope="account", scope_value="222"),
        budget(name="222 of gcp", scope="account", scope_value="222", provider="gcp"),
        budget(name="EC2", scope="service", scope_value="EC2"),
        budget(name="data", scope="team", scope_value="data"),
        budget(name="data in aws", scope="team", scope_value="data", provider="aws"),
        budget(name="nobody", scope="team", scope_value="__untagged__"),
    )
    assert shown(database)["spent_usd"] == {
        "all": 31,
        "aws": 7,
        "222": 18,
        "222 of gcp": 16,
        "EC2": 20,
        "data": 9,
        "data in aws": 1,
        "nobody": 20,
    }
    assert samples(build(database, SETTINGS, NOW), "aws_budget_monthly_limit_usd") == {(): 100}


def test_credits_and_the_basis_are_the_budgets_own(database: Database) -> None:
    rows = [
        *daily("2026-10-01", "2026-10-31", "1"),
        cost("2026-11-01", "10", effective="7", tags={"team": "data"}),
        cost("2026-11-02", "-4", charge_category="Credit", tags={"team": "data"}),
    ]
    deliver(database, rows, "2026-11-21")
    team = {"scope": "team", "scope_value": "data"}
    put(
        database,
        budget(),
        budget(name="gross", include_credits=False),
        budget(name="effective", basis="effective", include_credits=False),
        budget(name="team", **team),
        budget(name="team gross", include_credits=False, **team),
    )
    assert shown(database)["spent_usd"] == {
        "all": 6,
        "gross": 10,
        "effective": 7,
        "team": 6,
        "team gross": 10,
    }


def test_long_periods_take_whole_months_and_days_alike(database: Database) -> None:
    """January to November: every sum that a row at a time gives, with and without rollups."""
    rows = daily("2025-01-01", "2026-11-20", "1", tags={"team": "data"})
    deliver(database, rows, "2026-11-21")
    put(
        database,
        budget(name="year", period="yearly"),
        budget(name="team's year", period="yearly", scope="team", scope_value="data"),
        budget(name="S3's year", period="yearly", scope="service", scope_value="S3"),
        budget(name="quarter", period="quarterly"),
        budget(name="year in Auckland", period="yearly", time_zone="Pacific/Auckland"),
    )
    days = float((date(2026, 11, 20) - date(2025, 12, 31)).days)
    found = shown(database)
    assert found["spent_usd"] == {
        "year": days,
        "team's year": days,
        "S3's year": days,
        "quarter": 51,
        "year in Auckland": days + 1,  # 31 December (UTC) is New Year's Day there
    }
    assert set(found["burn_rate_usd_per_day"].values()) == {1}
    assert "closing_spent_usd" not in found


def test_a_month_moves_with_its_slowest_provider_and_then_closes(database: Database) -> None:
    rows = [
        *daily("2026-10-01", "2026-12-01", "1"),
        *daily("2026-10-01", "2026-11-29", "10", provider="gcp"),
    ]
    put(
        database,
        budget(),
        budget(name="aws", scope="provider", scope_value="aws"),
    )
    deliver(database, rows, {"aws": "2026-12-02", "gcp": "2026-11-30"})
    found = shown(database, at("2026-12-02T12:00"))
    # AWS alone has moved; together they wait for Google.
    assert found["spent_usd"] == {"all": 320, "aws": 1}
    assert found["closing_spent_usd"] == {"aws": 30}
    assert found["closing_limit_usd"] == {"aws": 100}
    # Google catches up on the 3rd, with a day more of November.
    rows += [*daily("2026-12-02", "2026-12-02", "1")]
    rows += daily("2026-11-30", "2026-12-02", "10", provider="gcp")
    deliver(database, rows, "2026-12-03")
    found = shown(database, at("2026-12-03T12:00"))
    assert found["spent_usd"] == {"all": 22, "aws": 2}
    assert found["closing_spent_usd"] == {"all": 330, "aws": 30}
    # November is restated while it closes, and closed when five days have passed.
    rows += [cost("2026-11-15", "5")]
    deliver(database, rows, "2026-12-03")
    assert shown(database, at("2026-12-05T23:59"))["closing_spent_usd"] == {"all": 335, "aws": 35}
    rows += daily("2026-12-03", "2026-12-05", "1")
    deliver(database, rows, {"aws": "2026-12-06", "gcp": "2026-12-03"})
    assert "closing_spent_usd" not in shown(database, at("2026-12-06T00:00"))


def test_a_provider_that_stays_away_holds_the_month_for_five_days(database: Database) -> None:
    rows = [
        *daily("2026-10-01", "2026-12-06", "1"),
        *daily("2026-10-01", "2026-11-29", "10", provider="gcp"),
    ]
    deliver(database, rows, {"aws": "2026-12-07", "gcp": "2026-11-30"})
    berlin, pacific = "Europe/Berlin", "America/Los_Angeles"
    put(
        database,
        budget(),
        budget(name="Berlin", time_zone=berlin),
        budget(name="Pacific", time_zone=pacific),
    )

    def spent(now: str) -> dict[str, float]:
        return shown(database, at(now))["spent_usd"]

    november, december = 30 + 290, 6
    assert set(spent("2026-12-05T22:59").values()) == {november}
    assert spent("2026-12-05T23:00") == {"all": november, "Berlin": december, "Pacific": november}
    assert spent("2026-12-06T00:00") == {"all": december, "Berlin": december, "Pacific": november}
    assert set(spent("2026-12-06T08:00").values()) == {december}


def test_a_provider_that_ended_long_ago_holds_nothing(database: Database) -> None:
    deliver(database, daily("2026-10-01", "2026-12-01", "1"), "2026-12-02")
    old = daily("2026-08-01", "2026-08-31", "9", provider="oracle")
    deliver(database, old, "2026-09-01", source="other")
    put(database, budget())
    found = shown(database, at("2026-12-02T12:00"))
    assert found["spent_usd"] == {"all": 1}
    assert found["closing_spent_usd"] == {"all": 30}


def test_on_the_first_of_a_month_nothing_is_known_of_it_yet(database: Database) -> None:
    put(database, budget())
    deliver(database, daily("2026-11-01", "2026-11-30", "1"), "2026-12-01")
    found = shown(database, at("2026-12-01T00:30"))
    assert found["spent_usd"] == {"all": 30}
    assert "closing_spent_usd" not in found  # October was before the first stored day
    # No December day came: the month has moved, and unknown is not zero.
    found = shown(database, at("2026-12-06T00:30"))
    assert "spent_usd" not in found
    assert found["problems"] == {("all", "no_days"): 1}
    assert found["limit_usd"] == {"all": 100}


def test_a_leap_day_counts(database: Database) -> None:
    put(database, budget(amount=Decimal(1000)))
    deliver(database, daily("2028-01-01", "2028-02-29", "2"), "2028-03-01")
    found = shown(database, at("2028-03-01T12:00"))
    assert found["spent_usd"] == {"all": 58}
    assert found["burn_rate_usd_per_day"] == {"all": 2}


def test_missing_days_and_negative_sums(database: Database) -> None:
    put(database, budget())
    rows = [
        *daily("2026-10-01", "2026-10-31", "1"),
        cost("2026-11-03", "5"),
        cost("2026-11-10", "-20", charge_category="Credit"),
    ]
    deliver(database, rows, "2026-11-21")
    assert shown(database) == {
        "limit_usd": {"all": 100},
        "spent_usd": {"all": -15},
        "burn_rate_usd_per_day": {"all": float(Decimal(-15) / 18)},
    }
    assert set(thresholds(database).values()) == {0}


def test_a_history_that_begins_within_the_month_is_told(database: Database) -> None:
    put(database, budget())
    deliver(database, daily("2026-11-11", "2026-11-20", "2"), "2026-11-21")
    found = shown(database)
    assert found["spent_usd"] == {"all": 20}
    assert found["burn_rate_usd_per_day"] == {"all": 2}
    assert found["problems"] == {("all", "partial_history"): 1}


@pytest.mark.parametrize("currency", ["EUR", "USD"])
def test_currencies_are_converted_at_one_rate(database: Database, currency: str) -> None:
    put(database, budget(currency=currency, amount=Decimal(110)))
    rows = [
        *daily("2026-10-01", "2026-10-31", "1"),
        cost("2026-11-01", "11"),
        cost("2026-11-02", "30", currency="EUR"),
    ]
    deliver(database, rows, "2026-11-21")
    found = shown(database)
    assert found["spent_usd"]["all"] == pytest.approx(44, rel=1e-15)
    limit = {"EUR": 121, "USD": 110}[currency]
    assert found["limit_usd"]["all"] == pytest.approx(limit, rel=1e-15)


def test_without_a_rate_nothing_is_shown_but_the_problem(database: Database) -> None:
    rows = [*daily("2026-10-01", "2026-11-20", "1"), cost("2026-11-02", "30", currency="JPY")]
    deliver(database, rows, "2026-11-21")
    put(database, budget(), budget(name="yen", currency="JPY"))
    found = shown(database)
    assert found == {
        "limit_usd": {"all": 100},
        "problems": {
            ("all", "no_rate_jpy"): 1,
            ("yen", "no_rate_jpy"): 1,
        },
    }


def test_a_scope_that_matches_nothing_is_a_problem_and_not_zero(database: Database) -> None:
    deliver(database, daily("2026-10-01", "2026-11-20", "1"), "2026-11-21")
    put(
        database,
        budget(scope="team", scope_value="dtaa"),
        budget(name="gone", scope="project", scope_value="x"),
        budget(name="mars", time_zone="Mars/Olympus"),
    )
    found = shown(database)
    assert found == {
        "limit_usd": {"all": 100, "gone": 100, "mars": 100},
        "problems": {
            ("all", "no_costs"): 1,
            ("gone", "unknown_tag"): 1,
            ("mars", "unknown_time_zone"): 1,
        },
    }


def test_what_no_cut_knows_is_a_problem_and_not_zero(database: Database) -> None:
    narrow = {"cut": "account,region,service", "charge_category": "__none__"}
    rows = [
        *daily("2026-10-01", "2026-10-31", "1"),
        *daily("2026-11-01", "2026-11-20", "1", **narrow),
    ]
    deliver(database, rows, "2026-11-21")
    put(
        database,
        budget(),
        budget(name="team", scope="team", scope_value="__untagged__"),
        budget(name="gross", include_credits=False),
        budget(name="S3", scope="service", scope_value="S3"),
    )
    found = shown(database)
    assert found["spent_usd"] == {"all": 20, "S3": 20}
    assert found["problems"] == {("team", "no_cut"): 1, ("gross", "no_cut"): 1}


def test_an_empty_store_shows_limits_and_says_why_no_more(database: Database) -> None:
    put(database, budget())
    assert shown(database) == {
        "limit_usd": {"all": 100},
        "problems": {("all", "no_costs"): 1},
    }
    refreshed(database)


def test_a_threshold_stays_reached_whoever_looks_and_whatever_is_credited(
    database: Database,
) -> None:
    put(database, budget())
    rows = daily("2026-10-01", "2026-11-20", "4.5")
    deliver(database, rows, "2026-11-21")
    refreshed(database)  # 90 are spent
    credited = [*rows, cost("2026-11-20", "-60", charge_category="Credit")]
    deliver(database, credited, "2026-11-21")
    # A process that starts now has never seen it.
    assert thresholds(database) == {"50": 1, "80": 1, "100": 0, "120": 0}
    assert shown(database)["spent_usd"] == {"all": 30}
    # Another month begins anew.
    deliver(database, [*credited, *daily("2026-12-01", "2026-12-01", "1")], "2026-12-02")
    assert set(thresholds(database, at("2026-12-02T12:00")).values()) == {0}
    # Twice the limit is another budget; the owner's name is not.
    budgets.end(database, "all", NOW)
    put(database, budget(owner="finance"))
    assert thresholds(database)["80"] == 1
    put(database, budget(amount=Decimal(200)))
    assert set(thresholds(database).values()) == {0}


def test_two_replicas_agree_although_one_saw_only_the_end(database: Database) -> None:
    put(database, budget())
    rows = daily("2026-10-01", "2026-11-20", "4.5")
    first, second = Exposition(database, SETTINGS), Exposition(database, SETTINGS)
    deliver(database, rows, "2026-11-21")
    first.refresh(NOW)
    credited = [*rows, cost("2026-11-20", "-60", charge_category="Credit")]
    deliver(database, credited, "2026-11-21")
    for one in (second, first, second):
        one.refresh(NOW)
    for one in (first, second):
        assert one.snapshot is not None
        (state,) = one.snapshot.budgets
        assert state.reached == state.stored == {Decimal(50), Decimal(80)}


HISTORY = """
    SELECT day, spent FROM budget_status_history JOIN budgets USING (budget_id)
    WHERE budget_name = 'all' ORDER BY day
"""


def remembered(database: Database) -> dict[str, Decimal]:
    with database.connection() as connection:
        found = connection.execute(HISTORY.encode()).fetchall()
    return {f"{day:%m-%d}": spent for day, spent in found}


def test_each_complete_day_is_remembered_once_and_restated(database: Database) -> None:
    put(database, budget())
    rows = daily("2026-11-01", "2026-11-05", "2")
    deliver(database, rows, "2026-11-05")
    now = at("2026-11-05T12:00")
    refreshed(database, now)
    refreshed(database, now)
    assert remembered(database) == {"11-01": 2, "11-02": 4, "11-03": 6, "11-04": 8}
    deliver(database, [*rows, cost("2026-11-03", "0.5")], "2026-11-06")
    refreshed(database, at("2026-11-06T12:00"))
    assert remembered(database) == {
        "11-01": 2,
        "11-02": 4,
        "11-03": Decimal("6.5"),
        "11-04": Decimal("8.5"),
        "11-05": Decimal("10.5"),
    }
    # An ended budget keeps what was remembered.
    budgets.end(database, "all", NOW)
    refreshed(database, at("2026-11-07T12:00"))
    assert len(remembered(database)) == 5


def test_a_process_sees_what_is_set_and_when_the_budgets_clock_moves(database: Database) -> None:
    rows = daily("2026-10-01", "2026-11-30", "1")
    deliver(database, rows, "2026-12-01")
    exposition = refreshed(database, at("2026-12-05T20:00"))
    put(database, budget(time_zone="Europe/Berlin"))
    exposition.refresh(at("2026-12-05T22:59"))
    assert exposition.snapshot is not None
    assert [state.budget.name for state in exposition.snapshot.budgets] == ["all"]
    before = exposition.snapshot
    exposition.refresh(at("2026-12-05T22:59:50"))
    assert exposition.snapshot is before
    # It is the 6th in Berlin: December is the current month there, and nothing is known of it.
    exposition.refresh(at("2026-12-05T23:00:10"))
    (state,) = exposition.snapshot.budgets
    assert (state.current, [one.reason for one in state.problems]) == (None, ["no_days"])
    budgets.end(database, "all", NOW)
    exposition.refresh(at("2026-12-05T23:00:20"))
    assert exposition.snapshot.budgets == ()


def test_the_configuration_goes_first_and_what_it_drops_ends(database: Database) -> None:
    put(database, budget(), budget(name="mine"))
    configured = [replace(budget(amount=Decimal(5)), is_configured=True)]
    budgets.apply_configured(database, configured, NOW)

    def stored() -> set[tuple[str, int, bool]]:
        with database.connection() as connection:
            found = budgets.budgets(connection)
        return {(one.name, int(one.amount), one.is_configured) for one in found}

    assert stored() == {("all", 5, True), ("mine", 100, False)}
    with pytest.raises(UsageError, match="comes from the configuration"):
        budgets.put(database, budget(), "test", NOW)
    with pytest.raises(UsageError, match="comes from the configuration"):
        budgets.end(database, "all", NOW)
    budgets.apply_configured(database, [], NOW)
    assert stored() == {("mine", 100, False)}
    # Now the name is free again.
    assert budgets.put(database, budget(), "test", NOW) is True
    assert budgets.put(database, budget(), "test", NOW) is False
    assert budgets.end(database, "nobody", NOW) is False


def test_what_the_configuration_changes_is_told(database: Database) -> None:
    configured = [replace(budget(), is_configured=True)]
    assert budgets.apply_configured(database, configured, NOW) == (["all"], [])
    assert budgets.apply_configured(database, configured, NOW) == ([], [])
    assert budgets.apply_configured(database, [], NOW) == ([], ["all"])


def test_a_budget_that_comes_back_has_still_reached_what_it_had(database: Database) -> None:
    configured = [replace(budget(), is_configured=True)]
    budgets.apply_configured(database, configured, NOW)
    deliver(database, daily("2026-10-01", "2026-11-20", "5"), "2026-11-21")
    refreshed(database)
    budgets.apply_configured(database, [], NOW)
    deliver(database, daily("2026-10-01", "2026-11-20", "1"), "2026-11-21")
    budgets.apply_configured(database, configured, NOW)
    assert thresholds(database) == {"50": 1, "80": 1, "100": 1, "120": 0}


def test_a_provider_that_is_not_there_has_no_limit(database: Database) -> None:
    deliver(database, daily("2026-10-01", "2026-11-20", "1"), "2026-11-21")
    put(database, budget(scope="provider", scope_value="AWS"))
    names = {family.metric.name for family in build(database, SETTINGS, NOW).families}
    assert not [name for name in names if name.endswith("_budget_monthly_limit_usd")]
    assert shown(database)["problems"] == {("all", "no_costs"): 1}


def test_nothing_changes_where_nothing_changed(database: Database) -> None:
    configured = [replace(budget(), is_configured=True)]
    budgets.apply_configured(database, configured, NOW)
    before = generation(database)
    budgets.apply_configured(database, configured, NOW)
    assert generation(database) == before


def test_what_is_seen_of_a_budget_that_was_changed_meanwhile_is_forgotten(
    database: Database,
) -> None:
    put(database, budget())
    deliver(database, daily("2026-10-01", "2026-11-20", "4.5"), "2026-11-21")
    seen = build(database, SETTINGS, NOW)
    put(database, budget(amount=Decimal(1000)))
    record_budgets(database, seen.generation, seen.budgets, NOW)
    assert remembered(database) == {}
    assert set(thresholds(database).values()) == {0}


LOCAL_MIDNIGHT = {"UTC": 0, "America/Los_Angeles": 0, "Pacific/Auckland": -1}
"""How many UTC days before the named one a period begins, in a year's second half."""

SCOPES: dict[str, Callable[[CostRow], str]] = {
    "organization": lambda _row: "",
    "provider": lambda row: row.provider,
    "account": lambda row: row.account_id,
    "service": lambda row: row.service,
    "team": lambda row: row.tags.get("team", "__untagged__"),
}
random_rows = st.lists(
    st.builds(
        lambda back, amount, effective, category, tags, provider, account, service: cost(
            str(date(2026, 11, 21) - timedelta(days=back)),
            str(amount),
            effective=str(effective),
            charge_category=category,
            tags=tags,
            provider=provider,
            account_id=account,
            service=service,
        ),
        st.integers(0, 400),
        st.decimals(-50, 100, places=7),
        st.decimals(-50, 100, places=7),
        st.sampled_from(["Usage", "Credit"]),
        st.sampled_from([{}, {"team": "data"}]),
        st.sampled_from(["aws", "gcp"]),
        st.sampled_from(["111", "222"]),
        st.sampled_from(["S3", "EC2"]),
    ),
    min_size=1,
    max_size=40,
)
random_budgets = st.builds(
    lambda scope, place, period, zone, basis, include_credits: budget(
        scope=scope,
        scope_value={
            "organization": ("", ""),
            "provider": ("aws", "gcp"),
            "account": ("111", "222"),
            "service": ("S3", "EC2"),
            "team": ("data", "__untagged__"),
        }[scope][place],
        period=period,
        time_zone=zone,
        basis=basis,
        include_credits=include_credits,
    ),
    st.sampled_from(list(SCOPES)),
    st.integers(0, 1),
    st.sampled_from(["monthly", "quarterly", "yearly"]),
    st.sampled_from(list(LOCAL_MIDNIGHT)),
    st.sampled_from(["billed", "effective"]),
    st.booleans(),
)
BEGAN = {
    "monthly": (date(2026, 10, 1), date(2026, 11, 1)),
    "quarterly": (date(2026, 7, 1), date(2026, 10, 1)),
    "yearly": (date(2025, 1, 1), date(2026, 1, 1)),
}
"""On 21 November 2026: the first days of the period before and of the current one."""


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(random_rows, random_budgets)
def test_what_is_spent_is_a_sum_over_the_rows(
    database: Database, rows: list[CostRow], one: Budget
) -> None:
    put(database, one)
    deliver(database, rows, {"aws": "2026-11-21", "gcp": "2026-11-21"})
    matching = [
        row
        for row in rows
        if SCOPES[one.scope](row) == one.scope_value
        and (one.include_credits or row.charge_category != "Credit")
    ]
    shift = timedelta(days=LOCAL_MIDNIGHT[one.time_zone])
    before, current = (first + shift for first in BEGAN[one.period])
    found = shown(database)
    if all(row.day < before for row in matching):
        assert "spent_usd" not in found
        assert found["problems"] == {("all", "no_costs"): 1}
    else:
        expected = sum(
            (
                row.billed if one.basis == "billed" else row.effective
                for row in matching
                if row.day >= current
            ),
            Decimal(0),
        )
        assert found["spent_usd"] == {"all": float(expected)}
