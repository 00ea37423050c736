"""Asking remote APIs: counted, priced, capped and retried, whatever dies and however many ask."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from random import Random
from typing import TYPE_CHECKING

import pytest

from finops_exporter.asking import ATTEMPTS, Patience
from finops_exporter.errors import NotSentError
from finops_exporter.kernel import Kernel
from finops_exporter.model import Api, Checkpoint, Complete, Item, Plan
from finops_exporter.store import spending
from integration.feeding import NOW, cost
from integration.scripted import Scripted, Step, kernel, run, source
from integration.test_kernel import outcomes, total

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finops_exporter.store.database import Database

CENT = Api("aws", "ce:GetCostAndUsage", Decimal("0.01"))
FREE = Api("aws", "organizations:ListAccounts")


class BusyError(Exception):
    """What a remote side answers that shall be asked again."""


def item(billed: str = "1") -> Callable[[], Item]:
    return lambda: cost("2026-11-20", billed, part="a")


def asks(times: int) -> Callable[[Plan], Iterator[Step]]:
    """So many calls, each of which gives a row, then the part is complete."""

    def script(plan: Plan) -> Iterator[Step]:
        for _ in range(times):
            yield item()
        yield Complete("a", plan.parts[0].fingerprint, None, {"aws": NOW})

    return script


def spent(database: Database) -> Decimal:
    with database.connection() as connection:
        return spending.spent(connection, "scripted", NOW.date())


def counted(database: Database) -> tuple[int, int, Decimal]:
    """Requests, retries and dollars of the counters of /metrics."""
    with database.connection() as connection:
        row = connection.execute("SELECT requests, retries, cost_usd FROM api_requests").fetchone()
    assert row is not None
    return row


def test_every_call_is_counted_and_priced(database: Database) -> None:
    report = run(database, Scripted(script=asks(7), api=CENT))
    assert (report.requests, report.cost_usd) == (7, Decimal("0.07"))
    assert counted(database) == (7, 0, Decimal("0.07"))
    with database.connection() as connection:
        written = connection.execute("SELECT requests, estimated_cost_usd FROM source_runs")
        assert written.fetchall() == [(7, Decimal("0.07"))]


def test_the_cap_is_twice_what_is_planned_and_at_least_a_dollar(database: Database) -> None:
    report = run(database, Scripted(script=asks(101), api=CENT))
    assert report.outcome == "failed"
    assert "the cap of $1 a day is reached" in str(report.error)
    assert spent(database) == 1
    costly = Scripted(name="costly", script=asks(241), api=CENT, daily=Decimal("1.2"))
    report = run(database, costly)
    assert "the cap of $2.4 a day is reached" in str(report.error)
    assert report.cost_usd == Decimal("2.4")


def test_a_crash_loop_cannot_spend_more_than_the_cap(database: Database) -> None:
    calls = 0

    def crashes(_plan: Plan) -> Iterator[Step]:
        nonlocal calls
        for _ in range(7):
            calls += 1
            yield item()
        raise ZeroDivisionError("dies before anything is stored")

    for _ in range(30):
        # A new kernel each time: nothing but the database remembers.
        run(database, Scripted(script=crashes, api=CENT))
    assert spent(database) == 1
    assert counted(database)[0] == 100


def test_the_cap_begins_anew_with_the_day(database: Database) -> None:
    run(database, Scripted(script=asks(101), api=CENT))
    tomorrow = NOW + timedelta(days=1)
    report = kernel(database, lambda: tomorrow).run(source(Scripted(script=asks(99), api=CENT)))
    assert report.outcome == "succeeded"
    assert counted(database) == (199, 0, Decimal("1.99"))


def test_a_run_over_midnight_pays_each_day_what_it_asks_on_it(database: Database) -> None:
    # Every look at the clock is two seconds later.
    start = NOW.replace(hour=23, minute=59, second=0)
    moments = (start + timedelta(seconds=2 * look) for look in range(100_000))
    report = kernel(database, lambda: next(moments)).run(
        source(Scripted(script=asks(60), api=CENT))
    )
    assert report.outcome == "succeeded"
    with database.connection() as connection:
        days = connection.execute("SELECT day, cost_usd FROM api_spending ORDER BY day").fetchall()
    assert [day for day, _ in days] == [NOW.date(), NOW.date() + timedelta(days=1)]
    assert sum(usd for _, usd in days) == Decimal("0.6")


def test_what_is_free_is_asked_also_when_the_cap_is_reached(database: Database) -> None:
    run(database, Scripted(script=asks(101), api=CENT))
    report = run(database, Scripted(script=asks(3), api=FREE))
    assert (report.outcome, report.requests) == ("succeeded", 3)
    assert report.cost_usd == 0


def test_a_run_that_cannot_be_paid_is_not_begun(database: Database) -> None:
    run(database, Scripted(script=asks(100), api=CENT, parts={"a": "1"}))
    report = run(database, Scripted(script=asks(1), api=CENT, parts={"a": "2"}))
    assert report.error == (
        "scripted: $0 of the cap of $1 a day is left, and a run costs $0.01; it goes on with "
        "the first run after 00:00 UTC, or raise daily_cap_usd"
    )
    assert report.requests == 0
    assert spent(database) == 1


def test_a_cap_below_what_was_learned_is_told_and_kept(database: Database) -> None:
    # What is known before the first run is refused at start: see test_app.
    planned = Scripted(script=asks(39), api=CENT, daily=Decimal("0.4"))
    report = kernel(database).run(source(planned, cap_usd=Decimal("0.39")))
    assert (report.outcome, report.requests) == ("succeeded", 39)
    (notice,) = report.notices
    assert notice.message == (
        "scripted: daily_cap_usd is $0.39, but running every 6h is planned to cost $0.4 a day; "
        "raise daily_cap_usd or interval"
    )
    report = kernel(database).run(
        source(replace(planned, parts={"a": "2"}), cap_usd=Decimal("0.39"))
    )
    assert (report.outcome, report.requests) == ("failed", 0)
    assert spent(database) == Decimal("0.39")


def test_history_does_not_take_what_the_newest_days_need(database: Database) -> None:
    def two_steps(plan: Plan) -> Iterator[Step]:
        for part in plan.parts:
            yield partial(cost, "2026-11-20", "1", part=part.key)
            yield Complete(part.key, part.fingerprint, None, {"aws": NOW})
            yield Checkpoint(Decimal("0.30"))

    parts = {"newest": "1", "history": "1"}
    frugal = Scripted(script=two_steps, api=CENT, parts=parts, daily=Decimal("0.8"))
    report = kernel(database).run(source(frugal, cap_usd=Decimal("0.70")))
    # At noon half of the day's 0.8 is still to come: 0.01 + 0.4 + 0.3 are more than 0.7.
    assert (report.outcome, report.parts) == ("partial", 1)
    assert "the rest of the cap of $0.7 a day is needed for the newest days" in str(report.error)
    # Late in the day nothing has to be kept for it.
    night = NOW.replace(hour=23, minute=30)
    report = kernel(database, lambda: night).run(source(frugal, cap_usd=Decimal("0.70")))
    assert (report.outcome, report.parts) == ("succeeded", 1)


def test_what_was_never_sent_is_not_paid(database: Database) -> None:
    def nobody() -> Item:
        raise NotSentError("connection refused")

    def script(_plan: Plan) -> Iterator[Step]:
        yield nobody

    down = Scripted(script=script, api=CENT, transient=lambda _error: timedelta())
    for _ in range(30):
        report = run(database, down)
        assert (report.error, report.requests) == ("connection refused", ATTEMPTS)
        assert report.cost_usd == 0
    assert spent(database) == 0


def test_what_was_paid_for_before_the_cap_is_stored_at_its_checkpoint(database: Database) -> None:
    def long(plan: Plan) -> Iterator[Step]:
        for part in plan.parts:
            for _ in range(60):
                yield partial(cost, "2026-11-20", "1", part=part.key)
            yield Complete(part.key, part.fingerprint, None, {"aws": NOW})
            yield Checkpoint()

    report = run(database, Scripted(script=long, api=CENT, parts={"a": "1", "b": "1"}))
    assert (report.outcome, report.parts, report.changes.written) == ("partial", 1, 1)
    assert "cap of $1 a day is reached" in str(report.error)
    assert total(database) == 60
    assert outcomes(database) == [("partial", report.error)]
    # What is missing is read on the next day, and only that.
    tomorrow = NOW + timedelta(days=1)
    again = Scripted(script=long, api=CENT, parts={"a": "1", "b": "1"})
    report = kernel(database, lambda: tomorrow).run(source(again))
    assert (report.outcome, report.parts, report.requests) == ("succeeded", 1, 60)
    assert total(database) == 120


def refusing(times: int, waits: timedelta = timedelta()) -> Scripted:
    left = times

    def call() -> Item:
        nonlocal left
        if left:
            left -= 1
            raise BusyError("slow down")
        return cost("2026-11-20", "5", part="a")

    def script(plan: Plan) -> Iterator[Step]:
        yield call
        yield Complete("a", plan.parts[0].fingerprint, None, {"aws": NOW})

    def transient(error: Exception) -> timedelta | None:
        return waits if isinstance(error, BusyError) else None

    return Scripted(script=script, api=CENT, transient=transient)


def waiting(database: Database, stop_at: int | None = None) -> tuple[Kernel, list[timedelta]]:
    """A kernel whose clock moves by what it waits, and the waits."""
    waited: list[timedelta] = []

    def wait(how_long: timedelta) -> bool:
        if how_long:
            waited.append(how_long)
        return stop_at is not None and len(waited) >= stop_at

    def clock() -> datetime:
        return NOW + sum(waited, timedelta())

    patience = Patience(clock, wait, Random(7))  # noqa: S311 -- dice for a jitter
    return Kernel(database, patience, threading.Event()), waited


def test_a_throttling_storm_is_waited_out_ever_longer(database: Database) -> None:
    patient, waited = waiting(database)
    report = patient.run(source(refusing(ATTEMPTS - 1)))
    assert report.outcome == "succeeded"
    assert total(database) == 5
    assert counted(database) == (ATTEMPTS, ATTEMPTS - 1, Decimal("0.06"))
    assert len(waited) == ATTEMPTS - 1
    for attempt, wait in enumerate(waited, start=1):
        assert timedelta() < wait <= timedelta(seconds=1 << attempt)


def test_a_storm_without_end_ends_the_run_with_what_was_said(database: Database) -> None:
    patient, _ = waiting(database)
    report = patient.run(source(refusing(1000)))
    assert (report.outcome, report.error) == ("failed", "scripted: BusyError: slow down")
    assert report.requests == ATTEMPTS


def test_the_wait_that_is_asked_for_is_kept(database: Database) -> None:
    patient, waited = waiting(database)
    report = patient.run(source(refusing(2, waits=timedelta(seconds=90))))
    assert report.outcome == "succeeded"
    assert waited == [timedelta(seconds=90)] * 2


def test_a_wait_beyond_the_timeout_ends_the_run_at_once(database: Database) -> None:
    patient, waited = waiting(database)
    report = patient.run(source(refusing(1, waits=timedelta(hours=2))))
    assert "cannot be asked again before the timeout: slow down" in str(report.error)
    assert waited == []


def test_a_stop_ends_a_wait_and_nothing_more_is_asked(database: Database) -> None:
    patient, waited = waiting(database, stop_at=1)
    report = patient.run(source(refusing(3)))
    assert report.error == "scripted: stopped before the run was through"
    assert (len(waited), report.requests) == (1, 1)


@pytest.mark.parametrize("processes", [4])
def test_many_processes_together_stay_below_the_cap(database: Database, processes: int) -> None:
    allowed: list[bool] = []

    def pay() -> None:
        with database.connection() as connection:
            cap = Decimal("0.99")
            allowed.extend(
                spending.pay(connection, "scripted", NOW.date(), CENT, cap_usd=cap, retry=False)
                for _ in range(50)
            )

    threads = [threading.Thread(target=pay) for _ in range(processes)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (sum(allowed), len(allowed)) == (99, 200)
    assert spent(database) == Decimal("0.99")
