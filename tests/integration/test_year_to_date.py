"""What a year has cost so far, against plain SQL over the facts, and from which day on."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter_families import samples
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import FULL_CUT, utc_midnight
from integration.feeding import NOW, cost, costs_until, swap

if TYPE_CHECKING:
    from finops_exporter.model import CostRow
    from finops_exporter.store.database import Database

FAMILY = "aws_cost_year_to_date_usd"
NARROW = "account,charge_category"
UNKNOWN = {FULL_CUT: {}, NARROW: {"service": "__none__", "region": "__none__"}}
"""What a cut does not know."""

PLAIN = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team",),
    lags={"bill": timedelta(0)},
    rate=lambda currency, _on: {"USD": Decimal(1), "EUR": Decimal("1.1")}.get(currency),
)


def shown(
    database: Database, now: datetime = NOW, setup: Settings = PLAIN
) -> dict[tuple[str, ...], float]:
    return samples(build(database, setup, now), FAMILY)


def stored(database: Database, since: str, before: str) -> dict[str, float]:
    """Exact sums of facts by account, by plain SQL."""
    with database.connection() as connection:
        found = connection.execute(
            "SELECT g.account_id, sum(f.billed) FROM cost_facts f"
            " JOIN cost_series s USING (series_id) JOIN cost_groups g USING (group_id)"
            " WHERE g.provider = 'aws' AND g.cut = %s AND f.day >= %s AND f.day < %s GROUP BY 1",
            (FULL_CUT, since, before),
        ).fetchall()
    return {account: float(billed) for account, billed in found}


def through(day: str) -> dict[str, datetime]:
    """Usage that reaches to the end of a day."""
    return {"aws": utc_midnight(date.fromisoformat(day) + timedelta(days=1))}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(costs_until(date(2026, 11, 21), 700))
def test_it_is_the_sum_of_the_stored_days_of_the_year(
    database: Database, rows: list[CostRow]
) -> None:
    swap(database, rows, parts=[""])
    found = shown(database)
    expected = stored(database, "2026-01-01", "2026-12-01")
    assert {account: usd for (account, _), usd in found.items()} == pytest.approx(expected)
    oldest = min(row.day for row in rows)
    of_year = {row.day for row in rows if row.day >= date(2026, 1, 1)}
    since = max(min(of_year, default=oldest).replace(day=1), oldest)
    assert {day for _, day in found} == ({str(since)} if of_year else set())


def test_it_is_what_the_months_of_the_year_have_shown(database: Database) -> None:
    day, rows = date(2025, 12, 1), []
    while day <= date(2026, 11, 21):
        rows += [cost(str(day), f"{day.day}.{day.month:02}", account_id=a) for a in ("111", "222")]
        day += timedelta(days=1)
    swap(database, rows)
    months: dict[str, float] = defaultdict(float)
    for month in range(1, 13):
        now = datetime(2026, month, 25, tzinfo=UTC)
        for key, usd in samples(build(database, PLAIN, now), "aws_cost_monthly_usd").items():
            if key[0] <= "2026-11":
                months[key[1]] += usd
    assert shown(database) == {
        ("111", "2026-01-01"): pytest.approx(months["111"]),
        ("222", "2026-01-01"): pytest.approx(months["222"]),
    }


@pytest.mark.parametrize(
    ("days", "since"),
    [
        (["2025-12-31", "2026-01-02", "2026-11-20"], "2026-01-01"),
        (["2026-01-01", "2026-11-20"], "2026-01-01"),
        (["2026-01-02", "2026-11-20"], "2026-01-02"),
        (["2026-06-15", "2026-11-20"], "2026-06-15"),
        (["2026-11-20"], "2026-11-20"),
        # An archive of a former year, and nothing after it until June.
        (["2025-03-01", "2026-06-15", "2026-11-20"], "2026-06-01"),
    ],
)
def test_it_says_from_which_day_on_it_holds(
    days: list[str], since: str, database: Database
) -> None:
    swap(database, [cost(day, "1") for day in days])
    in_year = sum(day >= "2026" for day in days)
    assert shown(database) == {("111", since): in_year}


def test_an_account_that_came_later_holds_from_the_same_day_on(database: Database) -> None:
    swap(database, [cost("2026-02-03", "1"), cost("2026-11-20", "2", account_id="222")])
    assert shown(database) == {("111", "2026-02-03"): 1, ("222", "2026-02-03"): 2}


@pytest.mark.parametrize(
    ("newest", "now", "expected"),
    [
        # December is held until the first complete day of January, five days at most.
        ("2026-12-30", "2027-01-01T00:00", {("111", "2026-12-29"): 6}),
        ("2026-12-31", "2027-01-05T23:00", {("111", "2026-12-29"): 6}),
        ("2026-12-31", "2027-01-06T00:00", {("111", "2027-01-01"): 8}),
        ("2027-01-01", "2027-01-02T00:00", {("111", "2027-01-01"): 8}),
    ],
)
def test_the_year_turns_when_the_month_does(
    newest: str, now: str, expected: dict[tuple[str, ...], float], database: Database
) -> None:
    rows = [cost("2026-12-29", "2"), cost("2026-12-31", "4"), cost("2027-01-01", "8")]
    swap(database, rows, covered_until=through(newest))
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert shown(database, moment) == expected
    month = samples(build(database, PLAIN, moment), "aws_cost_monthly_usd")
    assert sum(month.values()) == sum(expected.values())


def test_a_year_of_which_nothing_is_stored_is_not_zero(database: Database) -> None:
    swap(database, [cost("2025-12-31", "1")])
    assert shown(database) == {}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.sets(st.sampled_from([FULL_CUT, NARROW]), min_size=0), max_size=10))
def test_several_cuts_of_the_same_money_count_once(
    database: Database, given_in: list[set[str]]
) -> None:
    """Each month in one cut, in the other, in both or not at all; of both only one is read."""
    rows = [
        cost(f"2026-{month:02}-03", str(2**month), cut=cut, part=cut, **UNKNOWN[cut])
        for month, cuts in enumerate([*given_in, {FULL_CUT}], start=1)
        for cut in sorted(cuts)
    ]
    swap(database, rows, parts=[FULL_CUT, NARROW])
    expected = sum({2**row.day.month for row in rows})
    assert shown(database) == {("111", str(min(row.day for row in rows))): expected}


def test_a_month_without_accounts_leaves_its_provider_out(database: Database) -> None:
    blind = cost("2026-05-01", "3", cut="charge_category,service", account_id="__none__")
    swap(database, [blind, cost("2026-11-20", "1"), cost("2026-11-20", "5", provider="gcp")])
    snapshot = build(database, PLAIN, NOW)
    assert samples(snapshot, FAMILY) == {}
    assert samples(snapshot, "gcp_cost_year_to_date_usd") == {("111", "2026-11-20"): 5}
    assert sum(samples(snapshot, "aws_cost_monthly_usd").values()) == 1


def test_basis_and_rates_are_those_of_the_other_families(database: Database) -> None:
    rows = [
        cost("2026-03-01", "1", effective="10"),
        cost("2026-04-01", "2", effective="20", currency="EUR"),
        cost("2026-02-01", "4", currency="JPY"),
    ]
    swap(database, rows)
    # Yen are stored from February on; without a rate no family shows them.
    assert shown(database) == {("111", "2026-02-01"): pytest.approx(3.2)}
    effective = shown(database, setup=replace(PLAIN, basis="effective"))
    assert effective == {("111", "2026-02-01"): pytest.approx(32)}


def test_it_is_read_from_the_months(database: Database) -> None:
    swap(database, [cost("2026-03-01", "1"), cost("2026-11-20", "2")])
    with database.connection() as connection:
        connection.execute("DELETE FROM cost_facts")
        connection.execute("DELETE FROM cost_days")
    assert shown(database) == {("111", "2026-03-01"): 3}


def test_small_accounts_fold_in_it_as_in_the_other_families(database: Database) -> None:
    rows = [
        cost(str(date(2026, 11, 20) - timedelta(days=back)), str(n), account_id=f"{n:02}")
        for n in range(1, 31)
        for back in (0, 40, 200)
    ]
    swap(database, rows, covered_until=through("2026-11-20"))
    snapshot = build(database, replace(PLAIN, max_series=20), NOW)
    found, days = samples(snapshot, FAMILY), samples(snapshot, "aws_cost_trailing_30d_usd")
    assert {account for account, _ in found} == {account for account, _ in days}
    assert ("__other__", "2026-05-04") in found
    assert sum(found.values()) == 3 * sum(range(1, 31))
