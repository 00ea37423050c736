"""Several API processes on one database: exact together, also when one of them all is killed."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import uuid
from collections import Counter
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, Self

import psycopg
import pytest
from aiohttp import ClientSession, TCPConnector

from finops_exporter.store.database import Database
from finops_exporter.store.migrate import migrate
from integration.api_processes import Client, a_token, api_processes, configured
from integration.killable import killable_server
from integration.ledgers import Sums, budget, of_calls, sums
from integration.processes import as_url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from integration.api_processes import Answer, Api

CLIENTS = 24
CENT = Decimal("0.01")


class Told(NamedTuple):
    """What the clients were told: ids by what became of them."""

    admitted: set[str]
    tracked: set[str]
    refused: Counter[str]


class Traffic:
    """Clients that ask, call, and report, until `calls` were asked for."""

    def __init__(self, apis: Sequence[Api], token: str, calls: int) -> None:
        self._apis = apis
        self._token = token
        self._names = iter([f"call-{number}-{uuid.uuid4().hex[:6]}" for number in range(calls)])
        self.answers = 0
        self.told = Told(set(), set(), Counter())
        self._answered = asyncio.Condition()
        self.events: list[tuple[int, Callable[[], None]]] = []

    def at(self, answers: int, do: Callable[[], None]) -> None:
        """Do something, in a thread, once so many answers were given."""
        self.events.append((answers, do))

    def run(self) -> Told:
        asyncio.run(self._run())
        return self.told

    async def _run(self) -> None:
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            urls = [one.url for one in self._apis]
            await asyncio.gather(
                *(
                    self._client(Client(session, self._token, urls[n % 3 :] + urls[: n % 3]))
                    for n in range(CLIENTS)
                ),
                self._watch(),
            )

    async def _watch(self) -> None:
        for answers, do in sorted(self.events, key=lambda event: event[0]):
            async with self._answered:
                await self._answered.wait_for(partial(self._are, answers))
            await asyncio.to_thread(do)

    def _are(self, least: int) -> bool:
        return self.answers >= least

    async def _count(self) -> None:
        async with self._answered:
            self.answers += 1
            self._answered.notify_all()

    async def _client(self, client: Client) -> None:
        for name in self._names:
            call = {"request_id": name, "tenant_id": "acme", "model": "small", "input_tokens": 1000}
            asked = await client.post("check", {**call, "max_output_tokens": 0})
            await self._count()
            if asked.status != 200:
                self.told.refused[self._reason(asked)] += 1
                continue
            self.told.admitted.add(name)
            reported = await client.post("track", {**call, "output_tokens": 0})
            await self._count()
            assert reported.status == 200, reported
            self.told.tracked.add(name)

    @staticmethod
    def _reason(answer: Answer) -> str:
        assert answer.status == 429, answer
        return str(answer.body["reason"])


class Watcher:
    """Looks at the sums all the while: what is spent and held is never more than the limit."""

    def __init__(self, url: str, limit: Decimal) -> None:
        self._url = url
        self._limit = limit
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.looks = 0
        self.beyond: list[tuple[Decimal, Decimal]] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.is_set():
            try:
                with psycopg.connect(self._url, autocommit=True) as connection:
                    while not self._stop.wait(0.005):
                        row = connection.execute(
                            "SELECT spent_usd, reserved_usd FROM budget_period WHERE model = '*'"
                        ).fetchone()
                        self.looks += 1
                        if row is not None and sum(row) > self._limit:
                            self.beyond.append(row)
            except psycopg.OperationalError:
                self._stop.wait(0.1)


def assert_exact(database: Database, told: Told, limit: Decimal) -> None:
    """What was told is what is counted, call by call and in the sums."""
    with database.connection() as connection:
        states = dict(
            connection.execute("SELECT request_id, state FROM ai_reservations").fetchall()
        )
        usage = connection.execute("SELECT request_id, cost_usd FROM ai_token_usage").fetchall()
    assert told.tracked == told.admitted
    assert {name for name, state in states.items() if state == "S"} == told.tracked
    assert sorted(usage) == sorted((name, CENT) for name in told.tracked)
    spent = CENT * len(told.tracked)
    assert spent == limit
    assert sums(database) == Sums(spent, Decimal(0), len(told.tracked))
    assert of_calls(database) == (spent, Decimal(0))


@pytest.mark.kill
def test_a_process_that_is_killed_loses_and_doubles_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    budget(database, "10")
    config = configured(tmp_path, as_url(database_url))
    token = a_token(config)
    point = random.Random(11).randint(300, 900)  # noqa: S311 -- reproducible, not secret
    with api_processes(config, 3) as apis, Watcher(database_url, Decimal(10)) as watcher:
        traffic = Traffic(apis, token, 3000)
        traffic.at(point, lambda: os.kill(apis[0].process.pid, signal.SIGKILL))
        told = traffic.run()
    assert apis[0].process.returncode == -signal.SIGKILL
    assert watcher.looks > 10
    assert watcher.beyond == []
    assert len(told.admitted) + told.refused.total() == 3000
    assert told.refused["exceeded"] > 0
    assert_exact(database, told, Decimal(10))


@pytest.fixture(scope="module")
def killable() -> Iterator[tuple[str, Callable[[], None]]]:
    """The URL of a database, and what kills its server and starts it again."""
    with killable_server() as server:

        def kill() -> None:
            os.kill(server.pid, signal.SIGKILL)
            server.restart()

        yield server.url, kill


@pytest.mark.kill
def test_a_database_that_is_killed_loses_and_doubles_nothing(
    killable: tuple[str, Callable[[], None]], tmp_path: Path
) -> None:
    url, kill = killable
    database = Database(url, wait_seconds=30)
    database.open()
    migrate(database)
    budget(database, "10")
    config = configured(tmp_path, as_url(url))
    token = a_token(config)
    chance = random.Random(5)  # noqa: S311 -- reproducible, not secret
    with api_processes(config, 3) as apis, Watcher(url, Decimal(10)) as watcher:
        traffic = Traffic(apis, token, 2000)
        traffic.at(chance.randint(200, 500), kill)
        traffic.at(chance.randint(900, 1300), kill)
        told = traffic.run()
    assert watcher.beyond == []
    assert_exact(database, told, Decimal(10))
    database.close()


@pytest.mark.parametrize(("calls", "tokens", "admitted"), [(200, 1000, 100), (20, 60000, 1)])
def test_concurrent_requests_are_admitted_up_to_the_limit(
    database: Database, database_url: str, tmp_path: Path, *, calls: int, tokens: int, admitted: int
) -> None:
    budget(database, "1")
    config = configured(tmp_path, as_url(database_url))
    token = a_token(config, "service", "acme")

    async def scenario(apis: Sequence[Api]) -> Counter[int]:
        async with ClientSession(connector=TCPConnector(limit=0)) as session:
            found = await asyncio.gather(
                *(
                    Client(session, token, [apis[number % 2].url]).post(
                        "check",
                        {
                            "request_id": f"call-{number}",
                            "tenant_id": "acme",
                            "model": "small",
                            "input_tokens": tokens,
                            "max_output_tokens": 0,
                        },
                    )
                    for number in range(calls)
                )
            )
        for one in found:
            if one.status == 429:
                assert (one.body["reason"], one.headers["Retry-After"]) == ("busy", "2")
        return Counter(one.status for one in found)

    with api_processes(config, 2) as apis:
        assert asyncio.run(scenario(apis)) == {200: admitted, 429: calls - admitted}
    assert sums(database) == Sums(Decimal(0), CENT * tokens / 1000 * admitted, 0)
