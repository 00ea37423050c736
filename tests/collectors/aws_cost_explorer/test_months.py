from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.collectors.aws_cost_explorer.months import (
    FRESH,
    Part,
    Reading,
    State,
    chunks,
    end_of,
    history,
    is_closed,
    newest,
    open_months,
    span,
    touched,
)
from finops_exporter.model import Window

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
MONTHS = st.dates(date(2024, 1, 1), date(2028, 1, 1)).map(lambda day: day.replace(day=1))


def test_a_parts_name_leads_back_to_it() -> None:
    part = Part(date(2026, 11, 1), "account,region,service")
    assert part.key == "2026-11 account,region,service"
    assert Part.of(part.key) == part
    assert Part.of("/data/bill.csv") is None


@given(
    moment=st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 -- made aware
    requests=st.integers(0, 10**6),
    regions=st.none() | st.integers(0, 100),
    state=st.sampled_from(["open", "closed", "missing"]),
    month=MONTHS,
)
def test_a_fingerprint_leads_back_to_the_reading(
    moment: datetime, requests: int, regions: int | None, state: State, month: date
) -> None:
    read_at = moment.replace(microsecond=0, tzinfo=UTC)
    reading = Reading(read_at, "abc", requests, regions, state)
    assert Reading.of(reading.fingerprint(Part(month, "account,tag:team"))) == reading


def test_what_is_no_fingerprint_of_ours_says_nothing() -> None:
    for text in ("partial:0a1b", None, "", "strange 2026-11-01T00:00:00Z abc 1 - 2026-11 a"):
        assert Reading.of(text) is None


def test_no_two_parts_have_the_same_fingerprint() -> None:
    reading = Reading(NOW, "abc")
    cuts = [Part(date(2026, month, 1), cut) for month in (10, 11) for cut in ("a", "b")]
    assert len({reading.fingerprint(part) for part in cuts}) == len(cuts)


def test_an_open_month_is_due_again_once_it_is_not_fresh_any_more() -> None:
    reading = Reading(NOW, "abc")
    assert not reading.is_due(NOW, "abc")
    assert not reading.is_due(NOW + FRESH - timedelta(seconds=1), "abc")
    assert reading.is_due(NOW + FRESH, "abc")
    assert not reading.is_due(NOW + timedelta(hours=23), "abc", timedelta(days=1))
    assert reading.is_due(NOW + timedelta(hours=24), "abc", timedelta(days=1))


def test_what_was_read_in_the_future_does_not_wait_for_it() -> None:
    assert Reading(NOW + timedelta(days=400), "abc").is_due(NOW, "abc")


def test_a_closed_month_is_left_alone_until_it_would_be_read_otherwise() -> None:
    reading = Reading(NOW, "abc", state="closed")
    assert not reading.is_due(NOW + timedelta(days=300), "abc")
    assert reading.is_due(NOW, "other")


def test_a_month_that_aws_did_not_have_is_asked_for_once_a_day() -> None:
    reading = Reading(NOW, "abc", state="missing")
    assert not reading.is_due(NOW + timedelta(hours=23), "abc")
    assert reading.is_due(NOW + timedelta(hours=24), "abc")


def test_the_open_months_are_those_that_may_still_change() -> None:
    states: dict[Part, State] = {
        Part(date(2026, 11, 1), "a"): "open",
        Part(date(2026, 10, 1), "a"): "closed",
        Part(date(2026, 10, 1), "b"): "open",
        Part(date(2026, 9, 1), "a"): "closed",
        Part(date(2026, 8, 1), "a"): "missing",
    }
    stored = {
        part.key: Reading(NOW, "abc", state=state).fingerprint(part)
        for part, state in states.items()
    }
    assert open_months(stored | {"bill.csv": "0a1b"}) == {date(2026, 11, 1), date(2026, 10, 1)}


def test_a_month_is_closed_when_it_is_over_for_long_and_nothing_is_estimated() -> None:
    october = date(2026, 10, 1)
    late, early = datetime(2026, 11, 11, tzinfo=UTC), datetime(2026, 11, 10, 23, tzinfo=UTC)
    assert is_closed(october, late, 10, estimated=False)
    assert not is_closed(october, early, 10, estimated=False)
    assert not is_closed(october, late, 10, estimated=True)


def test_the_newest_month_of_a_cut_says_what_it_took() -> None:
    stored = {
        part.key: Reading(NOW, "abc", requests).fingerprint(part)
        for part, requests in (
            (Part(date(2026, 11, 1), "a"), 7),
            (Part(date(2026, 10, 1), "a"), 8),
            (Part(date(2026, 12, 1), "b"), 9),
        )
    }
    found = newest(stored, "a")
    assert found is not None
    assert found.requests == 7
    assert newest(stored, "c") is None


def test_history_counts_back_over_the_new_year() -> None:
    assert history(datetime(2026, 1, 31, tzinfo=UTC), 2) == [
        date(2026, 1, 1),
        date(2025, 12, 1),
        date(2025, 11, 1),
    ]


def test_a_window_means_the_months_it_touches_and_none_of_the_future() -> None:
    window = Window(date(2026, 9, 30), date(2027, 2, 1))
    assert touched(window, NOW) == [date(2026, 11, 1), date(2026, 10, 1), date(2026, 9, 1)]
    assert touched(Window(date(2027, 1, 1), date(2027, 2, 1)), NOW) == []


@given(st.sets(MONTHS.filter(lambda month: month <= NOW.date()), max_size=30), st.data())
def test_chunks_are_all_months_and_the_same_whatever_else_is_due(
    months: set[date], data: st.DataObject
) -> None:
    found = chunks(months, NOW, set())
    assert [month for chunk in found for month in chunk] == sorted(months, reverse=True)
    some = {month for month in months if data.draw(st.booleans())}
    kept = [[month for month in chunk if month in some] for chunk in found]
    assert chunks(some, NOW, set()) == [chunk for chunk in kept if chunk]


def test_what_still_changes_comes_first_and_history_a_quarter_at_a_time() -> None:
    found = chunks(history(NOW, 13), NOW, set())
    assert [len(chunk) for chunk in found] == [2, 3, 3, 3, 3]
    assert found[0] == [date(2026, 11, 1), date(2026, 10, 1)]
    assert found[1] == [date(2026, 9, 1), date(2026, 8, 1), date(2026, 7, 1)]


def test_all_that_is_still_open_comes_first_and_together() -> None:
    still_open = {date(2026, 11, 1), date(2026, 10, 1), date(2026, 8, 1)}
    found = chunks(history(NOW, 4), NOW, still_open)
    assert found == [
        [date(2026, 11, 1), date(2026, 10, 1), date(2026, 8, 1)],
        [date(2026, 9, 1), date(2026, 7, 1)],
    ]


@given(st.datetimes(datetime(2024, 1, 1), datetime(2028, 1, 1)))  # noqa: DTZ001 -- made aware
def test_a_span_always_holds_a_day_and_never_one_that_aws_refuses(moment: datetime) -> None:
    now = moment.replace(tzinfo=UTC)
    days = span([now.date().replace(day=1)], now)
    assert days.since <= now.date() == days.last
    assert days.until <= end_of(now.date().replace(day=1))


def test_on_the_first_the_span_is_the_first_and_the_month_before() -> None:
    first = datetime(2026, 12, 1, 0, 5, tzinfo=UTC)
    assert span([date(2026, 12, 1)], first) == Window(date(2026, 12, 1), date(2026, 12, 2))
    both = [date(2026, 12, 1), date(2026, 11, 1)]
    assert span(both, first) == Window(date(2026, 11, 1), date(2026, 12, 2))
    assert span([date(2026, 9, 1)], first) == Window(date(2026, 9, 1), date(2026, 10, 1))
