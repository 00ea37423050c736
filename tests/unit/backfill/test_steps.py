from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.backfill.steps import (
    Steps,
    bounds,
    check_every,
    clock_places,
    hour_places,
    steps,
)
from finops_exporter.errors import UsageError

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LENGTHS = st.sampled_from([60, 300, 600, 1800, 3600, 7200, 21_600, 86_400])
INSTANTS = st.timedeltas(timedelta(0), timedelta(days=3650)).map(
    lambda since: datetime(2020, 1, 1, tzinfo=UTC) + since
)


def some(text: str, until: str, every: timedelta = HOUR) -> Steps:
    found = steps(at(text), at(until), every)
    assert found is not None
    return found


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@given(INSTANTS, st.timedeltas(timedelta(0), timedelta(days=3)), LENGTHS)
def test_points_are_all_multiples_within_the_span(
    since: datetime, span: timedelta, every: int
) -> None:
    found = steps(since, since + span, timedelta(seconds=every))
    begin, end = since.timestamp(), (since + span).timestamp()
    inside = [n for n in range(int(begin // every), int(end // every) + 1) if begin <= n * every]
    if found is None:
        assert inside == []
    else:
        assert [found.at(n).timestamp() / every for n in range(found.count)] == inside
        assert found.last == inside[-1] * every


@given(INSTANTS, LENGTHS)
def test_a_place_is_the_first_point_that_is_not_before(instant: datetime, every: int) -> None:
    points = Steps(int(datetime(2019, 1, 1, tzinfo=UTC).timestamp()), every, 1)
    place = points.place(instant.replace(microsecond=0))
    assert points.at(place) >= instant.replace(microsecond=0)
    assert place == 0 or points.at(place - 1) < instant.replace(microsecond=0)
    assert points.place(datetime(2018, 1, 1, tzinfo=UTC)) == 0


@pytest.mark.parametrize("minutes", [1, 5, 15, 60, 120, 360, 1440])
def test_parts_of_hours_and_of_days_are_right(minutes: int) -> None:
    check_every(timedelta(minutes=minutes))


@pytest.mark.parametrize("seconds", [0, 30, 61, 420, 5400, 18_000, 172_800, -300])
def test_others_are_not(seconds: int) -> None:
    with pytest.raises(UsageError, match="--every: must divide an hour or a day"):
        check_every(timedelta(seconds=seconds))


def test_days_reach_back_from_now_or_from_the_last_day() -> None:
    assert bounds(2, None, None, NOW) == (NOW - 2 * DAY, NOW)
    assert bounds(400, date(2026, 11, 1), date(2026, 11, 20), NOW) == (
        at("2026-11-01"),
        at("2026-11-20T23:59:59"),
    )
    assert bounds(1, None, date(2026, 11, 21), NOW) == (NOW - DAY, NOW)


@pytest.mark.parametrize(
    ("since", "until", "message"),
    [
        (None, date(2026, 11, 22), "--until 2026-11-22 is still to come"),
        (date(2026, 11, 20), date(2026, 11, 19), "--since 2026-11-20 is after --until 2026-11-19"),
        (date(2026, 11, 22), None, "--since 2026-11-22 is after --until 2026-11-21"),
    ],
)
def test_days_in_no_order(since: date | None, until: date | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        bounds(400, since, until, NOW)


def test_costs_may_change_at_midnights_after_lags_and_where_budgets_live() -> None:
    points = some("2026-10-24T12:00", "2026-10-26T12:00")
    places = clock_places(points, 3, [timedelta(hours=30)], [ZoneInfo("Europe/Berlin")])
    # Summer time ends in Berlin on the 25th.
    assert [points.at(place) for place in places] == [
        at("2026-10-24T15:00"),
        at("2026-10-24T22:00"),
        at("2026-10-25T00:00"),
        at("2026-10-25T06:00"),
        at("2026-10-25T23:00"),
        at("2026-10-26T00:00"),
        at("2026-10-26T06:00"),
    ]


def test_changes_between_points_show_at_the_next_one() -> None:
    points = some("2026-10-24T12:00", "2026-10-26T12:00", timedelta(hours=12))
    places = clock_places(points, 0, [timedelta(hours=1)], [])
    assert places == [0, 1, 2, 3, 4]
    assert clock_places(points, 0, [], []) == [0, 1, 3]


def test_ai_changes_by_the_hour() -> None:
    points = some("2026-10-24T12:05", "2026-10-24T15:00", timedelta(minutes=5))
    hours = [points.at(place).hour for place in hour_places(points, at("2026-10-24T12:31"))]
    assert hours == [13, 14, 15]
    assert [points.at(place).minute for place in hour_places(points, at("2026-10-24"))] == [0, 0, 0]
    assert hour_places(points, at("2026-10-24T15:01")) == []
    rare = some("2026-10-24T06:00", "2026-10-25T12:00", timedelta(hours=6))
    assert hour_places(rare, at("2026-10-24T07:00")) == [1, 2, 3, 4, 5]
