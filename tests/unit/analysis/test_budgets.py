from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.analysis.budgets import (
    MONTHS,
    Spending,
    burn_rate,
    current_start,
    days_of,
    exhausted_at,
    history,
    is_closing,
    is_on_track,
    local_day,
    next_start,
    period_start,
    previous_start,
    reached,
    standing,
)
from finops_exporter.model import Period, Window

HOLD = timedelta(days=5)
UTC_ZONE = ZoneInfo("UTC")
BERLIN = ZoneInfo("Europe/Berlin")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
AUCKLAND = ZoneInfo("Pacific/Auckland")

dates = st.dates(date(2000, 1, 1), date(2099, 12, 31))
periods: st.SearchStrategy[Period] = st.sampled_from(["monthly", "quarterly", "yearly"])
zones = st.sampled_from(sorted(available_timezones())).map(ZoneInfo)


def day(text: str) -> date:
    return date.fromisoformat(text)


@pytest.mark.parametrize(
    ("on", "period", "start", "following", "before"),
    [
        ("2026-11-20", "monthly", "2026-11-01", "2026-12-01", "2026-10-01"),
        ("2028-02-29", "monthly", "2028-02-01", "2028-03-01", "2028-01-01"),
        ("2026-12-31", "monthly", "2026-12-01", "2027-01-01", "2026-11-01"),
        ("2026-11-20", "quarterly", "2026-10-01", "2027-01-01", "2026-07-01"),
        ("2026-03-31", "quarterly", "2026-01-01", "2026-04-01", "2025-10-01"),
        ("2026-01-01", "yearly", "2026-01-01", "2027-01-01", "2025-01-01"),
        ("2028-12-31", "yearly", "2028-01-01", "2029-01-01", "2027-01-01"),
    ],
)
def test_periods_of_the_calendar(
    on: str, period: Period, start: str, following: str, before: str
) -> None:
    found = period_start(day(on), period)
    assert found == day(start)
    assert next_start(found, period) == day(following)
    assert previous_start(found, period) == day(before)


@given(dates, periods)
def test_a_day_lies_in_its_period_and_periods_touch(on: date, period: Period) -> None:
    start = period_start(on, period)
    assert start <= on < next_start(start, period)
    assert previous_start(next_start(start, period), period) == start
    assert (start.day, (start.month - 1) % MONTHS[period]) == (1, 0)


def shared_hours(utc_day: date, local: date, zone: ZoneInfo) -> int:
    """How many hours of the UTC day the zone's clock shows as `local`, counted one by one."""
    midnight = datetime(utc_day.year, utc_day.month, utc_day.day, tzinfo=UTC)
    hours = (midnight + timedelta(minutes=30, hours=hour) for hour in range(24))
    return sum(hour.astimezone(zone).date() == local for hour in hours)


@given(dates, st.sampled_from([UTC_ZONE, BERLIN, LOS_ANGELES, AUCKLAND]))
def test_a_utc_day_counts_where_most_of_its_hours_are(utc_day: date, zone: ZoneInfo) -> None:
    assert shared_hours(utc_day, local_day(utc_day, zone), zone) >= 12


@pytest.mark.parametrize(
    ("zone", "start", "since", "until"),
    [
        # The months that hold a change of the clock have the same days as any other month.
        ("Europe/Berlin", "2026-03-01", "2026-03-01", "2026-04-01"),
        ("Europe/Berlin", "2026-10-01", "2026-10-01", "2026-11-01"),
        ("America/Los_Angeles", "2026-03-01", "2026-03-01", "2026-04-01"),
        ("America/Los_Angeles", "2026-11-01", "2026-11-01", "2026-12-01"),
        # East of UTC+12 most hours of a UTC day are the next day already, in summer only.
        ("Pacific/Auckland", "2026-12-01", "2026-11-30", "2026-12-31"),
        ("Pacific/Auckland", "2026-07-01", "2026-06-30", "2026-07-31"),
        ("Pacific/Kiritimati", "2026-01-01", "2025-12-31", "2026-01-31"),
        # Samoa had no 30 December 2011.
        ("Pacific/Apia", "2011-12-01", "2011-12-01", "2011-12-31"),
    ],
)
def test_the_utc_days_of_a_month(zone: str, start: str, since: str, until: str) -> None:
    found = days_of(day(start), "monthly", ZoneInfo(zone))
    assert found == Window(day(since), day(until))


@given(dates, periods, zones)
def test_each_utc_day_is_in_exactly_one_period(on: date, period: Period, zone: ZoneInfo) -> None:
    start = period_start(local_day(on, zone), period)
    window = days_of(start, period, zone)
    assert window.since <= on < window.until
    assert days_of(previous_start(start, period), period, zone).until == window.since


@pytest.mark.parametrize(
    ("newest", "now", "zone", "expected"),
    [
        (["2026-11-20"], "2026-11-21T12:00", "UTC", "2026-11"),
        # 1 December with data through 29 November: still November.
        (["2026-11-29"], "2026-12-01T12:00", "UTC", "2026-11"),
        (["2026-11-30"], "2026-12-01T12:00", "UTC", "2026-11"),
        # The first complete December day of all providers moves it.
        (["2026-12-01"], "2026-12-02T00:00", "UTC", "2026-12"),
        (["2026-12-01", "2026-11-30"], "2026-12-02T00:00", "UTC", "2026-11"),
        (["2026-12-04", "2026-11-30"], "2026-12-05T23:59", "UTC", "2026-11"),
        # Five days into December it moves regardless: by the budget's own clock.
        (["2026-12-04", "2026-11-30"], "2026-12-06T00:00", "UTC", "2026-12"),
        (["2026-11-30"], "2026-12-05T22:59", "Europe/Berlin", "2026-11"),
        (["2026-11-30"], "2026-12-05T23:00", "Europe/Berlin", "2026-12"),
        (["2026-11-30"], "2026-12-06T07:59", "America/Los_Angeles", "2026-11"),
        (["2026-11-30"], "2026-12-06T08:00", "America/Los_Angeles", "2026-12"),
        # In summer Berlin is two hours ahead, and California seven behind.
        (["2026-06-30"], "2026-07-05T22:00", "Europe/Berlin", "2026-07"),
        (["2026-06-30"], "2026-07-06T07:00", "America/Los_Angeles", "2026-07"),
        # The last night of November, Pacific: UTC is in December and its first day is not over.
        (["2026-11-30"], "2026-12-01T05:00", "America/Los_Angeles", "2026-11"),
        # Data beyond the clock do not make a future month current.
        (["2026-12-03"], "2026-11-30T00:00", "UTC", "2026-11"),
        # However old the data are: never further back than the month before.
        (["2026-09-12"], "2026-12-01T12:00", "UTC", "2026-11"),
        ([], "2026-12-01T12:00", "UTC", "2026-11"),
        ([], "2026-12-06T12:00", "UTC", "2026-12"),
    ],
)
def test_which_month_is_current(newest: list[str], now: str, zone: str, expected: str) -> None:
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    found = current_start(map(day, newest), at, "monthly", ZoneInfo(zone), HOLD)
    assert f"{found:%Y-%m}" == expected


@given(dates, st.integers(0, 40), st.integers(0, 28), periods, zones)
def test_time_never_moves_a_period_back(
    newest: date, ahead: int, hold: int, period: Period, zone: ZoneInfo
) -> None:
    def current(days: int) -> date:
        now = datetime(newest.year, newest.month, newest.day, 12, tzinfo=UTC)
        shifted = now + timedelta(days=ahead + days)
        return current_start([newest], shifted, period, zone, timedelta(days=hold))

    assert current(0) <= current(1)


def test_a_period_closes_once_it_is_complete_and_was_held() -> None:
    start, november = day("2026-12-01"), Window(day("2026-11-01"), day("2026-12-01"))

    def closing(as_of: str, today: str, hold: timedelta = HOLD) -> bool:
        return is_closing(start, november, day(as_of), day(today), hold)

    assert closing("2026-12-01", "2026-12-02")
    assert closing("2026-12-04", "2026-12-05")
    assert not closing("2026-12-05", "2026-12-06")
    # A day is still missing.
    assert closing("2026-11-29", "2026-12-08")
    assert not closing("2026-11-30", "2026-12-08")
    assert not closing("2026-11-30", "2026-12-01", timedelta(0))


NOVEMBER = Window(day("2026-11-01"), day("2026-12-01"))


def spending(
    amounts: list[str], *, complete: int | None = None, known_since: str = "2025-01-01"
) -> Spending:
    """Amounts of the first days of November, `complete` of which (default: all) are complete."""
    days = {NOVEMBER.since + timedelta(days=n): Decimal(a) for n, a in enumerate(amounts)}
    count = len(amounts) if complete is None else complete
    return Spending(NOVEMBER, days, NOVEMBER.since + timedelta(days=count - 1), day(known_since))


def test_a_month_half_way() -> None:
    # 16 days of 10, one of them partial: 15 are complete, 13 settled.
    seen = spending([*["10"] * 15, "4"], complete=15)
    found = standing(Decimal(200), seen)
    assert (found.spent, found.remaining) == (Decimal(154), Decimal(46))
    assert found.consumed == Decimal("0.77")
    assert found.burn_rate == 10
    # 150 of 200 at the end of 15 November, 10 a day: five days.
    assert found.exhausted_at == datetime(2026, 11, 21, tzinfo=UTC)
    # Three quarters of the limit, half of the days.
    assert found.is_on_track is False


@pytest.mark.parametrize(
    ("amounts", "limit", "expected"),
    [
        (["10"] * 15, "300", None),  # exactly at the end of the month: it holds
        (["10"] * 15, "299", "2026-11-30T21:36:00"),
        (["10"] * 15, "150", None),  # reached
        (["10"] * 15, "149", None),
        (["10"] * 2, "20.1", None),  # no settled day yet
        (["9", "1", "1"], "12", "2026-11-04T02:40:00"),
        (["-10"] * 15, "1", None),
        (["0"] * 15, "1", None),
        (["10", "10", "-15", "0", "0"], "100", None),  # 5 of 3 days: not within the month
    ],
)
def test_when_a_limit_is_exhausted(amounts: list[str], limit: str, expected: str | None) -> None:
    at = datetime.fromisoformat(expected).replace(tzinfo=UTC) if expected else None
    assert exhausted_at(Decimal(limit), spending(amounts)) == at


def test_today_may_reach_a_limit_but_sets_no_pace() -> None:
    seen = spending([*["10"] * 10, "500"], complete=10)
    assert burn_rate(seen) == 10
    assert is_on_track(Decimal(400), seen) is True
    assert exhausted_at(Decimal(600), seen) is None  # 100 + 10 a day: not in November
    assert exhausted_at(Decimal(150), seen) is None  # 600 are spent
    # More was spent than the limit through the newest complete day, and credited today.
    assert exhausted_at(Decimal(90), spending([*["10"] * 10, "-50"], complete=10)) is None


def test_a_history_that_begins_within_the_period() -> None:
    seen = spending(["0", "0", "0", "0", "10", "10", "10", "10"], known_since="2026-11-05")
    assert burn_rate(seen) == 10
    assert is_on_track(Decimal(1000), seen) is None
    assert seen.is_partly_known


def test_the_first_days_of_a_period_have_no_pace() -> None:
    nothing = spending([], complete=0)
    assert standing(Decimal(10), nothing).is_on_track is None
    assert burn_rate(nothing) is None
    assert burn_rate(spending(["4", "4"])) is None
    assert burn_rate(spending(["4", "5", "6"])) == 4


def test_exactly_a_threshold_is_reached_and_none_by_rounding() -> None:
    thresholds = [Decimal(50), Decimal(80), Decimal(100), Decimal("120.5")]
    limit = Decimal("1000.00")
    assert reached(limit, Decimal(800), thresholds) == {Decimal(50), Decimal(80)}
    just_below = Decimal("799.99999999999999999999999999999999")
    assert reached(limit, just_below, thresholds) == {Decimal(50)}
    assert reached(limit, Decimal(1205), thresholds) == set(thresholds)
    assert reached(limit, Decimal(-5), thresholds) == set()


amounts = st.lists(st.decimals(-1000, 1000, places=6), max_size=30)
limits = st.decimals("0.01", 100_000, places=2)


@given(amounts, st.integers(0, 30), limits)
def test_the_maths_is_that_of_fractions(
    found: list[Decimal], complete: int, limit: Decimal
) -> None:
    seen = spending([str(amount) for amount in found], complete=complete)
    stands = standing(limit, seen)
    exact = [Fraction(amount) for amount in found]
    assert Fraction(stands.spent) == sum(exact)
    assert Fraction(stands.remaining) == Fraction(limit) - sum(exact)
    settled = exact[: max(0, complete - 2)]
    if complete < 3:
        assert stands.burn_rate is None
    else:
        rate = sum(settled, Fraction(0)) / (complete - 2)
        assert stands.burn_rate is not None
        assert abs(Fraction(stands.burn_rate) - rate) < Fraction(1, 10**15)
    through = sum(exact[:complete], Fraction(0))
    expected = through / Fraction(limit) <= Fraction(complete, 30) if complete else None
    assert stands.is_on_track is expected
    if stands.exhausted_at is not None:
        assert sum(exact) < limit
        assert datetime(2026, 11, 1, tzinfo=UTC) + timedelta(days=complete) <= stands.exhausted_at
        assert stands.exhausted_at < datetime(2026, 12, 1, tzinfo=UTC)


@given(amounts, st.integers(0, 30), limits, st.integers(0, 40))
def test_history_is_what_each_day_knew(
    found: list[Decimal], complete: int, limit: Decimal, skipped: int
) -> None:
    texts = [str(amount) for amount in found]
    rows = history(
        limit, spending(texts, complete=complete), NOVEMBER.since + timedelta(days=skipped)
    )
    assert rows == [
        (
            NOVEMBER.since + timedelta(days=number),
            standing(limit, spending(texts[: number + 1], complete=number + 1)),
        )
        for number in range(skipped, complete)
    ]
