"""From stored days to judged ones: what a refresh finds, writes down and shows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from exporter_families import samples
from finops_exporter.exposition.snapshot import build
from finops_exporter.model import CostRow, utc_midnight
from finops_exporter.store import anomalies
from integration.feeding import cost, swap
from integration.test_snapshot import plain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finops_exporter.store.database import Database

FIRST = date(2026, 8, 1)
LAST = date(2026, 11, 20)
S3 = ("aws", "111", "S3")
EC2 = ("aws", "111", "EC2")


def usual(last: date = LAST, **others: str) -> list[CostRow]:
    """A hundred dollars a day of one service."""
    days = (last - FIRST).days + 1
    return [cost(str(FIRST + timedelta(days=day)), "100", **others) for day in range(days)]


def on(day: date, amount: str, **others: str) -> CostRow:
    return cost(str(day), amount, **others)


def feed(database: Database, rows: list[CostRow], last: date = LAST) -> None:
    swap(database, rows, covered_until={"aws": utc_midnight(last + timedelta(days=1))})


def shown(database: Database, last: date = LAST) -> Mapping[str, dict[tuple[str, ...], float]]:
    """The families after a refresh at noon of the day after the last one."""
    now = utc_midnight(last) + timedelta(days=1, hours=12)
    snapshot = build(database, plain(), now)
    return {
        name: samples(snapshot, f"finops_cost_anomaly_{name}")
        for name in ("score", "expected_usd", "excess_usd")
    }


def test_a_spike_is_found_shown_and_written_down(database: Database) -> None:
    feed(database, [*usual(), *usual(service="EC2"), on(LAST, "200")])
    found = shown(database)
    assert found["expected_usd"] == {S3: 100, EC2: 100}
    assert found["excess_usd"] == {S3: 200, EC2: 0}
    assert found["score"][S3] > 4
    assert found["score"][EC2] == 0
    (one,) = anomalies.listed(database)
    assert (one.provider, one.account_id, one.service, one.day) == (*S3, LAST)
    assert (one.kind, one.expected_usd, one.actual_usd) == ("spike", Decimal(100), Decimal(300))


def test_what_is_no_usage_is_not_judged(database: Database) -> None:
    feed(database, [*usual(), on(LAST, "5000", charge_category="Purchase")])
    assert shown(database)["excess_usd"] == {S3: 0}
    assert anomalies.listed(database) == []


def test_effective_cost_is_judged(database: Database) -> None:
    rows = [*usual(), on(LAST, "0")._replace(effective=Decimal(200))]
    feed(database, rows)
    assert shown(database)["excess_usd"] == {S3: 200}


@pytest.mark.parametrize("status", ["acknowledged", "false_positive"])
def test_what_is_decided_disappears_from_the_families(
    database: Database, status: anomalies.Status
) -> None:
    feed(database, [*usual(), on(LAST, "200")])
    shown(database)
    (one,) = anomalies.listed(database)
    now = datetime(2026, 11, 21, tzinfo=UTC)
    anomalies.decide(database, [one.anomaly_id], status, note=None, who="ann", now=now)
    # The days before it are no anomalies, so the series is shown as it was then.
    assert shown(database)["excess_usd"] == {S3: 0}


def test_a_spike_stays_shown_for_three_days(database: Database) -> None:
    for day in range(4):
        last = LAST + timedelta(days=day)
        feed(database, [*usual(last), on(LAST, "200")], last)
        assert shown(database, last)["excess_usd"] == {S3: 200 if day < 3 else 0}
    assert len(anomalies.listed(database)) == 1


def test_several_days_that_arrive_at_once_are_all_judged(database: Database) -> None:
    before = LAST - timedelta(days=8)
    feed(database, usual(before), before)
    shown(database, before)
    late = LAST - timedelta(days=6)
    feed(database, [*usual(), on(late, "200")])
    shown(database)
    assert [one.day for one in anomalies.listed(database)] == [late]


def test_the_first_refresh_does_not_judge_all_of_history(database: Database) -> None:
    feed(database, [*usual(), on(LAST - timedelta(days=10), "200")])
    shown(database)
    assert anomalies.listed(database) == []


def test_a_spike_that_comes_by_restatement_is_found_and_one_that_goes_is_withdrawn(
    database: Database,
) -> None:
    feed(database, usual())
    shown(database)
    restated = LAST - timedelta(days=2)
    feed(database, [*usual(), on(restated, "200")])
    assert shown(database)["excess_usd"] == {S3: 200}
    feed(database, usual())
    assert shown(database)["excess_usd"] == {S3: 0}
    assert anomalies.listed(database) == []
    (one,) = anomalies.listed(database, withdrawn=True)
    assert one.day == restated


def test_a_new_service_is_told_apart_from_anomalies(database: Database) -> None:
    feed(database, [*usual(), on(LAST, "200", service="Bedrock")])
    assert ("aws", "111", "Bedrock") not in shown(database)["score"]
    (one,) = anomalies.listed(database)
    assert (one.kind, one.service, one.score) == ("new_service", "Bedrock", None)
    assert (one.expected_usd, one.excess_usd) == (Decimal(0), Decimal(200))


def test_one_series_in_two_currencies_is_judged_in_dollars(database: Database) -> None:
    rows = [*usual(), *usual(currency="EUR"), on(LAST, "200", currency="EUR")]
    feed(database, rows)
    # A euro is worth 1.10 dollars here.
    found = shown(database)
    assert found["expected_usd"][S3] == pytest.approx(210)
    assert found["excess_usd"][S3] == pytest.approx(220)


def test_a_short_history_and_small_change_show_nothing(database: Database) -> None:
    feed(database, [cost(str(LAST - timedelta(days=back)), "100") for back in range(5)])
    assert shown(database)["score"] == {}
    feed(
        database,
        [row._replace(billed=Decimal("0.01"), effective=Decimal("0.01")) for row in usual()],
    )
    assert shown(database)["score"] == {}


def test_the_alert_floor_is_a_share_of_the_mean_day(database: Database) -> None:
    rows = [row._replace(billed=row.billed * 100) for row in usual()]
    feed(database, rows)
    now = utc_midnight(LAST) + timedelta(days=1, hours=12)
    # 0.5 % of $10,000 a day.
    assert samples(build(database, plain(), now), "finops_alert_floor_usd") == {("aws",): 50}
    feed(database, usual())
    assert samples(build(database, plain(), now), "finops_alert_floor_usd") == {("aws",): 25}
