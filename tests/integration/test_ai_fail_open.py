"""While the database is away, what was set aside is spent, and counted once that is back."""

from __future__ import annotations

import asyncio
import json
import random
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, Protocol

import pytest
from prometheus_client import CollectorRegistry
from structlog.testing import capture_logs

from finops_exporter.ai_budget.fail_open import FailOpen
from finops_exporter.ai_budget.journal import Journal
from finops_exporter.ai_model import Admission, Conflict, Refusal, Settlement, Terms
from finops_exporter.errors import FinopsError, UnavailableError
from finops_exporter.store.database import Database
from finops_exporter.store.ledger import sweep
from integration.ledgers import Sums, a_check, a_ledger, a_track, budget, of_calls, sums
from integration.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TERMS = Terms(hold=timedelta(minutes=10))


class Away(NamedTuple):
    """A ledger's database behind a door."""

    database: Database
    door: Proxy


@contextmanager
def behind_a_door(database_url: str) -> Iterator[Away]:
    with Proxy(database_url) as door:
        door.open()
        database = Database(door.url, pool_size=2, wait_seconds=0.5)
        database.open()
        try:
            yield Away(database, door)
        finally:
            database.close()


class Processes(Protocol):
    """Makes what a process has to decide without the database; `clock` stands still, if given."""

    def __call__(self, clock: Callable[[], datetime] | None = None) -> FailOpen: ...


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Processes]:
    made = []

    def make(clock: Callable[[], datetime] | None = None) -> FailOpen:
        one = FailOpen(
            Journal(tmp_path), TERMS, clock or (lambda: datetime.now(UTC)), clock or (lambda: None)
        )
        made.append(one)
        return one

    yield make
    for one in made:
        one.close()


def renew(one: FailOpen, database: Database) -> None:
    with database.connection() as connection:
        one.renew(connection)


def test_an_allowance_is_held_beforehand_spent_without_the_database_and_counted(
    database: Database, database_url: str, process: Processes
) -> None:
    budget(database, "10", fail_mode="fail_open", allowance_usd=Decimal(1))
    one = process()

    async def scenario() -> None:
        with behind_a_door(database_url) as away:
            renew(one, away.database)
            assert sums(database).held == Decimal(1)
            async with a_ledger(away.database, TERMS, fail_open=one) as ledger:
                away.door.shut()
                first, second = a_check("0.6"), a_check("0.3")
                for check in (first, second, first):
                    answer = await ledger.check(check)
                    assert isinstance(answer, Admission)
                    assert (answer.fail_open, answer.reserved_usd) == (True, check.reserve_usd)
                refused = await ledger.check(a_check("0.2"))
                assert isinstance(refused, Refusal)
                assert refused.reason == "busy"
                for _ in range(2):
                    settled = await ledger.track(a_track(first, "0.5"))
                    assert settled == Settlement(
                        first.request_id,
                        Decimal("0.5"),
                        Decimal(0),
                        None,
                        warns=False,
                        fail_open=True,
                    )
                assert isinstance(await ledger.track(a_track(first, "0.4")), Conflict)
                assert isinstance(await ledger.check(replace(first, print="other")), Conflict)
                # What a call has not used can be used by another.
                assert isinstance(await ledger.check(a_check("0.2", name="third")), Admission)
                away.door.open()
                assert await ledger.ask_whether_up()
                answer = await ledger.check(second)
                assert isinstance(answer, Admission)
                assert not answer.fail_open
                assert not one.is_pending

    asyncio.run(scenario())
    # Counted: 0.5; held: the two calls that nobody reported yet, and a new allowance.
    assert sums(database) == Sums(Decimal("0.5"), Decimal("0.3") + Decimal("0.2") + 1, 1)
    assert of_calls(database) == (Decimal("0.5"), Decimal("1.5"))
    with database.connection() as connection:
        one.give_back(connection)
    assert sums(database).held == Decimal("0.5")


def test_the_metrics_tell_of_calls_that_the_database_does_not_know_while_it_is_away(
    database: Database, database_url: str, process: Processes
) -> None:
    budget(database, "10", fail_mode="fail_open", allowance_usd=Decimal(1))
    one, registry = process(), CollectorRegistry()

    def told() -> float | None:
        return registry.get_sample_value("finops_ai_ledger_fail_open")

    async def scenario() -> None:
        with behind_a_door(database_url) as away:
            renew(one, away.database)
            ledger_of = a_ledger(away.database, TERMS, registry=registry, fail_open=one)
            async with ledger_of as ledger:
                assert told() == 0
                away.door.shut()
                assert isinstance(await ledger.check(a_check("0.6")), Admission)
                assert told() == 1
                away.door.open()
                renew(one, away.database)
                assert told() == 0

    asyncio.run(scenario())


def test_a_budget_that_fails_closed_is_not_spent_without_the_database(
    database: Database, database_url: str, process: Processes
) -> None:
    budget(database, "10", fail_mode="fail_open")
    budget(database, "10", model="large", fail_mode="fail_closed")
    budget(database, "10", tenant="closed")
    one = process()

    async def scenario() -> None:
        with behind_a_door(database_url) as away:
            renew(one, away.database)
            async with a_ledger(away.database, TERMS, fail_open=one) as ledger:
                away.door.shut()
                assert isinstance(await ledger.check(a_check("0.1")), Admission)
                for check in (a_check("0.1", model="large"), a_check("0.1", tenant="closed")):
                    with pytest.raises(UnavailableError):
                        await ledger.check(check)
                    with pytest.raises(UnavailableError):
                        await ledger.track(a_track(check))

    asyncio.run(scenario())


def test_no_more_than_the_limit_is_set_aside(database: Database, process: Processes) -> None:
    budget(database, "1", fail_mode="fail_open", allowance_usd=Decimal("0.7"))
    processes = [process() for _ in range(3)]
    for one in processes:
        renew(one, database)
    assert sums(database).held == Decimal(1)
    admitted = [one.check(a_check("0.25")) for one in processes for _ in range(4)]
    assert sum(isinstance(answer, Admission) for answer in admitted) == 2 + 1
    # The third has nothing at all.
    assert all(isinstance(answer, Refusal) for answer in admitted[-4:])
    for one in processes:
        renew(one, database)
    assert sums(database).held == Decimal(1)


def test_a_journal_counts_once_however_often_and_in_whatever_order(
    database: Database, process: Processes, tmp_path: Path
) -> None:
    budget(database, "100", fail_mode="fail_open", allowance_usd=Decimal(50))
    one = process()
    renew(one, database)
    chance = random.Random(7)  # noqa: S311 -- reproducible, not secret
    for number in range(40):
        check = a_check(f"0.{number + 10}")
        assert isinstance(one.check(check), Admission)
        if number % 3:
            assert isinstance(one.track(a_track(check, f"0.{number + 5}")), Settlement)
    file = next(tmp_path.iterdir())
    header, *lines = file.read_text().splitlines(keepends=True)
    renew(one, database)
    counted = sums(database)
    assert counted.requests == 26
    for _ in range(4):
        chance.shuffle(lines)
        file.write_text(header + "".join(lines))
        one.close()  # another process takes the journal up
        one = process()
        renew(one, database)
        assert sums(database) == counted


def test_what_a_killed_process_admitted_is_counted_by_the_next(
    database: Database, process: Processes, tmp_path: Path
) -> None:
    budget(database, "10", fail_mode="fail_open", allowance_usd=Decimal(2))
    killed = process()
    renew(killed, database)
    check = a_check("0.5")
    killed.check(check)
    killed.track(a_track(check))
    killed.close()
    file = next(tmp_path.iterdir())
    with file.open("ab") as journal:
        journal.write(b'{"kind": "force", "request')  # it died while it wrote
    following = process()
    assert following.is_pending
    renew(following, database)
    # Its allowance was given back; the following one has one of its own.
    assert sums(database) == Sums(Decimal("0.5"), Decimal(2), 1)


def test_what_never_comes_back_is_charged_and_corrected_when_it_does(
    database: Database, process: Processes
) -> None:
    begin = datetime(2026, 11, 10, tzinfo=UTC)
    budget(database, "10", fail_mode="fail_open", allowance_usd=Decimal(2))
    one = process(lambda: begin)
    renew(one, database)
    check = a_check("0.5")
    one.check(check)
    one.track(a_track(check))
    with database.connection() as connection:
        ended, charged = sweep(connection, charge=True, most=10, now=begin + timedelta(days=2))
    assert (ended, charged) == (1, Decimal(2))
    assert sums(database) == Sums(Decimal(2), Decimal(0), 0)
    renew(one, database)
    assert sums(database) == Sums(Decimal("0.5"), Decimal(2), 1)


def test_an_allowance_is_of_its_month_and_of_the_budget_as_it_is(
    database: Database, process: Processes
) -> None:
    budget(
        database, "10", fail_mode="fail_open", allowance_usd=Decimal(2), timezone="Europe/Berlin"
    )
    now = [datetime(2026, 10, 31, 22, 59, tzinfo=UTC)]
    one = process(lambda: now[0])
    renew(one, database)
    assert isinstance(one.check(a_check("1")), Admission)
    now[0] += timedelta(minutes=1)
    assert one.check(a_check("1")) is None
    renew(one, database)
    assert isinstance(one.check(a_check("1")), Admission)
    renew(one, database)
    budget(database, "10", allowance_usd=Decimal("0.1"))
    renew(one, database)
    assert isinstance(one.check(a_check("1")), Refusal)
    assert sums(database, start=date(2026, 11, 1)).held == Decimal("1.1")


@pytest.mark.parametrize("text", ["no JSON\n", '{"kind": "force"}\n{"kind": "track"\n{}\n'])
def test_a_damaged_journal_is_told_with_file_and_line(
    database: Database, process: Processes, tmp_path: Path, text: str
) -> None:
    Journal(tmp_path).close()
    file = tmp_path / "journal-0.jsonl"
    with file.open("a") as journal:
        journal.write(text)
    with pytest.raises(FinopsError, match=r"journal-0.jsonl:[23]: cannot be read") as told:
        renew(process(), database)
    assert "move the file away" in str(told.value)
    assert text in file.read_text()


def test_a_damaged_journal_keeps_nobody_else_from_being_decided(
    database: Database, process: Processes, tmp_path: Path
) -> None:
    budget(database, "1")
    Journal(tmp_path).close()
    with (tmp_path / "journal-0.jsonl").open("a") as journal:
        journal.write("no JSON\n")

    async def scenario() -> None:
        async with a_ledger(database, TERMS, fail_open=process()) as ledger:
            for _ in range(2):
                assert isinstance(await ledger.check(a_check("0.1")), Admission)

    with capture_logs() as logs:
        asyncio.run(scenario())
    assert [line["event"] for line in logs] == ["the journal is not counted"]


def test_what_others_left_behind_is_counted_too(database: Database, process: Processes) -> None:
    budget(database, "10", fail_mode="fail_open", allowance_usd=Decimal(2))
    first, second = process(), process()
    for one in (first, second):
        renew(one, database)
        check = a_check("0.5")
        one.check(check)
        one.track(a_track(check))
        one.close()
    only = process()
    renew(only, database)
    assert sums(database) == Sums(Decimal("0.5"), Decimal(4), 1)
    with database.connection() as connection:
        assert only.adopt(connection) == 1
        assert only.adopt(connection) == 0
    assert sums(database) == Sums(Decimal(1), Decimal(2), 2)


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "journal-0.jsonl").write_text("my diary\n")
    with pytest.raises(FinopsError, match=r"journal-0.jsonl:1: is no journal of ours"):
        Journal(tmp_path)
    assert (tmp_path / "journal-0.jsonl").read_text() == "my diary\n"


def test_a_folder_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FinopsError, match=r"ai\.journal_dir: cannot write below .*: "):
        Journal(tmp_path / "file" / "below")


def test_processes_share_a_folder(tmp_path: Path) -> None:
    with closing(Journal(tmp_path)) as first, closing(Journal(tmp_path)) as second:
        first.append([{"a": 1}])
        second.append([{"b": 2}])
        assert (first.entries(), second.entries()) == ([{"a": 1}], [{"b": 2}])
    with closing(Journal(tmp_path)) as third:
        assert (third.id, third.entries()) == (first.id, [{"a": 1}])
        third.clear()
        third.append([{"c": 3}])
        lines = third.path.read_text().splitlines()
        assert [json.loads(line) for line in lines] == [{"journal": first.id}, {"c": 3}]
