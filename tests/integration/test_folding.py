"""Folding on a real store: sums are conserved, members stay, replicas agree."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from exporter_families import samples
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import Snapshot, build
from finops_exporter.store.database import Database
from integration.feeding import NOW, cost, swap

if TYPE_CHECKING:
    from finops_exporter.model import CostRow
    from finops_exporter.store.members import Choice, Scope

OTHER = "__other__"
NEWEST = date(2026, 11, 20)
COVERED = {"aws": datetime(2026, 11, 21, tzinfo=UTC)}
SETTINGS = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team",),
    lags={"bill": timedelta(0)},
    rate=lambda _currency, _day: Decimal(1),
)
FOLDED = replace(SETTINGS, max_series=40)

# Families by how many of their last labels are dimensions; the labels before stay as they are.
DIMENSIONS = {
    "aws_cost_monthly_usd": 3,
    "aws_cost_previous_month_usd": 3,
    "aws_cost_daily_usd": 3,
    "aws_cost_usage_daily_usd": 2,
    "aws_cost_allocated_monthly_usd": 1,
}


def bill(services: int, seed: int = 1) -> list[CostRow]:
    """Every service on many days, of sizes that change from day to day; credits among them."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    return [
        cost(
            str(NEWEST - timedelta(days=back)),
            str(Decimal(chance.randrange(-2000, 10_000 * (service + 1))).scaleb(-4)),
            service=f"service {service:02}",
            account_id=f"account {service % 3}",
            tags={"team": f"team {service}"},
        )
        for back in (0, 1, 2, 7, 50)
        for service in range(services)
    ]


def totals(snapshot: Snapshot, name: str, dimensions: int) -> dict[tuple[str, ...], float]:
    """The sums over the dimensions."""
    found: dict[tuple[str, ...], float] = defaultdict(float)
    for key, number in samples(snapshot, name).items():
        found[key[:-dimensions]] += number
    return {key: round(number, 6) for key, number in found.items()}


def members(snapshot: Snapshot, name: str, dimensions: int = 3) -> set[tuple[str, ...]]:
    return {key[-dimensions:] for key in samples(snapshot, name)}


def test_the_smallest_become_one_and_every_sum_stays(database: Database) -> None:
    swap(database, bill(50), covered_until=COVERED)
    whole, folded = build(database, SETTINGS, NOW), build(database, FOLDED, NOW)
    for name, dimensions in DIMENSIONS.items():
        assert totals(folded, name, dimensions) == totals(whole, name, dimensions)
        assert 0 < len(samples(folded, name)) <= 40 < len(samples(whole, name))
        assert (OTHER,) * dimensions in members(folded, name, dimensions)
        hidden = len(samples(whole, name)) - sum(
            key[-dimensions:] != (OTHER,) * dimensions for key in samples(folded, name)
        )
        assert samples(folded, "finops_series_dropped_to_other")[(name,)] == hidden
    assert set(samples(whole, "finops_series_dropped_to_other").values()) == {0}
    # What has few series is shown as it is.
    assert samples(folded, "aws_cost_today_usd") == samples(whole, "aws_cost_today_usd")


def test_all_families_and_offsets_show_the_same_members(database: Database) -> None:
    swap(database, bill(50), covered_until=COVERED)
    snapshot = build(database, FOLDED, NOW)
    shown = members(snapshot, "aws_cost_monthly_usd")
    assert members(snapshot, "aws_cost_previous_month_usd") == shown
    assert members(snapshot, "aws_cost_daily_usd") == shown


def test_members_stay_for_the_month_whatever_the_amounts_become(database: Database) -> None:
    swap(database, bill(50), covered_until=COVERED)
    first = members(build(database, FOLDED, NOW), "aws_cost_monthly_usd")
    # All sizes change, and as many services again appear.
    rows = [
        row._replace(billed=row.billed * (-1) ** number * number)
        for number, row in enumerate(bill(100, seed=2))
    ]
    swap(database, rows, covered_until=COVERED)
    later = members(build(database, FOLDED, NOW), "aws_cost_monthly_usd")
    assert first < later
    assert len(later) <= 13  # a third of 40 for each offset, __other__ included
    assert members(build(database, FOLDED, NOW), "aws_cost_monthly_usd") == later


def test_a_new_month_chooses_anew_and_so_does_another_limit(database: Database) -> None:
    swap(database, bill(50), covered_until=COVERED)
    first = members(build(database, FOLDED, NOW), "aws_cost_monthly_usd")
    wider = members(build(database, replace(FOLDED, max_series=60), NOW), "aws_cost_monthly_usd")
    assert len(first) < len(wider)
    december = [
        row._replace(day=row.day + timedelta(days=30), billed=Decimal(100 - int(row.service[-2:])))
        for row in bill(50)
    ]
    swap(database, december, covered_until={"aws": datetime(2026, 12, 21, tzinfo=UTC)})
    anew = members(build(database, FOLDED, NOW + timedelta(days=30)), "aws_cost_monthly_usd")
    assert {service for _, _, service in anew} == {
        OTHER,
        *(f"service {number:02}" for number in range(11)),
    }


@pytest.mark.parametrize("seed", range(3))
def test_two_replicas_show_the_same(database: Database, seed: int) -> None:
    """Each sees another state first; whoever writes first decides for both."""
    other = Database(database._url)  # noqa: SLF001 - a second process has the same URL
    other.open()
    try:
        shown: list[set[tuple[str, ...]]] = []
        for step, replica in enumerate((database, other, database, other)):
            swap(database, bill(45 + step, seed + step), covered_until=COVERED)
            shown.append(members(build(replica, FOLDED, NOW), "aws_cost_monthly_usd"))
        assert shown[0] <= shown[1] <= shown[2] <= shown[3]
    finally:
        other.close()


def test_without_room_all_is_one(database: Database) -> None:
    swap(database, bill(5), covered_until=COVERED)
    snapshot = build(database, replace(FOLDED, max_series=3), NOW)
    assert members(snapshot, "aws_cost_monthly_usd") == {(OTHER, OTHER, OTHER)}
    whole = build(database, SETTINGS, NOW)
    for name, dimensions in DIMENSIONS.items():
        assert totals(snapshot, name, dimensions) == totals(whole, name, dimensions)


def test_judgements_are_shown_of_what_is_shown_and_of_what_is_loud(database: Database) -> None:
    rows = [
        cost(str(NEWEST - timedelta(days=back)), str(10 + service), service=f"s{service:02}")
        for back in range(60)
        for service in range(60)
    ]
    # The smallest of all, which is folded, costs ten times as much on the newest day.
    rows.append(cost(str(NEWEST), "90", service="s00"))
    swap(database, rows, covered_until=COVERED)
    judged = set(samples(build(database, SETTINGS, NOW), "finops_cost_anomaly_score"))
    assert len(judged) == 60
    folded = build(database, FOLDED, NOW)
    shown = {("aws", *key[1:]) for key in samples(folded, "aws_cost_usage_daily_usd")}
    assert ("aws", "111", "s00") not in shown
    assert set(samples(folded, "finops_cost_anomaly_score")) == (
        shown - {("aws", OTHER, OTHER)} | {("aws", "111", "s00")}
    )


def test_a_look_shows_the_same_and_chooses_for_nobody(database: Database) -> None:
    swap(database, bill(20), covered_until=COVERED)
    look = build(database, FOLDED, NOW, keep=False)
    with database.connection() as connection:
        for table in ("series_members", "cost_anomalies", "anomaly_progress"):
            assert connection.execute(f"SELECT FROM {table}").fetchall() == []
    kept = build(database, FOLDED, NOW)
    assert look.families == kept.families
    assert build(database, FOLDED, NOW, keep=False).families == kept.families


def test_choices_that_are_given_hold_instead_of_those_in_the_store(database: Database) -> None:
    rows = bill(60)
    swap(database, rows, covered_until=COVERED)
    choices: dict[Scope, Choice] = {}
    first = build(database, FOLDED, NOW, keep=False, choices=choices)
    shown = members(first, "aws_cost_monthly_usd")
    assert len(shown) > 1
    # What was the smallest is the largest now, and stays folded: it was not chosen.
    risen = cost(str(NEWEST), "1e6", service="service 00", account_id="account 0")
    swap(database, [*rows, risen], covered_until=COVERED)
    again = build(database, FOLDED, NOW, keep=False, choices=choices)
    assert members(again, "aws_cost_monthly_usd") == shown
    chosen_anew = build(database, FOLDED, NOW, keep=False, choices={})
    assert members(chosen_anew, "aws_cost_monthly_usd") != shown
    written = build(database, FOLDED, NOW)
    assert members(written, "aws_cost_monthly_usd") != shown
