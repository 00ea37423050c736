"""What may ring at 3 a.m.: the ledger of AI budgets, its database and its processes."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import psycopg
import pytest

from e2e.asking import PRICES, Caller, Traffic, a_caller
from e2e.hearing import PAGED, TEAM
from e2e.stack import Wishes
from finops_exporter.store.database import Database
from finops_exporter.store.migrate import migrate
from integration.killable import Server, killable_server
from integration.processes import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.stack import Stack
    from e2e.story import Story

    Tell = Callable[[str, str], Story]

NO_DATABASE = "The ledger of AI budgets is down: no process reaches its database"
NO_PROCESS = "The ledger of AI budgets is down: no process answers"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with killable_server() as found:
        yield found


@pytest.fixture(scope="module")
def own_database(server: Server) -> str:
    database = Database(server.url)
    database.open()
    migrate(database)
    database.close()
    return server.url


@pytest.fixture(scope="module")
def wishes(folder: Path) -> Wishes:
    journal = folder / "journal"
    journal.mkdir()
    return Wishes(sections={"ai": {"prices": PRICES, "journal_dir": str(journal)}})


@pytest.fixture(autouse=True)
def all_run(stack: Stack, server: Server) -> Iterator[None]:
    """What one test has ended is there for the next one."""
    yield
    if not server.is_up:
        server.restart()
    if not stack.exporters[0].program.runs:
        stack.exporters[0].program.start()


@pytest.fixture(scope="module")
def caller(stack: Stack) -> Caller:
    found = a_caller(stack.config, stack.exporters[0].api)
    found.set("closed", 1000)
    found.set("slow", 1000)
    found.set("open", 1000, fail_mode="fail_open", allowance_usd=5)
    for tenant in ("closed", "slow", "open"):
        found.spend(tenant, 0.01)
    return found


def test_the_database_is_killed(stack: Stack, caller: Caller, server: Server, story: Tell) -> None:
    down = story("AILedgerDown", "the database is killed")
    errors = story("AILedgerErrors", "calls while the database is away")
    open_ = story("AILedgerFailOpen", "calls of a tenant with fail_open meanwhile")
    held = 'ai_budget_reserved_usd{tenant_id="open",model="*"} >= 5'
    until(lambda: stack.ask(held), "an allowance is set aside", 30)
    with Traffic(caller, ["closed", "open"], callers=8, pause=0.1):
        os.kill(server.pid, signal.SIGKILL)
        for told in (down, errors, open_):
            told.caused()
        for message in down.fires(NO_DATABASE, PAGED).values():
            assert "are refused with 503" in message.text
        for message in errors.fires("of AI calls get no answer from the ledger", PAGED).values():
            assert "more than 1% is too much" in message.text
        for message in open_.fires("AI calls are admitted without the ledger", PAGED).values():
            assert "1 processes of the AI ledger admit calls" in message.text
        server.restart()
        for told in (down, errors, open_):
            told.mended()
        down.over(NO_DATABASE, PAGED)
        open_.over("AI calls are admitted without the ledger", PAGED)
        errors.over("of AI calls get no answer from the ledger", PAGED)


def test_the_only_process_is_killed(stack: Stack, story: Tell) -> None:
    told = story("AILedgerDown", "the only process is killed")
    stack.exporters[0].program.kill()
    told.caused()
    for message in told.fires(NO_PROCESS, PAGED).values():
        assert "reaches no process of the AI ledger, of which there were 1" in message.text
    stack.exporters[0].program.start()
    told.mended()
    told.over(NO_PROCESS, PAGED)


def test_somebody_holds_a_lock_and_somebody_asks_for_a_model_without_a_price(
    stack: Stack, caller: Caller, story: Tell
) -> None:
    unpriced = story("AILedgerUnpriced", "a call of a model that nobody knows")
    refused = caller.check("closed", 1, "nobody-knows-it")
    assert (refused.status, refused.body["reason"]) == (429, "unpriced")
    unpriced.caused()

    told = story("AILedgerSlow", "somebody locks a tenant's sums again and again")
    with Traffic(caller, ["slow"], callers=24, pause=0.0):
        with locked_again_and_again(stack.database_url):
            told.caused()
            for message in told.fires("One AI call of a hundred waits 0.", TEAM).values():
                assert "more than 0.25 s is too much" in message.text
        told.mended()
        told.over("One AI call of a hundred waits", TEAM)

    for message in unpriced.fires("their model has no price", TEAM).values():
        assert "1 AI calls were refused in the last 15 minutes" in message.text
    # A quarter of an hour later it is forgotten.
    unpriced.over("their model has no price", TEAM)


@contextmanager
def locked_again_and_again(database_url: str) -> Iterator[None]:
    """Shortly enough that no call is refused for it, and long enough that all are slow."""
    ends = threading.Event()

    def lock() -> None:
        with psycopg.connect(database_url, autocommit=True) as connection:
            while not ends.wait(0.02):
                with connection.transaction():
                    connection.execute(
                        "SELECT FROM budget_period WHERE tenant_id = 'slow' FOR UPDATE"
                    )
                    ends.wait(0.4)

    thread = threading.Thread(target=lock)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()
