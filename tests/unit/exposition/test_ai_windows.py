from __future__ import annotations

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.exposition.ai_windows import AVERAGED_DAYS, Averages, LastDay
from finops_exporter.store.ai_gauges import HoursLine, UsageLine

if TYPE_CHECKING:
    from finops_exporter.store.ai_gauges import AiReader

NOW = datetime(2026, 11, 21, 12, 34, 56, tzinfo=UTC)
STEP, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)


class Row(NamedTuple):
    """What was used in five minutes."""

    tenant: str
    kind: str
    begin: datetime
    requests: int
    tokens: int
    usd: Decimal


class Store:
    """Answers as the statements do, and counts the questions."""

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.asked: list[str] = []

    def usage(self, tenants: list[str], since: datetime, until: datetime) -> list[UsageLine]:
        self.asked.append("usage")
        return [
            UsageLine(row.tenant, row.kind, row.requests, row.tokens, row.usd)
            for row in self.rows
            if row.tenant in tenants and since < row.begin <= until
        ]

    def reports(self, since: datetime, until: datetime) -> list[UsageLine]:
        self.asked.append("reports")
        return [
            UsageLine(row.tenant, row.kind, row.requests, row.tokens, row.usd)
            for row in self.rows
            if row.kind and since < row.begin <= until
        ]

    def active_hours(self, since: datetime, until: datetime) -> list[HoursLine]:
        self.asked.append("hours")
        found: dict[str, list[Row]] = defaultdict(list)
        for row in self.rows:
            if since <= row.begin < until:
                found[row.tenant].append(row)
        return [
            HoursLine(
                tenant,
                Decimal(sum(row.tokens for row in those)),
                len({row.begin.replace(minute=0) for row in those}),
                len(those),
            )
            for tenant, those in found.items()
        ]


def reader(store: Store) -> AiReader:
    return cast("AiReader", store)


rows = st.lists(
    st.builds(
        Row,
        st.sampled_from(["acme", "globex", "unlisted"]),
        st.sampled_from(["", "weekly", "audit"]),
        st.integers(0, 9 * 24 * 12).map(
            lambda back: datetime(2026, 11, 21, 12, 30, tzinfo=UTC) - back * STEP
        ),
        st.integers(1, 5),
        st.integers(0, 10_000),
        st.decimals(0, 10, places=4),
    ),
    max_size=40,
)


@given(rows, st.integers(0, 299))
def test_the_parts_of_the_day_are_the_whole(made: list[Row], seconds: int) -> None:
    now = datetime(2026, 11, 21, 12, 30, tzinfo=UTC) + timedelta(seconds=seconds)
    listed = ("acme", "globex")
    lately = LastDay().read(reader(Store(made)), now, listed)
    hour = [row for row in made if row.tenant in listed and now - HOUR < row.begin <= now]
    assert sum(used.number for used in lately.hour.values()) == sum(row.tokens for row in hour)
    assert sum(used.cost_usd for used in lately.hour.values()) == sum(row.usd for row in hour)
    assert lately.hour.keys() == {row.tenant for row in hour}
    for key, used in lately.reports.items():
        day = [
            row for row in made if (row.tenant, row.kind) == key and now - DAY < row.begin <= now
        ]
        assert used == (sum(row.requests for row in day), sum(row.usd for row in day))
    assert lately.reports.keys() == {
        (row.tenant, row.kind)
        for row in made
        if row.kind and row.tenant in listed and now - DAY < row.begin <= now
    }


@given(rows)
def test_the_average_of_the_days_is_that_of_the_week(made: list[Row]) -> None:
    averages = Averages()
    averages.read(reader(Store(made)), NOW)
    until = NOW.replace(minute=0, second=0)
    hours: dict[str, dict[datetime, int]] = defaultdict(lambda: defaultdict(int))
    for row in made:
        if until - AVERAGED_DAYS * DAY <= row.begin < until:
            hours[row.tenant][row.begin.replace(minute=0)] += row.tokens
    assert averages.known == {
        tenant: Decimal(sum(by_hour.values())) / len(by_hour) for tenant, by_hour in hours.items()
    }


def test_what_hardly_changes_is_not_asked_every_time() -> None:
    row = Row("acme", "weekly", NOW - 3 * HOUR, 1, 7, Decimal(1))
    store, last_day, averages = Store([row]), LastDay(), Averages()
    for seconds in (0, 10, 240):  # 12:34:56 to 12:38:56
        last_day.read(reader(store), NOW + timedelta(seconds=seconds), ["acme"])
        averages.read(reader(store), NOW + timedelta(seconds=seconds))
    assert store.asked.count("reports") == 2
    assert store.asked.count("usage") == 3
    assert store.asked.count("hours") == AVERAGED_DAYS
    averages.read(reader(store), NOW + HOUR)
    assert store.asked.count("hours") == 2 * AVERAGED_DAYS


class Broken(Store):
    """Cannot be read after a few answers."""

    def active_hours(self, since: datetime, until: datetime) -> list[HoursLine]:
        if len(self.asked) == 3:
            self.asked.append("error")
            raise ConnectionError
        return super().active_hours(since, until)


def test_after_an_error_the_averages_go_on_where_they_were() -> None:
    made = [Row("acme", "", NOW - back * DAY, 1, 10**back, Decimal(1)) for back in range(1, 8)]
    store, averages = Broken(made), Averages()
    with pytest.raises(ConnectionError):
        averages.read(reader(store), NOW)
    assert averages.known == {}
    averages.read(reader(store), NOW)
    assert averages.known == {"acme": Decimal(11111110) / 7}
    assert store.asked.count("hours") == AVERAGED_DAYS
