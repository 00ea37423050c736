from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.analysis.billing_time import (
    billing_month,
    common_complete_day,
    months_of_year,
    newest_complete_day,
    offset_day,
    previous_month,
    trailing,
)
from finops_exporter.model import Window

HOLD = timedelta(days=5)
NO_LAG = timedelta(0)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("covered", "now", "lag_hours", "expected"),
    [
        # The data ends with yesterday: yesterday is complete, from midnight on.
        ("2026-11-21T00:00", "2026-11-21T00:00", 0, "2026-11-20"),
        # An hour of yesterday is missing.
        ("2026-11-20T23:00", "2026-11-21T08:00", 0, "2026-11-19"),
        # Today's first hours do not make today complete.
        ("2026-11-21T07:00", "2026-11-21T08:00", 0, "2026-11-20"),
        # A file with today's whole day in it (daily rows): today is not over.
        ("2026-11-22T00:00", "2026-11-21T08:00", 0, "2026-11-20"),
        # The source's own lag: 24 h after midnight, and just before.
        ("2026-11-21T00:00", "2026-11-22T00:00", 24, "2026-11-20"),
        ("2026-11-21T00:00", "2026-11-21T23:59", 24, "2026-11-19"),
        # 36 h: at noon of the day after the next.
        ("2026-11-21T00:00", "2026-11-22T12:00", 36, "2026-11-20"),
    ],
)
def test_newest_complete_day(covered: str, now: str, lag_hours: int, expected: str) -> None:
    found = newest_complete_day(at(covered), at(now), timedelta(hours=lag_hours))
    assert found == date.fromisoformat(expected)


def test_the_slowest_source_of_a_provider_counts_unless_it_is_left_behind() -> None:
    new, slow, archive = date(2026, 11, 20), date(2026, 11, 18), date(2025, 1, 31)
    assert common_complete_day([new, slow], HOLD) == slow
    assert common_complete_day([archive, new, slow], HOLD) == slow
    assert common_complete_day([archive], HOLD) == archive
    with pytest.raises(ValueError, match="no complete day"):
        common_complete_day([], HOLD)


@pytest.mark.parametrize(
    ("newest", "now", "expected"),
    [
        ("2026-11-20", "2026-11-21T12:00", "2026-11"),
        # 1 December with data through 29 November: still November.
        ("2026-11-29", "2026-12-01T00:00", "2026-11"),
        ("2026-11-30", "2026-12-02T09:00", "2026-11"),
        # The first complete December day moves it.
        ("2026-12-01", "2026-12-02T00:00", "2026-12"),
        # Five days into December it moves regardless.
        ("2026-11-28", "2026-12-05T23:59", "2026-11"),
        ("2026-11-28", "2026-12-06T00:00", "2026-12"),
        # Old data do not make an old month current.
        ("2024-09-30", "2026-11-21T00:00", "2026-11"),
        # A clock behind the data does not look into the future.
        ("2026-12-03", "2026-11-30T00:00", "2026-11"),
        ("2025-12-31", "2026-01-01T12:00", "2025-12"),
    ],
)
def test_billing_month(newest: str, now: str, expected: str) -> None:
    assert f"{billing_month(date.fromisoformat(newest), at(now), HOLD):%Y-%m}" == expected


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)))
def test_the_months_of_a_year_are_those_from_january_on(day: date) -> None:
    months = months_of_year(day.replace(day=1))
    assert len(months) == day.month
    assert (months[0], months[-1]) == (date(day.year, 1, 1), day.replace(day=1))
    assert [previous_month(month) for month in months[1:]] == list(months[:-1])


def test_months_before_and_days_back() -> None:
    assert previous_month(date(2026, 1, 1)) == date(2025, 12, 1)
    assert previous_month(date(2024, 3, 1)) == date(2024, 2, 1)
    newest = date(2026, 11, 20)
    assert offset_day(newest, 1) == newest
    assert offset_day(newest, 2) == date(2026, 11, 19)
    assert offset_day(newest, 8).weekday() == newest.weekday()


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 90))
def test_trailing_windows_touch_and_do_not_overlap(newest: date, days: int) -> None:
    current, previous = trailing(newest, days), trailing(newest, days, back=1)
    assert current.last == newest
    assert previous.until == current.since
    assert (current.until - current.since).days == days == (previous.until - previous.since).days


@given(
    st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.datetimes(datetime(2001, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    st.integers(0, 72),
)
def test_a_complete_day_is_over_and_covered(covered: datetime, now: datetime, lag: int) -> None:
    day = newest_complete_day(covered, now, timedelta(hours=lag))
    end = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)
    assert end <= covered
    assert end + timedelta(hours=lag) <= now
    assert billing_month(day, now, HOLD) <= now.date()


def test_a_window_holds_a_day() -> None:
    with pytest.raises(ValueError, match="must hold a day"):
        Window(date(2026, 1, 2), date(2026, 1, 2))
    assert Window.inclusive(date(2026, 1, 2), date(2026, 1, 2)).last == date(2026, 1, 2)


def test_a_month_that_moved_never_moves_back() -> None:
    """Nothing came since September: on 30 November it is November, and so it is on 2 December."""
    newest = date(2026, 9, 30)
    days = (datetime(2026, 11, 30, 12, tzinfo=UTC) + timedelta(days=one) for one in range(10))
    months = [billing_month(newest, now, timedelta(days=5)) for now in days]
    assert months == [date(2026, 11, 1)] * 6 + [date(2026, 12, 1)] * 4
