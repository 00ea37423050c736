from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from finops_exporter.ai_budget import group as module
from finops_exporter.ai_budget.group import Group
from finops_exporter.ai_model import Check, Conflict
from finops_exporter.errors import StoreError, UnavailableError
from finops_exporter.store.ledger import Asked, ContendedError, WrongCallError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from finops_exporter.store.ledger import Answer


def asked(name: str, model: str = "m") -> Asked:
    return Asked("check", Check(name, "t", model, Decimal(1), "p"))


class Database:
    """Answers each call with its id; `free` lets it answer at all."""

    def __init__(self) -> None:
        self.free = threading.Event()
        self.free.set()
        self.begun = threading.Event()
        self.batches: list[list[str]] = []
        self.errors: list[Exception] = []

    def decide(self, calls: Sequence[Asked]) -> Sequence[Answer | None]:
        self.batches.append([one.call.request_id for one in calls])
        self.begun.set()
        self.free.wait(5)
        if self.errors:
            raise self.errors.pop(0)
        if len(calls) > 1 and any(one.call.model == "wrong" for one in calls):
            raise WrongCallError("which cannot be read")
        if calls[0].call.model == "wrong":
            raise WrongCallError("which cannot be read")
        return [Conflict(one.call.request_id, "") for one in calls]


@asynccontextmanager
async def running(database: Database) -> AsyncIterator[Group]:
    group = Group(database.decide)
    yield group
    database.free.set()
    assert group.stop(5)


async def under_way(database: Database, group: Group) -> asyncio.Task[Answer | None]:
    """A call that is being decided while the database hangs."""
    database.free.clear()
    first = asyncio.create_task(group.ask(asked("first")))
    await asyncio.to_thread(database.begun.wait, 5)
    return first


def test_what_waits_is_decided_together_and_no_id_twice() -> None:
    database = Database()

    async def scenario() -> None:
        async with running(database) as group:
            first = await under_way(database, group)
            names = ["a", "b", "a", "c"]
            waiting = [asyncio.create_task(group.ask(asked(name))) for name in names]
            await asyncio.sleep(0)
            database.free.set()
            found = await asyncio.gather(first, *waiting)
            assert [one.request_id for one in found if one] == ["first", *names]

    asyncio.run(scenario())
    assert database.batches[0] == ["first"]
    assert [name for batch in database.batches[1:] for name in batch].count("a") == 2
    assert all(len(set(batch)) == len(batch) for batch in database.batches)


def test_it_goes_on_when_everybody_has_given_up() -> None:
    database = Database()

    async def scenario() -> None:
        async with running(database) as group:
            first = await under_way(database, group)
            second = asyncio.create_task(group.ask(asked("second")))
            await asyncio.sleep(0)
            second.cancel()
            await asyncio.sleep(0)
            database.free.set()
            await first
            assert await group.ask(asked("third"))

    asyncio.run(scenario())
    assert database.batches == [["first"], ["third"]]


def test_whoever_waits_too_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.05)
    database = Database()

    async def scenario() -> None:
        async with running(database) as group:
            first = await under_way(database, group)
            with pytest.raises(UnavailableError, match="does not answer in time"):
                await first
            database.free.set()
            assert await group.ask(asked("later"))

    asyncio.run(scenario())


def test_calls_in_whose_way_somebody_is_are_tried_again_a_few_times() -> None:
    database = Database()
    database.errors = [ContendedError() for _ in range(module.TRIES - 1)]

    async def scenario() -> None:
        async with running(database) as group:
            assert await group.ask(asked("one"))
            database.errors = [ContendedError() for _ in range(module.TRIES)]
            with pytest.raises(UnavailableError, match="too many others"):
                await group.ask(asked("two"))

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("error", "told"), [(StoreError("it is away"), "it is away"), (KeyError("x"), "internal error")]
)
def test_an_error_is_told_to_all_and_ends_nothing(error: Exception, told: str) -> None:
    database = Database()

    async def scenario() -> None:
        async with running(database) as group:
            first = await under_way(database, group)
            database.errors = [error]
            database.free.set()
            with pytest.raises(UnavailableError, match=told):
                await first
            assert await group.ask(asked("next"))

    asyncio.run(scenario())


def test_a_call_that_cannot_be_read_spoils_no_other() -> None:
    database = Database()

    async def scenario() -> None:
        async with running(database) as group:
            first = await under_way(database, group)
            waiting = [
                asyncio.create_task(group.ask(asked(name, model)))
                for name, model in (("a", "m"), ("b", "wrong"), ("c", "m"))
            ]
            await asyncio.sleep(0)
            database.free.set()
            await first
            a, b, c = await asyncio.gather(*waiting, return_exceptions=True)
            assert isinstance(a, Conflict)
            assert isinstance(b, WrongCallError)
            assert isinstance(c, Conflict)

    asyncio.run(scenario())
