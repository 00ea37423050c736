from __future__ import annotations

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import pytest
from structlog.testing import capture_logs

from finops_exporter import server_clock
from finops_exporter.errors import StoreError
from finops_exporter.server_clock import ServerClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.store.database import Database

NOON = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Clocks:
    """Ours and the server's, both set by the test; None: the server does not answer."""

    def __init__(self) -> None:
        self.ours = NOON
        self.theirs: datetime | None = NOON
        self.takes = timedelta(0)

    @contextmanager
    def connection(self) -> Iterator[Clocks]:
        if self.theirs is None:
            raise StoreError("the database is away")
        yield self


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    def read(connection: Any) -> datetime | None:
        found: datetime | None = connection.theirs
        connection.ours += connection.takes
        return found

    monkeypatch.setattr(server_clock, "server_clock", read)
    return Clocks()


def clock_of(clocks: Clocks) -> ServerClock:
    return ServerClock(cast("Database", clocks), lambda: clocks.ours)


@pytest.mark.parametrize("apart", [HOUR, -HOUR, timedelta(seconds=3)])
def test_the_servers_clock_counts_from_the_first_look_on(clocks: Clocks, apart: timedelta) -> None:
    clock = clock_of(clocks)
    clocks.ours += apart
    assert clock() == NOON + apart
    with capture_logs() as logs:
        clock.look()
        clock.look()
    assert clock() == NOON
    assert [one["ahead_seconds"] for one in logs] == [apart.total_seconds()]
    clocks.ours += timedelta(minutes=1)
    assert clock() == NOON + timedelta(minutes=1)


def test_clocks_that_agree_are_left_alone(clocks: Clocks) -> None:
    clock = clock_of(clocks)
    clocks.theirs = NOON - timedelta(seconds=1)
    with capture_logs() as logs:
        clock.look()
    assert (clock(), logs) == (NOON, [])


def test_while_the_server_is_away_the_last_look_holds_and_a_clock_that_is_set_is_seen(
    clocks: Clocks,
) -> None:
    clock = clock_of(clocks)
    clocks.ours += HOUR
    clock.look()
    clocks.theirs = None
    clock.look()
    assert clock() == NOON
    clocks.ours, clocks.theirs = NOON, NOON
    with capture_logs() as logs:
        clock.look()
    assert clock() == NOON
    assert [one["event"] for one in logs] == ["this machine's clock and the database's agree again"]


@pytest.mark.parametrize("ahead", [timedelta(0), HOUR])
@pytest.mark.parametrize("takes", [timedelta(seconds=30), HOUR, -HOUR])
def test_an_answer_that_took_long_or_a_clock_set_meanwhile_is_no_news(
    clocks: Clocks, ahead: timedelta, takes: timedelta
) -> None:
    clock = clock_of(clocks)
    clocks.ours += ahead
    clock.look()
    clocks.takes = takes
    with capture_logs() as logs:
        clock.look()
    assert (clock(), logs) == (NOON + takes, [])


def test_a_clock_that_is_further_off_than_an_answer_took_is_put_right(clocks: Clocks) -> None:
    clock = clock_of(clocks)
    clocks.ours += HOUR
    clocks.takes = timedelta(seconds=30)
    clock.look()
    assert abs(clock() - NOON) <= clocks.takes
    clocks.ours = NOON
    clock.look()
    assert clock() == clocks.ours
