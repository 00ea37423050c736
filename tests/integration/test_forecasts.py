"""What the metrics say of the time to come, on costs whose future is plain."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from exporter_families import samples
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import CostRow, utc_midnight
from integration.feeding import cost, swap
from integration.test_budgets import budget, put
from integration.test_snapshot import plain

if TYPE_CHECKING:
    from finops_exporter.exposition.snapshot import Snapshot
    from finops_exporter.store.database import Database

FIRST = date(2026, 3, 1)
ESTIMATES = ("p10", "p50", "p90")


def steady(last: date, usd: str = "100", **others: Any) -> list[CostRow]:
    """As much every day."""
    return [
        cost(str(FIRST + timedelta(days=day)), usd, **others)
        for day in range((last - FIRST).days + 1)
    ]


def after(database: Database, rows: list[CostRow], last: date) -> Snapshot:
    """The snapshot at noon of the day after `last`, the newest complete one."""
    swap(database, rows, covered_until={"aws": utc_midnight(last + timedelta(days=1))})
    return build(database, plain(), utc_midnight(last) + timedelta(days=1, hours=12))


def forecast(snapshot: Snapshot) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for (horizon, estimate), usd in samples(snapshot, "aws_cost_forecast_usd").items():
        found[horizon][estimate] = usd
    return found


def budgets(snapshot: Snapshot, name: str = "all") -> dict[str, float]:
    found = samples(snapshot, "cloud_budget_forecast_usd")
    return {key[-1]: usd for key, usd in found.items() if key[0] == name}


def test_what_is_steady_goes_on(database: Database) -> None:
    last = date(2026, 11, 20)
    found = forecast(after(database, steady(last), last))
    assert {horizon: round(usd["p50"], 2) for horizon, usd in found.items()} == {
        "month_end": 3000,
        "30d": 3000,
        "90d": 9000,
    }
    for estimates in found.values():
        assert tuple(sorted(estimates)) == ESTIMATES
        assert estimates["p10"] <= estimates["p50"] <= estimates["p90"]


def test_weekends_count_as_weekends(database: Database) -> None:
    last = date(2026, 11, 20)
    rows = [
        row._replace(billed=row.billed / 10) if row.day.weekday() >= 5 else row
        for row in steady(last)
    ]
    # November 2026 has 21 working days and 9 days of weekends.
    assert forecast(after(database, rows, last))["month_end"]["p50"] == pytest.approx(
        2190, rel=0.005
    )


@pytest.mark.parametrize(("days", "is_there"), [(1, False), (2, False), (3, True), (10, True)])
def test_there_is_none_before_three_complete_days_of_the_month(
    database: Database,
    days: int,
    is_there: bool,  # noqa: FBT001 - a column of the table
) -> None:
    put(database, budget())
    last = date(2026, 11, days)
    snapshot = after(database, steady(last), last)
    assert ("month_end" in forecast(snapshot)) is is_there
    assert bool(budgets(snapshot)) is is_there
    assert {"30d", "90d"} <= forecast(snapshot).keys()


def test_a_store_that_has_just_begun_promises_nothing(database: Database) -> None:
    last = date(2026, 11, 2)
    rows = [cost("2026-11-01", "100"), cost("2026-11-02", "100")]
    assert forecast(after(database, rows, last)) == {}


@pytest.mark.parametrize(
    ("period", "usd"),
    [
        ("monthly", 30 * 100),
        ("quarterly", (31 + 30 + 31) * 100),
    ],
)
def test_a_budget_adds_what_was_before_to_what_is_to_come(
    database: Database, period: str, usd: int
) -> None:
    put(database, budget(period=period))
    last = date(2026, 11, 20)
    found = budgets(after(database, steady(last), last))
    assert tuple(sorted(found)) == ESTIMATES
    assert found["p50"] == pytest.approx(usd, rel=1e-6)


def test_a_year_takes_what_was_before_the_days_that_are_looked_at(database: Database) -> None:
    put(database, budget(period="yearly"))
    last = date(2026, 11, 20)
    since = date(2025, 11, 1)
    rows = [cost(str(since + timedelta(days=n)), "100") for n in range((last - since).days + 1)]
    assert budgets(after(database, rows, last))["p50"] == pytest.approx(36500, rel=1e-6)


def test_there_is_none_of_a_period_that_is_only_partly_known(database: Database) -> None:
    put(database, budget(period="yearly"))  # the store begins on the first of March
    last = date(2026, 11, 20)
    assert budgets(after(database, steady(last), last)) == {}


def test_each_budget_has_its_own_part(database: Database) -> None:
    last = date(2026, 11, 20)
    put(
        database,
        budget(name="data", scope="team", scope_value="data"),
        budget(name="euro", currency="EUR"),
        budget(name="s3", scope="service", scope_value="S3"),
        budget(name="nobody", scope="team", scope_value="nobody"),
    )
    rows = [
        *steady(last, "10", tags={"team": "data"}),
        *steady(last, "30", service="EC2"),
        *steady(last, "20", currency="EUR", service="EC2"),
    ]
    snapshot = after(database, rows, last)
    p50 = {name: budgets(snapshot, name).get("p50") for name in ("data", "euro", "s3", "nobody")}
    assert p50 == {
        "data": pytest.approx(300),
        "euro": pytest.approx(30 * (10 + 30 + 20 * 1.1)),
        "s3": pytest.approx(300),
        "nobody": None,
    }


def test_credits_can_be_left_out(database: Database) -> None:
    last = date(2026, 11, 20)
    put(database, budget(name="net"), budget(name="gross", include_credits=False))
    rows = [*steady(last), *steady(last, "-40", charge_category="Credit")]
    snapshot = after(database, rows, last)
    assert budgets(snapshot, "net")["p50"] == pytest.approx(1800)
    assert budgets(snapshot, "gross")["p50"] == pytest.approx(3000)


def test_the_linear_method_is_there_to_be_chosen(database: Database) -> None:
    last = date(2026, 11, 10)
    rows = [
        row._replace(billed=Decimal(1000)) if row.day == date(2026, 11, 1) else row
        for row in steady(last)
    ]
    swap(database, rows, covered_until={"aws": utc_midnight(last + timedelta(days=1))})
    now = utc_midnight(last) + timedelta(days=1, hours=12)
    chosen = replace(plain(), forecast_method="linear")
    # Of eight settled days: (1000 + 7 * 100) / 8 a day, thirty days long.
    expected = (1000 + 7 * 100) / 8 * 30
    assert forecast(build(database, chosen, now))["month_end"]["p50"] == pytest.approx(expected)
    assert forecast(build(database, plain(), now))["month_end"]["p50"] == pytest.approx(
        3900, rel=0.005
    )
