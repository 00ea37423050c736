"""The kernel against a real store, with a collector that does what a test tells it."""

from __future__ import annotations

import asyncio
import threading
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.errors import CollectError
from finops_exporter.kernel import Kernel
from finops_exporter.model import Item, Plan, Progress, Rejected, Window
from finops_exporter.scheduler import Scheduler, Surroundings
from finops_exporter.store import runs
from finops_exporter.store.reads import costs_by
from integration.feeding import NOW, cost
from integration.scripted import Scripted, Step, kernel, one_day, patience, run, source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.store.database import Database

ALL = Window(date(2020, 1, 1), date(2030, 1, 1))


def total(database: Database) -> Decimal:
    return sum((one.billed for one in costs_by(database, [], ALL)), Decimal(0))


def outcomes(database: Database) -> list[tuple[str, str | None]]:
    with database.connection() as connection:
        return connection.execute(
            "SELECT outcome, error FROM source_runs ORDER BY run_id"
        ).fetchall()


def test_a_run_stores_and_writes_itself_down(database: Database) -> None:
    report = run(database, Scripted(script=one_day("2")))
    assert (report.outcome, report.parts, report.rows, report.changes.written) == (
        "succeeded",
        1,
        1,
        1,
    )
    assert total(database) == 2
    assert outcomes(database) == [("succeeded", None)]


def test_an_unchanged_part_is_not_read_again(database: Database) -> None:
    run(database, Scripted(script=one_day("2")))
    report = run(database, Scripted(script=one_day("99")))
    assert (report.parts, report.unchanged) == (0, 1)
    assert total(database) == 2
    run(database, Scripted(script=one_day("3"), parts={"a": "2"}))
    assert total(database) == 3


def test_a_part_that_is_gone_is_withdrawn_but_not_while_the_listing_is_not_whole(
    database: Database,
) -> None:
    run(database, Scripted(script=one_day("2"), parts={"a": "1", "b": "1"}))
    broken = (Rejected("*.gz", "no_match", "no file matches"),)
    report = run(database, Scripted(parts={"a": "1"}, unreadable=broken, whole=False))
    assert report.outcome == "partial"
    assert total(database) == 4
    report = run(database, Scripted(parts={"a": "1"}))
    assert (report.outcome, report.withdrawn) == ("succeeded", 1)
    assert total(database) == 2


def test_a_rejected_part_keeps_its_stored_rows_while_others_load(database: Database) -> None:
    run(database, Scripted(script=one_day("2"), parts={"a": "1", "b": "1"}))

    def half(plan: Plan) -> Iterator[Step]:
        yield Rejected("a", "bad_amount", "'x' is no number", row=4, column="BilledCost", rows=9)
        yield from one_day("5")(Plan(plan.parts[1:]))

    report = run(database, Scripted(script=half, parts={"a": "2", "b": "2"}))
    assert report.outcome == "partial"
    assert total(database) == 7
    assert outcomes(database)[-1] == (
        "partial",
        "a, data row 4, column BilledCost: 'x' is no number",
    )
    with database.connection() as connection:
        # It is tried again: its fingerprint is still the one of the rows that are stored.
        assert runs.fingerprints(connection, "scripted") == {"a": "1", "b": "2"}


def test_a_run_that_leaves_everything_out_failed(database: Database) -> None:
    def nothing(_plan: Plan) -> Iterator[Item]:
        yield Rejected("a", "empty_file", "the file is empty")

    assert run(database, Scripted(script=nothing)).outcome == "failed"


def test_a_source_that_fails_midway_changes_nothing(database: Database) -> None:
    run(database, Scripted(script=one_day("2")))

    def fails(_plan: Plan) -> Iterator[Item]:
        yield cost("2026-11-20", "99", part="a")
        raise CollectError("the line went dead")

    report = run(database, Scripted(script=fails, parts={"a": "2"}))
    assert (report.outcome, report.error) == ("failed", "the line went dead")
    assert total(database) == 2
    assert outcomes(database)[-1] == ("failed", "the line went dead")


def test_a_mistake_in_a_collector_is_a_failed_run_not_a_crash(database: Database) -> None:
    def broken(_plan: Plan) -> Iterator[Item]:
        yield Progress("a", 0, 1)
        raise ZeroDivisionError("oops")

    report = run(database, Scripted(script=broken))
    assert report.error == "scripted: ZeroDivisionError: oops"
    assert outcomes(database) == [("failed", "scripted: ZeroDivisionError: oops")]


def test_the_collectors_generator_is_closed_when_the_run_is_stopped(database: Database) -> None:
    closed = threading.Event()
    stop = threading.Event()

    def endless(_plan: Plan) -> Iterator[Item]:
        try:
            while True:
                yield Progress("a", 0, 1)
                stop.set()
        finally:
            closed.set()

    report = Kernel(database, patience(), stop).run(source(Scripted(script=endless)))
    assert report.error == "scripted: stopped before the run was through"
    assert closed.is_set()


def test_a_run_that_takes_too_long_is_ended(database: Database) -> None:
    moments = (NOW + timedelta(minutes=step) for step in range(1000))

    def slow(_plan: Plan) -> Iterator[Item]:
        while True:
            yield Progress("a", 0, 1)

    report = kernel(database, lambda: next(moments)).run(
        source(Scripted(script=slow), timeout=timedelta(minutes=30))
    )
    assert report.error == "scripted: took longer than its timeout of 0:30:00"


def test_a_source_that_another_process_collects_is_skipped(database: Database) -> None:
    with database.connection() as other, runs.source_lock(other, "scripted"):
        report = run(database, Scripted(script=one_day("2")))
    assert report.outcome == "skipped"
    assert run(database, Scripted(script=one_day("2"))).outcome == "succeeded"


def test_a_database_that_is_gone_is_a_failed_run(database: Database) -> None:
    database.close()
    assert run(database, Scripted(script=one_day("2"))).outcome == "failed"


def test_progress_reaches_whoever_watches(database: Database) -> None:
    seen: list[tuple[str, Progress]] = []
    watched = Kernel(
        database,
        patience(lambda: datetime(2026, 11, 21, tzinfo=UTC)),
        threading.Event(),
        progress=lambda name, step: seen.append((name, step)),
    )
    watched.run(source(Scripted(script=one_day("1"))))
    assert seen == [
        ("scripted", Progress("a", 0, 1)),
        ("scripted", Progress("storing", 0, 1)),
    ]


def test_the_schedule_runs_every_source_also_when_one_fails(database: Database) -> None:
    def fails(_plan: Plan) -> Iterator[Item]:
        yield Progress("a", 0, 1)
        raise CollectError("no")

    sources = [
        source(Scripted(name="bad", script=fails)),
        source(Scripted(name="good", script=one_day("4"))),
    ]

    async def go() -> int:
        finished = 0
        scheduler: Scheduler

        def after() -> None:
            nonlocal finished
            finished += 1
            if finished == len(sources):
                scheduler.stop()

        scheduler = Scheduler(kernel(database), sources, after, Surroundings(lambda: NOW))
        await scheduler.run()
        return finished

    assert asyncio.run(go()) == 2
    assert total(database) == 4
    assert sorted(outcomes(database), key=str) == [("failed", "no"), ("succeeded", None)]
