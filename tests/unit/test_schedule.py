"""The schedule in virtual time: weeks of it, with failures, replicas and clocks that jump."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, Any, cast

import pytest

from finops_exporter.analysis.due import LastRun, due_at, pause
from finops_exporter.errors import StoreError
from finops_exporter.one_run import Report
from finops_exporter.scheduler import LONGEST_JITTER, LOOK, Scheduler, Surroundings
from virtual_time import VirtualTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from finops_exporter.kernel import Source

MONDAY = datetime(2026, 11, 16, tzinfo=UTC)
SIX_HOURS = timedelta(hours=6)
WEEK = timedelta(days=7)
LATE = LONGEST_JITTER + LOOK
"""No run begins later than this after it is due."""


@dataclass(frozen=True)
class Job:
    """What the schedule looks at of a source."""

    name: str = "bill"
    interval: timedelta = SIX_HOURS
    is_paid: bool = True


@dataclass
class Runs:
    """What a store and its kernels know, in memory: who ran when, and who runs now."""

    clock: Callable[[], datetime]
    outcome: Callable[[str, datetime], str] = lambda _name, _now: "succeeded"
    is_down: bool = False
    begun: dict[str, list[datetime]] = field(default_factory=dict)
    last: dict[str, LastRun] = field(default_factory=dict)

    def next_run(self, source: Job) -> datetime:
        if self.is_down:
            raise StoreError("the database went away")
        return due_at(self.last.get(source.name), source.interval, self.clock())

    def run(self, source: Job, *, only_if_due: bool) -> Report:
        now = self.clock()
        if self.is_down:
            return Report(source.name, "failed", error="the database went away")
        if only_if_due and self.next_run(source) > now:
            return Report(source.name, "skipped")
        self.begun.setdefault(source.name, []).append(now)
        before = self.last.get(source.name)
        outcome = self.outcome(source.name, now)
        failures = 0 if outcome == "succeeded" else (before.failures if before else 0) + 1
        self.last[source.name] = LastRun(now, now, outcome, failures)
        return Report(source.name, cast("Any", outcome))


async def at_once(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    return work(*arguments, **named)


def scheduler(time: VirtualTime, runs: Runs, *jobs: Job, seed: int = 1, **others: Any) -> Scheduler:
    surroundings = Surroundings(time.clock, in_thread=at_once, dice=Random(seed))  # noqa: S311 -- dice for a jitter
    after = others.pop("after", lambda: None)
    sources = cast("list[Source]", list(jobs))
    return Scheduler(cast("Any", runs), sources, after, surroundings, **others)


def passes(
    time: VirtualTime, *schedulers: Scheduler, last: timedelta = WEEK, during: Any = None
) -> None:
    """Let so much time pass, and stop."""

    async def go() -> None:
        async with asyncio.TaskGroup() as group:
            for one in schedulers:
                group.create_task(one.run())
            if during is not None:
                group.create_task(during())
            await asyncio.sleep(last.total_seconds())
            for one in schedulers:
                one.stop()

    time.run(go())


def gaps(moments: list[datetime]) -> list[timedelta]:
    return [later - earlier for earlier, later in pairwise(moments)]


def test_a_week_of_runs_every_six_hours() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    passes(time, scheduler(time, runs, Job()))
    begun = runs.begun["bill"]
    assert begun[0] - MONDAY <= LOOK
    assert len(begun) in {27, 28}
    assert all(SIX_HOURS <= gap <= SIX_HOURS + LATE for gap in gaps(begun))
    # The jitter moves them apart from the hour, and from each other.
    assert len({gap.total_seconds() for gap in gaps(begun)}) > 20


def test_a_source_that_fails_is_tried_soon_then_rarely_and_holds_up_nobody() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock, lambda name, _now: "failed" if name == "bad" else "succeeded")
    passes(time, scheduler(time, runs, Job("bad"), Job("good")), last=timedelta(days=2))
    waits = gaps(runs.begun["bad"])
    for failures, wait in enumerate(waits, start=1):
        assert pause(SIX_HOURS, failures) <= wait <= pause(SIX_HOURS, failures) * 1.05 + LOOK
    assert len(waits) > 10
    assert len(runs.begun["good"]) == 8


def test_a_source_that_recovers_is_back_at_its_interval() -> None:
    time = VirtualTime(MONDAY)
    recovers = MONDAY + timedelta(hours=1)
    runs = Runs(time.clock, lambda _name, now: "failed" if now < recovers else "succeeded")
    passes(time, scheduler(time, runs, Job()), last=timedelta(days=1))
    after = [moment for moment in runs.begun["bill"] if moment >= recovers]
    assert after[0] - recovers <= timedelta(hours=1)
    assert all(gap >= SIX_HOURS for gap in gaps(after))


def test_two_replicas_ask_no_more_often_than_one() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    passes(
        time,
        scheduler(time, runs, Job(), Job("other"), seed=1),
        scheduler(time, runs, Job(), Job("other"), seed=2),
    )
    for begun in runs.begun.values():
        assert len(begun) in {27, 28}
        assert all(gap >= SIX_HOURS for gap in gaps(begun))


def test_a_replica_takes_over_when_the_other_ends() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    first, second = scheduler(time, runs, Job()), scheduler(time, runs, Job(), seed=2)

    async def end_the_first() -> None:
        await asyncio.sleep(timedelta(days=2).total_seconds())
        first.stop()

    passes(time, first, second, during=end_the_first)
    assert all(SIX_HOURS <= gap <= SIX_HOURS + LATE for gap in gaps(runs.begun["bill"]))
    assert len(runs.begun["bill"]) in {27, 28}


@pytest.mark.parametrize(("is_paid", "at_start"), [(True, 0), (False, 1)])
def test_only_what_is_free_runs_again_because_we_restart(is_paid: bool, at_start: int) -> None:  # noqa: FBT001 -- a parameter of the test
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    runs.last["bill"] = LastRun(MONDAY - timedelta(hours=1), MONDAY, "succeeded", 0)
    passes(time, scheduler(time, runs, Job(is_paid=is_paid)), last=timedelta(minutes=5))
    assert len(runs.begun.get("bill", [])) == at_start


def test_runs_that_were_missed_are_caught_up_once() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    runs.last["bill"] = LastRun(MONDAY - timedelta(days=9), MONDAY, "succeeded", 0)
    passes(time, scheduler(time, runs, Job()), last=timedelta(hours=5))
    assert len(runs.begun["bill"]) == 1


def test_a_clock_that_jumps_ahead_leads_to_one_run() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)

    async def sleep_three_days() -> None:
        await asyncio.sleep(timedelta(hours=1).total_seconds())
        time.set_clock(timedelta(days=3))

    passes(time, scheduler(time, runs, Job()), last=timedelta(hours=6), during=sleep_three_days)
    assert len(runs.begun["bill"]) == 2
    # It is noticed at the next look at the clock.
    assert runs.begun["bill"][1] - MONDAY <= timedelta(days=3, hours=1) + 2 * LOOK


@pytest.mark.parametrize("back", [timedelta(hours=2), timedelta(days=400)])
def test_a_clock_that_jumps_back_stops_nothing(back: timedelta) -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)

    async def jump() -> None:
        await asyncio.sleep(timedelta(hours=1).total_seconds())
        time.set_clock(-back)

    passes(time, scheduler(time, runs, Job()), last=timedelta(days=2), during=jump)
    # At the worst one interval is lost.
    assert 7 <= len(runs.begun["bill"]) <= 9


def test_a_database_that_is_gone_is_asked_again_and_not_all_the_time() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock, is_down=True)
    looks = 0
    usual = runs.next_run

    def counted(source: Job) -> datetime:
        nonlocal looks
        looks += 1
        return usual(source)

    runs.next_run = counted  # type: ignore[method-assign]

    async def back_after_an_hour() -> None:
        await asyncio.sleep(3600)
        runs.is_down = False

    job = scheduler(time, runs, Job())
    passes(time, job, last=timedelta(hours=2), during=back_after_an_hour)
    assert len(runs.begun["bill"]) == 1
    assert runs.begun["bill"][0] - MONDAY <= timedelta(hours=1) + 3 * LOOK
    assert looks < 150


def test_a_stop_lets_the_run_end_and_begins_nothing_new() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    ended: list[datetime] = []

    async def slowly(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        if work == runs.run:
            await asyncio.sleep(600)
            ended.append(time.clock())
        return work(*arguments, **named)

    surroundings = Surroundings(time.clock, in_thread=slowly)
    sources = cast("list[Source]", [Job(), Job("other")])
    slow = Scheduler(cast("Any", runs), sources, lambda: None, surroundings, at_once=1)
    passes(time, slow, last=timedelta(minutes=1))
    assert ended == [MONDAY + timedelta(minutes=10)]
    assert list(runs.begun) == ["bill"]


def test_no_more_runs_are_under_way_than_there_are_connections() -> None:
    time = VirtualTime(MONDAY)
    runs = Runs(time.clock)
    under_way = most = 0

    async def slowly(work: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        nonlocal under_way, most
        under_way += work == runs.run
        most = max(most, under_way)
        await asyncio.sleep(60 if work == runs.run else 0)
        under_way -= work == runs.run
        return work(*arguments, **named)

    surroundings = Surroundings(time.clock, in_thread=slowly)
    jobs = cast("list[Source]", [Job(str(number)) for number in range(6)])
    two = Scheduler(cast("Any", runs), jobs, lambda: None, surroundings, at_once=2)
    passes(time, two, last=timedelta(hours=1))
    assert most == 2
    assert len(runs.begun) == 6
