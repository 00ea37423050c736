from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from prometheus_client.parser import text_string_to_metric_families

from exporter_families import samples, text_of
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import Snapshot, build
from finops_exporter.model import Account, ControlTotal, CostRow, Rejected
from integration.feeding import NOW, cost, costs_until, swap

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finops_exporter.model import Basis
    from finops_exporter.store.database import Database

EURO = Decimal("1.10")


def rate(currency: str, _on: date) -> Decimal | None:
    return {"USD": Decimal(1), "EUR": EURO}.get(currency)


def plain(basis: Basis = "billed", **lags: int) -> Settings:
    return Settings(
        basis=basis,
        hold=timedelta(days=5),
        tags=("team",),
        lags={name: timedelta(hours=hours) for name, hours in (lags or {"bill": 0}).items()},
        rate=rate,
        owners={("aws", "111"): "platform"},
    )


def test_an_empty_store_shows_no_cost_at_all(database: Database) -> None:
    snapshot = build(database, plain(), NOW)
    assert [family.metric.name for family in snapshot.families] == [
        "finops_cost_basis_info",
        "finops_source_lag_seconds",
    ]
    assert snapshot.times == ()


def test_months_days_and_today_are_different_things(database: Database) -> None:
    rows = [
        cost("2026-10-01", "0.25"),
        cost("2026-10-31", "0.75"),
        cost("2026-11-13", "2"),
        cost("2026-11-19", "4"),
        cost("2026-11-20", "8", charge_category="Tax"),
        cost("2026-11-20", "16"),
        cost("2026-11-21", "32"),
    ]
    swap(database, rows, covered_until={"aws": datetime(2026, 11, 21, 9, tzinfo=UTC)})
    snapshot = build(database, plain(), NOW)
    place = ("111", "us-east-1", "S3")
    assert samples(snapshot, "aws_cost_monthly_usd") == {("2026-11", *place): 62}
    assert samples(snapshot, "aws_cost_previous_month_usd") == {("2026-10", *place): 1}
    assert samples(snapshot, "aws_cost_daily_usd") == {
        ("1", *place): 24,
        ("2", *place): 4,
        ("8", *place): 2,
    }
    assert samples(snapshot, "aws_cost_usage_daily_usd") == {
        ("1", "111", "S3"): 16,
        ("2", "111", "S3"): 4,
        ("8", "111", "S3"): 2,
    }
    assert samples(snapshot, "aws_cost_today_usd") == {("111",): 32}
    assert samples(snapshot, "aws_cost_charge_category_monthly_usd") == {
        ("2026-11", "Tax"): 8,
        ("2026-11", "Usage"): 54,
    }
    assert samples(snapshot, "finops_billing_data_newest_day_timestamp_seconds") == {
        ("aws",): datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    }


def test_today_is_absent_where_nothing_of_today_is_known(database: Database) -> None:
    swap(
        database,
        [cost("2026-11-20", "1")],
        covered_until={"aws": datetime(2026, 11, 21, tzinfo=UTC)},
    )
    assert samples(build(database, plain(), NOW), "aws_cost_today_usd") == {}


def test_a_lag_makes_days_complete_later(database: Database) -> None:
    rows = [cost("2026-11-19", "4"), cost("2026-11-20", "8")]
    swap(database, rows, covered_until={"aws": datetime(2026, 11, 21, tzinfo=UTC)})
    assert samples(build(database, plain(bill=24), NOW), "aws_cost_daily_usd") == {
        ("1", "111", "us-east-1", "S3"): 4
    }
    later = NOW + timedelta(hours=12)
    assert ("2", "111", "us-east-1", "S3") in samples(
        build(database, plain(bill=24), later), "aws_cost_daily_usd"
    )


def test_on_the_first_the_month_stays_until_a_day_of_the_new_one_is_complete(
    database: Database,
) -> None:
    rows = [cost("2026-11-29", "1"), cost("2026-11-30", "2"), cost("2026-12-01", "4")]
    swap(database, rows, covered_until={"aws": datetime(2026, 12, 1, 6, tzinfo=UTC)})
    place = ("111", "us-east-1", "S3")

    def shown(now: datetime) -> dict[tuple[str, ...], float]:
        return samples(build(database, plain(), now), "aws_cost_monthly_usd")

    assert shown(datetime(2026, 12, 1, 8, tzinfo=UTC)) == {("2026-11", *place): 3}
    assert shown(datetime(2026, 12, 5, 23, tzinfo=UTC)) == {("2026-11", *place): 3}
    # Nothing came for five days: the month moves, and shows what there is of it.
    assert shown(datetime(2026, 12, 6, tzinfo=UTC)) == {("2026-12", *place): 4}
    assert shown(datetime(2027, 1, 20, tzinfo=UTC)) == {}


def test_trailing_windows_are_absent_until_the_store_reaches_back(database: Database) -> None:
    newest = date(2026, 11, 20)

    def fill(days: int) -> dict[tuple[str, ...], float]:
        rows = [cost(str(newest - timedelta(days=back)), "1") for back in range(days)]
        swap(database, rows, covered_until={"aws": datetime(2026, 11, 21, tzinfo=UTC)})
        return samples(build(database, plain(), NOW), "aws_cost_trailing_30d_usd")

    assert fill(29) == {}
    assert fill(30) == {("111", "current"): 30}
    assert fill(59) == {("111", "current"): 30}
    assert fill(61) == {("111", "current"): 30, ("111", "previous"): 30}


def test_each_tags_values_add_up_to_the_whole(database: Database) -> None:
    rows = [
        cost("2026-11-01", "1", tags={"team": "data"}),
        cost("2026-11-01", "2", tags={"project": "x"}),
        cost("2026-11-02", "-0.5", charge_category="Credit"),
    ]
    swap(database, rows)
    assert samples(build(database, plain(), NOW), "aws_cost_allocated_monthly_usd") == {
        ("2026-11", "team", "data"): 1,
        ("2026-11", "team", "__untagged__"): 1.5,
    }


def test_other_providers_share_families_with_a_label(database: Database) -> None:
    covered = {"oracle": NOW, "snowflake": NOW}
    rows = [
        cost("2026-11-01", "1", provider="oracle"),
        cost("2026-11-01", "2", provider="snowflake"),
    ]
    swap(database, rows, covered_until=covered)
    assert samples(build(database, plain(), NOW), "other_cost_charge_category_monthly_usd") == {
        ("oracle", "2026-11", "Usage"): 1,
        ("snowflake", "2026-11", "Usage"): 2,
    }


def test_currencies_are_converted_or_counted_never_guessed(database: Database) -> None:
    rows = [
        cost("2026-11-01", "1"),
        cost("2026-11-01", "10", currency="EUR"),
        cost("2026-11-01", "1000", currency="JPY"),
    ]
    swap(database, rows)
    snapshot = build(database, plain(), NOW)
    assert samples(snapshot, "aws_cost_charge_category_monthly_usd") == {("2026-11", "Usage"): 12}
    assert samples(snapshot, "finops_unconverted_rows") == {("bill", "no_rate_jpy"): 1}


def test_the_basis_is_the_configured_one_and_says_so(database: Database) -> None:
    swap(database, [cost("2026-11-01", "1", effective="3")])
    snapshot = build(database, plain("effective"), NOW)
    assert samples(snapshot, "aws_cost_charge_category_monthly_usd") == {("2026-11", "Usage"): 3}
    assert samples(snapshot, "finops_cost_basis_info") == {("effective",): 1}


def test_what_was_left_out_and_what_does_not_tie_is_shown(database: Database) -> None:
    control = ControlTotal("", "aws", date(2026, 11, 1), "USD", Decimal("3.5"), Decimal(3))
    bad = Rejected("x.csv", "bad_amount", "no number", rows=7)
    account = Account("aws", "111", "prod", "payer")
    swap(
        database, [cost("2026-11-01", "3")], controls=[control], rejected=[bad], accounts=[account]
    )
    snapshot = build(database, plain(), NOW)
    assert samples(snapshot, "aws_cost_unreconciled_usd") == {("2026-11",): 0.5}
    assert samples(snapshot, "finops_rejected_rows") == {("bill", "bad_amount"): 7}
    assert samples(snapshot, "finops_account_info") == {
        ("aws", "111", "prod", "payer", "platform"): 1
    }


def test_a_currency_is_counted_exactly_where_it_is_left_out(database: Database) -> None:
    """The rate of the newest complete day decides both, not the one of today."""
    swap(
        database,
        [cost("2026-11-18", "10", currency="EUR")],
        covered_until={"aws": datetime(2026, 11, 19, tzinfo=UTC)},
    )

    def young(currency: str, on: date) -> Decimal | None:
        known = currency == "USD" or on >= date(2026, 11, 20)
        return Decimal(1) if known else None

    snapshot = build(database, replace(plain(), rate=young), NOW)
    assert samples(snapshot, "aws_cost_charge_category_monthly_usd") == {}
    assert samples(snapshot, "finops_unconverted_rows") == {("bill", "no_rate_eur"): 1}


def test_restated_dollars_do_not_fall_when_a_new_rate_holds(database: Database) -> None:
    for amount in ("1000", "0"):
        swap(database, [cost("2026-11-01", amount, currency="EUR")])

    def falling(_currency: str, on: date) -> Decimal | None:
        return Decimal("1.1") if on < date(2026, 11, 15) else Decimal(1)

    snapshot = build(database, replace(plain(), rate=falling), NOW)
    assert samples(snapshot, "aws_cost_restated_usd_total") == {(): 1100}


def test_a_provider_without_usage_is_shown_through_its_last_day(database: Database) -> None:
    row = cost("2026-11-19", "110", charge_category="Purchase")
    swap(database, [row], covered_until={})
    snapshot = build(database, plain(), NOW)
    assert snapshot.times[0].newest_complete == date(2026, 11, 19)
    assert samples(snapshot, "aws_cost_charge_category_monthly_usd") == {
        ("2026-11", "Purchase"): 110
    }


def test_restated_dollars_are_a_counter_that_begins_at_zero(database: Database) -> None:
    swap(database, [cost("2026-11-01", "10")])
    assert samples(build(database, plain(), NOW), "aws_cost_restated_usd_total") == {(): 0}
    swap(database, [cost("2026-11-01", "7")])
    assert samples(build(database, plain(), NOW), "aws_cost_restated_usd_total") == {(): 3}
    swap(database, [cost("2026-11-01", "9")])
    assert samples(build(database, plain(), NOW), "aws_cost_restated_usd_total") == {(): 5}


def test_a_source_that_is_configured_no_more_speaks_only_where_nobody_else_does(
    database: Database,
) -> None:
    old = {"aws": datetime(2026, 11, 18, tzinfo=UTC)}
    swap(database, [cost("2026-11-17", "1", account_id="9")], source="old", covered_until=old)
    assert build(database, plain(), NOW).times[0].newest_complete == date(2026, 11, 17)
    new = {"aws": datetime(2026, 11, 21, tzinfo=UTC)}
    swap(database, [cost("2026-11-20", "1")], covered_until=new)
    assert build(database, plain(), NOW).times[0].newest_complete == date(2026, 11, 20)
    both = plain(bill=0, old=0)
    assert build(database, both, NOW).times[0].newest_complete == date(2026, 11, 17)


def expected_sum(rows: Iterable[CostRow], first: date, last: date) -> dict[str, float]:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        if first <= row.day <= last:
            sums[row.account_id] += row.billed
    return {account: float(amount) for account, amount in sums.items()}


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(costs_until(date(2026, 11, 21), 70))
def test_every_family_equals_a_sum_over_the_rows(database: Database, rows: list[CostRow]) -> None:
    swap(database, rows, parts=[""], covered_until={"aws": datetime(2026, 11, 21, 9, tzinfo=UTC)})
    snapshot = build(database, plain(), NOW)

    def by_account(name: str, place: int, **where: str) -> dict[str, float]:
        index = {label: at for at, label in enumerate(_labels(snapshot, name))}
        sums: dict[str, float] = defaultdict(float)
        for key, number in samples(snapshot, name).items():
            if all(key[index[label]] == value for label, value in where.items()):
                sums[key[place]] += number
        return sums

    for name, where, first, last in [
        ("aws_cost_monthly_usd", {}, date(2026, 11, 1), date(2026, 11, 30)),
        ("aws_cost_previous_month_usd", {}, date(2026, 10, 1), date(2026, 10, 31)),
        ("aws_cost_daily_usd", {"day_offset": "1"}, date(2026, 11, 20), date(2026, 11, 20)),
        ("aws_cost_daily_usd", {"day_offset": "8"}, date(2026, 11, 13), date(2026, 11, 13)),
        ("aws_cost_usage_daily_usd", {"day_offset": "2"}, date(2026, 11, 19), date(2026, 11, 19)),
        ("aws_cost_today_usd", {}, date(2026, 11, 21), date(2026, 11, 21)),
    ]:
        place = _labels(snapshot, name).index("account_id") if _labels(snapshot, name) else 0
        found = by_account(name, place, **where)
        expected = expected_sum(rows, first, last)
        if "previous" in name and min(row.day for row in rows) > first:
            expected = {}  # unknown as a whole
        assert found.keys() == expected.keys(), name
        for account, amount in expected.items():
            assert abs(found[account] - amount) < 1e-9, name


def _labels(snapshot: Snapshot, name: str) -> tuple[str, ...]:
    return next((f.metric.labels for f in snapshot.families if f.metric.name == name), ())


def test_a_scraper_never_sees_a_part_of_a_refresh(database: Database) -> None:
    """Two accounts always add up to 100; a hundred refreshes move the money between them."""
    exposition = Exposition(database, plain())
    done = threading.Event()
    seen: list[float] = []
    wrong: list[str] = []

    def scrape() -> None:
        last: object = None
        while not done.is_set():
            page = exposition.page
            text = text_of(page)
            if page is last or "aws_cost_monthly_usd" not in text:
                continue
            last = page
            families = {
                family.name: family.samples for family in text_string_to_metric_families(text)
            }
            total = sum(sample.value for sample in families["aws_cost_monthly_usd"])
            seen.append(total)
            if total != 100 or len(families["aws_cost_daily_usd"]) != 2:
                wrong.append(text)

    scraper = threading.Thread(target=scrape)
    scraper.start()
    covered = {"aws": datetime(2026, 11, 21, tzinfo=UTC)}
    for step in range(100):
        rows = [
            cost("2026-11-20", str(step + 1), account_id=f"a{step}"),
            cost("2026-11-20", str(99 - step), account_id=f"b{step}"),
        ]
        swap(database, rows, covered_until=covered)
        exposition.refresh(NOW)
    done.set()
    scraper.join()
    assert not wrong
    assert seen


def test_the_last_good_values_stay_when_the_database_is_gone(database: Database) -> None:
    swap(database, [cost("2026-11-20", "1")])
    exposition = Exposition(database, plain())
    exposition.refresh(NOW)
    good = text_of(exposition.page)
    assert "finops_database_up 1.0\n" in good
    database.close()
    exposition.refresh(NOW + timedelta(minutes=5))
    after = text_of(exposition.page)
    assert "finops_database_up 0.0\n" in after
    for line in good.splitlines():
        if line.startswith(("aws_cost", "finops_snapshot_timestamp", "finops_billing")):
            assert line in after
    assert exposition.problem is not None


def test_time_alone_moves_what_depends_on_it(database: Database) -> None:
    covered = {"aws": datetime(2026, 11, 22, tzinfo=UTC)}
    swap(database, [cost("2026-11-20", "1"), cost("2026-11-21", "2")], covered_until=covered)
    exposition = Exposition(database, plain())
    exposition.refresh(datetime(2026, 11, 21, 23, 59, 50, tzinfo=UTC))
    first = exposition.snapshot
    exposition.refresh(datetime(2026, 11, 21, 23, 59, 59, tzinfo=UTC))
    assert exposition.snapshot is first
    exposition.refresh(datetime(2026, 11, 22, 0, 0, 1, tzinfo=UTC))
    assert exposition.snapshot is not None
    assert exposition.snapshot.times[0].newest_complete == date(2026, 11, 21)
