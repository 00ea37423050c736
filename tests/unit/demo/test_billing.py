"""What anybody can check in the demo's bills, without knowing how they are computed."""

from __future__ import annotations

from calendar import monthrange
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from statistics import mean
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_exporter.demo import Charge, charges
from finops_exporter.demo.billing import HOURS
from finops_exporter.demo.company import DEMO
from finops_exporter.model import CHARGE_CATEGORIES, utc_midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

DAY = timedelta(days=1)
NOWS = (
    datetime(2026, 11, 1, 0, 30, tzinfo=UTC),
    datetime(2024, 2, 29, 9, 5, tzinfo=UTC),
    datetime(2025, 12, 31, 23, 59, tzinfo=UTC),
    datetime(2026, 1, 1, 12, 0, tzinfo=UTC),
    datetime(2026, 8, 17, 6, 45, tzinfo=UTC),  # a Monday: the newest complete day is a Sunday
)
K = TypeVar("K")


class Bill(NamedTuple):
    now: datetime
    rows: list[Charge]

    @property
    def today(self) -> date:
        return self.now.date()

    @property
    def newest(self) -> date:
        """The newest complete day."""
        return self.today - DAY


@pytest.fixture(scope="module", params=NOWS, ids=lambda now: f"{now:%Y-%m-%dT%H%M}")
def bill(request: pytest.FixtureRequest) -> Bill:
    return Bill(request.param, list(charges(request.param)))


def total(rows: Iterable[Charge]) -> Decimal:
    return sum((row.billed for row in rows), Decimal(0))


def usage_by(key: Callable[[Charge], K], rows: Iterable[Charge]) -> dict[K, float]:
    """Effective cost of usage: what spikes and rhythms are judged on."""
    sums: dict[K, float] = defaultdict(float)
    for row in rows:
        if row.category == "Usage":
            sums[key(row)] += float(row.effective)
    return sums


def account_day(row: Charge) -> tuple[str, date]:
    return row.item.account.name, row.start.date()


def service_day(row: Charge) -> tuple[str, str, date]:
    return row.item.account.name, row.item.service, row.start.date()


def test_the_company_is_three_clouds_five_accounts_25_services_and_eight_regions(
    bill: Bill,
) -> None:
    rows = bill.rows
    items = {id(row.item): row.item for row in rows}.values()
    assert {item.account.provider.name for item in items} == {"AWS", "Google Cloud", "Microsoft"}
    assert len({item.account.id for item in items}) == 5
    assert len({item.account.provider.billing_account_id for item in items}) == 3
    assert len({item.service for item in items}) == 25
    assert len({item.region.id for item in items if item.region}) == 8
    assert {row.category for row in rows} == set(CHARGE_CATEGORIES)
    assert 100_000 <= len(rows) <= 250_000


def test_spend_is_tagged_as_people_do_it_and_some_of_it_is_not(bill: Bill) -> None:
    spent: dict[str | None, Decimal] = defaultdict(Decimal)
    for row in bill.rows:
        workload = row.item.workload
        for key in (workload.tags or (None,)) if workload else ():
            spent[key] += row.billed
    assert set(spent) == {"team", "project", "environment", "env", None}
    assert Decimal("0.03") < spent[None] / total(bill.rows) < Decimal("0.2")
    assert spent["env"] < spent["environment"] < spent["team"]


def test_the_month_of_now_comes_to_about_15000_usd_when_it_is_full(bill: Bill) -> None:
    length = monthrange(bill.now.year, bill.now.month)[1]
    last = bill.now.replace(day=length, hour=23, minute=59)
    assert 14_500 < total(charges(last, months=1)) < 15_700


def test_spend_grows_fast_at_first_and_calms(bill: Bill) -> None:
    daily = usage_by(
        lambda row: (row.start.year, row.start.month),
        (row for row in bill.rows if row.start.date() < bill.today.replace(day=1)),
    )
    means = [usd / monthrange(*month)[1] for month, usd in sorted(daily.items())]
    growth = [later / sooner - 1 for sooner, later in pairwise(means)]
    assert len(means) == 13
    assert 0.10 < mean(growth[:3]) < 0.17
    assert 0.0 < mean(growth[-3:]) < 0.07
    assert sum(means[-3:]) > 2 * sum(means[:3])


def test_weekends_are_lower_and_each_service_has_its_own_rhythm(bill: Bill) -> None:
    days = {bill.newest - count * DAY for count in range(1, 29)}
    rows = [row for row in bill.rows if row.start.date() in days]
    by_day = usage_by(lambda row: (row.item.service, row.start.weekday() > 4), rows)

    def weekend(service: str) -> float:
        return by_day[service, True] / 8 / (by_day[service, False] / 20)

    whole = usage_by(lambda row: row.start.weekday() > 4, rows)
    assert 0.75 < whole[True] / 8 / (whole[False] / 20) < 0.92
    assert weekend("BigQuery") < 0.65
    assert weekend("Azure OpenAI Service") < 0.55
    assert 0.93 < weekend("Amazon Simple Storage Service") < 1.07
    assert weekend("Amazon CloudFront") > 1.08


def test_one_service_spikes_on_the_newest_complete_day_and_nowhere_else(bill: Bill) -> None:
    newest = bill.newest
    usage = usage_by(service_day, (row for row in bill.rows if row.start.date() <= newest))
    spiking = {
        (account, service, day)
        for account, service, day in usage
        if usage[account, service, day] > 1.6 * usage.get((account, service, day - 7 * DAY), 1e9)
    }
    assert spiking == {("analytics", "BigQuery", newest)}
    for days in (1, 7):
        before = usage["analytics", "BigQuery", newest - days * DAY]
        assert usage["analytics", "BigQuery", newest] > 3 * before


def test_the_spike_lifts_its_account_alone_above_yesterday_and_last_week(bill: Bill) -> None:
    newest = bill.newest
    usage = usage_by(account_day, bill.rows)
    lifted = {
        account
        for account, day in usage
        if day == newest
        and usage[account, day] > 1.25 * usage[account, day - DAY]
        and usage[account, day] > 1.25 * usage[account, day - 7 * DAY]
        and usage[account, day] - usage[account, day - DAY] > 25
    }
    assert lifted == {"analytics"}


def test_nothing_lies_in_the_future_and_today_has_only_hours_that_are_over(bill: Bill) -> None:
    now, rows = bill
    assert max(row.start for row in rows) <= now
    assert all(row.end <= now for row in rows if row.category == "Usage")
    today = now.replace(hour=0, minute=0)
    hours = {row.start.hour for row in rows if row.start >= today and row.category == "Usage"}
    assert hours == set(range(now.hour))
    lengths = {row.end - row.start for row in rows if row.start < today and row.quantity}
    assert lengths == {DAY}
    first = min(row.start for row in rows)
    assert first.day == 1
    assert (now.year - first.year) * 12 + now.month - first.month == 13


def test_the_hours_of_a_day_make_the_day_that_is_billed_afterwards() -> None:
    late = datetime(2026, 8, 17, 23, 59, tzinfo=UTC)

    def used(now: datetime) -> dict[tuple[object, ...], Decimal]:
        sums: dict[tuple[object, ...], Decimal] = defaultdict(Decimal)
        for row in charges(now, months=1):
            if row.start.date() == late.date() and row.quantity:
                item = row.item
                name = item.workload.name if item.workload else None
                sums[item.account.name, item.description, name, bool(row.commitment)] += (
                    row.quantity
                )
        return sums

    today, final = used(late), used(late + 2 * DAY)  # by then the spike has moved on
    assert today.keys() == final.keys()
    # 23 of 24 hours are over; a commitment is used evenly, all use together by HOURS.
    part = Decimal(sum(HOURS[:23])) / sum(HOURS)
    for account, description, name, covered in final:
        key, committed = (account, description, name), (account, description, name, True)
        if covered:
            assert today[committed] * 24 == final[committed] * 23
        else:
            so_far = today[*key, False] + today.get(committed, Decimal(0))
            whole = final[*key, False] + final.get(committed, Decimal(0))
            assert abs(so_far - whole * part) <= Decimal("0.000001")


def test_credits_are_negative_and_usage_never_is(bill: Bill) -> None:
    for row in bill.rows:
        if row.category in {"Credit", "Adjustment"}:
            assert row.billed == row.effective < 0
        else:
            assert row.billed >= 0
            assert row.effective >= 0
    assert total(row for row in bill.rows if row.category == "Credit") < -500


def test_taxes_and_plans_come_on_the_first_of_each_month(bill: Bill) -> None:
    fees = [row for row in bill.rows if row.frequency == "Recurring"]
    assert {row.category for row in fees} == {"Tax", "Purchase"}
    assert {row.start.day for row in fees} == {1}
    assert {(row.end - row.start).days for row in fees} <= {28, 29, 30, 31}
    assert {row.end.day for row in fees} == {1}
    assert len({row.start for row in fees}) == 14


def test_a_commitment_is_paid_upfront_and_its_use_costs_exactly_that_over_its_term(
    bill: Bill,
) -> None:
    (purchase,) = [row for row in bill.rows if row.commitment and row.category == "Purchase"]
    covered = [row for row in bill.rows if row.commitment and row.category == "Usage"]
    assert purchase.frequency == "One-Time"
    assert purchase.effective == 0
    assert purchase.billed > 1_000
    by_day: dict[date, Decimal] = defaultdict(Decimal)
    for row in covered:
        assert row.billed == 0
        assert 0 < row.effective < row.listed
        by_day[row.start.date()] += row.effective
    complete = {day: usd for day, usd in by_day.items() if day < bill.today}
    assert {usd * 365 for usd in complete.values()} == {purchase.billed}
    assert min(complete) == purchase.start.date()
    assert max(complete) == bill.newest
    assert len(complete) == (bill.today - purchase.start.date()).days


def test_a_commitment_ends_with_its_term_when_all_of_it_is_used() -> None:
    now = NOWS[4]
    month = replace(DEMO.commitments[0], term_days=30, months_ago=2)
    rows = list(charges(now, 0, 3, replace(DEMO, commitments=(month,))))
    (purchase,) = [row for row in rows if row.commitment and row.category == "Purchase"]
    covered = [row for row in rows if row.commitment and row.category == "Usage"]
    assert sum(row.effective for row in covered) == purchase.billed
    assert max(row.end for row in covered) == purchase.start + 30 * DAY


def test_amounts_are_exact_products_with_many_digits(bill: Bill) -> None:
    places = Counter(-int(row.billed.as_tuple().exponent) for row in bill.rows)
    assert max(places) == 16
    assert sum(count for digits, count in places.items() if digits >= 10) > 10_000
    for row in bill.rows:
        if row.quantity is not None:
            assert row.item.price is not None
            assert row.listed == row.quantity * row.item.price


def test_the_same_now_and_seed_give_the_same_charges_and_another_seed_others() -> None:
    now = NOWS[1]
    again = list(charges(now, 0, 2))
    assert again == list(charges(now, seed=0, months=2))
    other = list(charges(now, 1, 2))
    assert len(other) == len(again)
    assert total(other) != total(again)
    assert abs(total(other) / total(again) - 1) < Decimal("0.03")


def test_now_may_be_told_in_any_time_zone() -> None:
    now = NOWS[3]
    abroad = now.astimezone(tz=datetime.strptime("-0800", "%z").tzinfo)
    assert list(charges(abroad, months=1)) == list(charges(now, months=1))


@settings(max_examples=8, deadline=None)
@given(
    day=st.dates(date(2024, 1, 1), date(2030, 12, 31)),
    minute=st.integers(0, 24 * 60 - 1),
    later=st.timedeltas(timedelta(0), timedelta(days=2)),
)
def test_the_past_stands_still_while_now_moves_within_a_month(
    day: date, minute: int, later: timedelta
) -> None:
    now = utc_midnight(day) + timedelta(minutes=minute)
    then = min(now + later, now.replace(day=monthrange(now.year, now.month)[1], hour=23))
    then = max(then, now)

    def settled(rows: Iterable[Charge]) -> list[Charge]:
        newest = now.date() - DAY
        return [row for row in rows if row.start.date() < newest]

    assert settled(charges(now, months=2)) == settled(charges(then, months=2))


def test_only_the_spiking_service_moves_when_the_newest_day_does() -> None:
    now, newest = NOWS[4], NOWS[4].date() - DAY
    before = [row for row in charges(now, months=1) if row.start.date() == newest]
    after = [row for row in charges(now + DAY, months=1) if row.start.date() == newest]
    moved = {old.item.service for old, new in zip(before, after, strict=True) if old != new}
    assert moved == {"BigQuery"}


def test_a_wrong_call_is_told() -> None:
    with pytest.raises(ValueError, match="time zone"):
        charges(NOWS[0].replace(tzinfo=None))
    with pytest.raises(ValueError, match="at least 1"):
        charges(NOWS[0], months=0)
