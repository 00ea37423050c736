"""The ledger that cannot be overspent: hold before the call, settle after it, exactly once each."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar, cast

import structlog

from finops_exporter.ai_budget.group import ANSWER_SECONDS, Group
from finops_exporter.ai_model import Admission, Conflict, Refusal, Settlement, Track
from finops_exporter.errors import FinopsError, StoreError, UnavailableError
from finops_exporter.store import ai_budgets
from finops_exporter.store.ledger import Answer, Asked, ContendedError, LockedError, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from finops_exporter.ai_budget.fail_open import FailOpen
    from finops_exporter.ai_budget.meters import Meters
    from finops_exporter.ai_model import BudgetChange, BudgetState, Check, Consumer, Terms
    from finops_exporter.store.database import Connection, Database

T = TypeVar("T")
log = structlog.get_logger()

STOP_SECONDS = 5.0
"""How long calls that still wait may take when the process ends."""


class Ledger:
    """Decides and counts calls, many of a moment in one transaction; see AI budgets in docs.

    `database` should be a pool of its own, so that nothing slow is in the way. `server_now` is what
    the database is told the time is (None: it has a clock of its own, which is the one that all
    processes share). To be made in a running event loop, and stopped.
    """

    def __init__(
        self,
        database: Database,
        terms: Terms,
        meters: Meters,
        *,
        fail_open: FailOpen | None = None,
        server_now: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._database = database
        self._terms = terms
        self._meters = meters
        self._fail_open = fail_open
        self._server_now = server_now
        self._journal_problem = ""
        self._group = Group(self._decide)
        if fail_open is not None:
            meters.follow(lambda: fail_open.is_pending)

    async def check(self, check: Check) -> Admission | Refusal | Conflict:
        """Hold what the call may cost, if it fits; raises UnavailableError."""
        began = time.perf_counter()
        try:
            found = await self._while_down(check) or await self._group.ask(Asked("check", check))
        except UnavailableError:
            found = await self._without_database(check)
            if found is None:
                self._meters.checked("unavailable", time.perf_counter() - began)
                raise
        except Exception:
            self._meters.checked("error", time.perf_counter() - began)
            raise
        answer = cast("Admission | Refusal | Conflict", found)
        self._meters.checked(_outcome(answer), time.perf_counter() - began)
        return answer

    async def track(self, track: Track) -> Settlement | Refusal | Conflict:
        """Settle the call with what it has cost, once; raises UnavailableError."""
        try:
            found = await self._while_down(track) or await self._group.ask(Asked("track", track))
        except UnavailableError:
            found = await self._without_database(track)
            if found is None:
                raise
        return cast("Settlement | Refusal | Conflict", found)

    def refused_unpriced(self) -> None:
        """A check was refused because its model has no price; the ledger is not asked about it."""
        self._meters.checked("unpriced", 0.0)

    async def status(self, tenant_id: str) -> list[BudgetState]:
        """How the budgets of a tenant stand, by model; raises UnavailableError."""
        return await self._read(
            lambda connection: ai_budgets.states(connection, tenant_id, self._server_now())
        )

    async def put(self, change: BudgetChange) -> BudgetState:
        """Set a budget, or some of it; raises UsageError for a new one without a limit."""

        def change_it(connection: Connection) -> BudgetState:
            ai_budgets.put(connection, change)
            found = ai_budgets.states(connection, change.tenant_id, self._server_now())
            return next(one for one in found if one.budget.model == change.model)

        return await self._read(change_it)

    async def top_consumers(self, most: int) -> list[Consumer]:
        """Who has spent most in the current month; raises UnavailableError."""
        return await self._read(
            lambda connection: ai_budgets.top_consumers(connection, most, self._server_now())
        )

    @property
    def is_up(self) -> bool:
        """Whether the database answered when it was asked last; asks nobody."""
        return self._meters.is_up

    async def ask_whether_up(self) -> bool:
        """Whether the database answers."""
        try:
            await self._read(lambda connection: connection.execute("SELECT").statusmessage)
        except UnavailableError:
            return False
        return True

    def stop(self) -> None:
        """Decide what still waits; blocks."""
        if not self._group.stop(STOP_SECONDS):
            log.error("the ledger did not end in time; calls that wait get no answer")

    async def _while_down(self, call: Check | Track) -> Answer | None:
        """What the allowances allow: nobody waits for a database that is known to be away."""
        return await self._without_database(call) if self._meters.is_down else None

    async def _without_database(self, call: Check | Track) -> Answer | None:
        """What the allowances allow; None: nothing is decided without the database."""
        if self._fail_open is None:
            return None
        if isinstance(call, Track):
            return await asyncio.to_thread(self._fail_open.track, call)
        return await asyncio.to_thread(self._fail_open.check, call)

    async def _read(self, work: Callable[[Connection], T]) -> T:
        def do() -> T:
            with self._database.connection() as connection:
                return work(connection)

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                found = await asyncio.to_thread(do)
        except (StoreError, TimeoutError) as error:
            self._meters.database_is(up=False)
            raise UnavailableError(str(error) or "the database does not answer in time") from error
        self._meters.database_is(up=True)
        return found

    def _decide(self, asked: Sequence[Asked]) -> Sequence[Answer | None]:
        """In the thread of the group. A connection that broke is no answer: all can be repeated."""
        try:
            answers = self._decide_once(asked)
        except StoreError:
            if self._meters.is_down:
                raise  # the callers have waited long enough for what was away before
            try:
                answers = self._decide_once(asked)
            except StoreError:
                self._meters.database_is(up=False)
                raise
        self._meters.database_is(up=True)
        return answers

    def _decide_once(self, asked: Sequence[Asked]) -> Sequence[Answer | None]:
        with self._database.connection() as connection:
            if self._fail_open is not None and self._fail_open.is_pending:
                # First what is older, so that nothing is counted beside what was set aside for it.
                self._replay(self._fail_open, connection)
            return decide(connection, asked, self._terms, self._server_now())

    def _replay(self, fail_open: FailOpen, connection: Connection) -> None:
        """A journal that cannot be read is for people to mend; calls are decided meanwhile."""
        try:
            fail_open.renew(connection)
        except (ContendedError, LockedError):
            return  # the next time; until then more is held than needed
        except StoreError:
            raise
        except FinopsError as error:
            if str(error) != self._journal_problem:
                self._journal_problem = str(error)
                log.error("the journal is not counted", error=str(error))  # noqa: TRY400 -- a sentence


def _outcome(answer: Admission | Refusal | Conflict) -> str:
    if isinstance(answer, Admission):
        if answer.shadow:
            return f"shadow_{answer.shadow}"
        return "admitted_fail_open" if answer.fail_open else "admitted"
    return answer.reason if isinstance(answer, Refusal) else "conflict"
