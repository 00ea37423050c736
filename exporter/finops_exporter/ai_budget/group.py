"""Group commit: what is asked while a transaction runs goes into the next one, all together."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import structlog

from finops_exporter.errors import StoreError, UnavailableError
from finops_exporter.store.ledger import (
    Answer,
    Asked,
    ContendedError,
    LockedError,
    WrongCallError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = structlog.get_logger()

Told: TypeAlias = Answer | Exception | None

MOST = 256
"""How many calls at most are decided in one transaction."""

ANSWER_SECONDS = 5.0
"""A database that takes longer for an answer counts as away."""

GATHER_SECONDS = 0.002
"""How long to wait for more calls where there were several just before."""

FORGET = 0.98
"""How much of the number of callers is remembered from one transaction to the next."""

LOCKED_SECONDS = 2.0
"""How long a tenant whose sums somebody else holds is left alone: others are decided meanwhile."""

TRIES = 5
"""How often calls are tried in which somebody else is in the way."""


class Waiting(NamedTuple):
    """A call, where its answer is waited for, and until when (seconds of the loop's clock)."""

    asked: Asked
    answer: asyncio.Future[Answer | None]
    until: float


class Group:
    """Decides calls in a thread of its own, as many at once as are waiting.

    `decide` gets calls with distinct ids and gives their answers; it raises StoreError when the
    database cannot be used, ContendedError when it is to be tried again, LockedError when somebody
    holds the sums of a tenant for long, and WrongCallError when a call among them cannot be read.
    """

    def __init__(self, decide: Callable[[Sequence[Asked]], Sequence[Answer | None]]) -> None:
        self._decide = decide
        self._pending: deque[Waiting] = deque()
        self._queue: deque[Waiting] = deque()
        self._something = threading.Condition()
        self._is_stopping = False
        self._locked: dict[str, float] = {}
        self._unanswered = 0
        self._callers = 0.0
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._work, name="ai-ledger", daemon=True)
        self._thread.start()

    async def ask(self, asked: Asked) -> Answer | None:
        """The answer to a call; raises UnavailableError, or WrongCallError."""
        until = self._loop.time() + ANSWER_SECONDS
        waiting = Waiting(asked, self._loop.create_future(), until)
        if not self._pending:
            self._loop.call_later(ANSWER_SECONDS, self._give_up)
        self._pending.append(waiting)
        with self._something:
            if self._is_stopping:
                raise UnavailableError("the process is ending; ask another one")
            self._queue.append(waiting)
            self._unanswered += 1
            self._callers = max(self._callers, self._unanswered)
            if len(self._queue) == 1 or self._are_enough():
                self._something.notify()  # else it would wake up for nothing
        return await waiting.answer

    def _give_up(self) -> None:
        """Tell those who have waited too long. One timer for all: most calls need none."""
        now = self._loop.time()
        while self._pending and (self._pending[0].answer.done() or self._pending[0].until <= now):
            answer = self._pending.popleft().answer
            if not answer.done():
                answer.set_exception(UnavailableError("the database does not answer in time"))
        if self._pending:
            self._loop.call_later(self._pending[0].until - now, self._give_up)

    def stop(self, seconds: float) -> bool:
        """Decide what still waits, within `seconds`; whether that was done in time. Blocks."""
        with self._something:
            self._is_stopping = True
            self._something.notify()
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while batch := self._next():
            try:
                answers: Sequence[Told] = self._answers(batch)
            except StoreError as error:
                answers = [UnavailableError(str(error)) for _ in batch]
            except Exception:
                # A mistake of ours: those who wait must hear nevertheless.
                log.exception("calls could not be decided")
                answers = [UnavailableError("internal error") for _ in batch]
            with self._something:
                self._unanswered -= len(batch)
            told = [(one.answer, answer) for one, answer in zip(batch, answers, strict=True)]
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                # All at once: what costs is to wake it up.
                self._loop.call_soon_threadsafe(_tell, told)

    def _next(self) -> list[Waiting]:
        """Those that wait, at most MOST and each id once; empty at the end."""
        with self._something:
            while True:
                while not self._queue and not self._is_stopping:
                    self._something.wait()
                if self._enough > 1:
                    # Those that were answered just now will ask again: a transaction costs more
                    # than the moment until then.
                    self._something.wait_for(self._are_enough, GATHER_SECONDS)
                batch = self._distinct()
                self._callers *= FORGET
                if batch or (self._is_stopping and not self._queue):
                    return batch

    @property
    def _enough(self) -> int:
        """Half of those who ask all the time: then the others can be answered meanwhile."""
        return round(self._callers / 2)

    def _are_enough(self) -> bool:
        return len(self._queue) >= self._enough or self._is_stopping

    def _distinct(self) -> list[Waiting]:
        found: dict[str, Waiting] = {}
        later: list[Waiting] = []
        while self._queue and len(found) < MOST:
            one = self._queue.popleft()
            if one.answer.done():
                self._unanswered -= 1
                continue  # nobody waits any more, and nothing was begun
            if one.asked.call.request_id in found:
                later.append(one)
            else:
                found[one.asked.call.request_id] = one
        self._queue.extendleft(reversed(later))
        return list(found.values())

    def _answers(self, batch: Sequence[Waiting]) -> Sequence[Told]:
        """What becomes of each; those of tenants that are locked are not even tried."""
        now = time.monotonic()
        self._locked = {tenant: until for tenant, until in self._locked.items() if until > now}
        free = [one for one in batch if one.asked.call.tenant_id not in self._locked]
        found = dict(zip(map(id, free), self._decided(free) if free else (), strict=True))
        return [found.get(id(one)) or _locked(one) for one in batch]

    def _decided(self, batch: Sequence[Waiting]) -> Sequence[Told]:
        for _ in range(TRIES):
            try:
                return self._decide([one.asked for one in batch])
            except ContendedError:
                continue
            except LockedError:
                return self._apart(batch)
            except WrongCallError as error:
                if len(batch) == 1:
                    return [error]
                # One of them is to blame; the others must not suffer for it.
                return [answer for one in batch for answer in self._decided([one])]
        raise UnavailableError("too many others use the same budgets just now; ask again")

    def _apart(self, batch: Sequence[Waiting]) -> Sequence[Told]:
        """Tenant by tenant, where one of them is locked."""
        tenants: dict[str, list[Waiting]] = {}
        for one in batch:
            tenants.setdefault(one.asked.call.tenant_id, []).append(one)
        if len(tenants) == 1:
            (tenant,) = tenants
            self._locked[tenant] = time.monotonic() + LOCKED_SECONDS
            log.warning("somebody holds the AI budgets of a tenant for long", tenant_id=tenant)
            return [_locked(one) for one in batch]
        answers = {
            id(one): answer
            for part in tenants.values()
            for one, answer in zip(part, self._decided(part), strict=True)
        }
        return [answers[id(one)] for one in batch]


def _locked(one: Waiting) -> UnavailableError:
    tenant = one.asked.call.tenant_id
    return UnavailableError(f"the budgets of tenant {tenant!r} are in use for long; ask again")


def _tell(told: Sequence[tuple[asyncio.Future[Answer | None], Told]]) -> None:
    for future, answer in told:
        if future.done():
            continue
        if isinstance(answer, Exception):
            future.set_exception(answer)
        else:
            future.set_result(answer)
