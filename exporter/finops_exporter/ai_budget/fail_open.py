"""Calls while the database is away: from what was set aside before, and counted afterwards.

For each budget with fail_mode fail_open, each process holds an allowance in the ledger. While the
database is away it admits calls up to that, and writes them to its journal. Once the database is
back, one transaction gives the allowances back and counts what the journal says: so what is spent
and held is never more than the limit, and a journal that is replayed twice counts once.
"""

from __future__ import annotations

import json
import threading
import uuid
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import structlog

from finops_exporter.ai_model import (
    ALL_MODELS,
    Admission,
    Check,
    Conflict,
    Refusal,
    Settlement,
    Tokens,
    Track,
)
from finops_exporter.store.ai_budgets import fail_open, remember_allowance, take_allowances
from finops_exporter.store.ledger import Asked, decide

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from finops_exporter.ai_budget.journal import Journal
    from finops_exporter.ai_model import Terms
    from finops_exporter.store.ai_budgets import OpenBudget
    from finops_exporter.store.database import Connection

log = structlog.get_logger()

ALLOWANCE_HOLD = timedelta(days=1)
"""What a process set aside that never came back is charged after so long."""

TRY_AGAIN = timedelta(minutes=5)
"""When to look again whether a budget that was used up has something to set aside."""

RENEW_AFTER = timedelta(hours=6)
"""How old what is set aside may become before it is set aside anew."""

AT_ONCE = 500
"""How many calls of the journal are counted in one statement."""

ASK_AGAIN = timedelta(seconds=30)
"""When to ask again once an allowance is used up."""


@dataclass(slots=True)
class Allowance:
    """What is set aside of a budget, until its period ends; `left_usd` of it is not used yet."""

    budget: OpenBudget
    taken_at: datetime
    left_usd: Decimal


@dataclass(slots=True)
class Admitted:
    """A call that was admitted while the database was away."""

    check: Check
    admission: Admission
    allowance: Allowance


@dataclass(slots=True)
class State:
    """What this process knows without the database."""

    allowances: dict[tuple[str, str], Allowance | None] = field(default_factory=dict)
    admitted: dict[str, Admitted] = field(default_factory=dict)
    tracked: dict[str, Track] = field(default_factory=dict)
    is_pending: bool = False


class FailOpen:
    """Admits and takes reports from allowances; `replay` counts them once the database is back.

    `clock` gives the time while the database is away, `server_now` what the database is told it is
    (None: it has a clock of its own). All methods may be called from any thread, and block.
    """

    def __init__(
        self,
        journal: Journal,
        terms: Terms,
        clock: Callable[[], datetime],
        server_now: Callable[[], datetime | None],
    ) -> None:
        self._journal = journal
        self._terms = terms
        self._clock = clock
        self._server_now = server_now
        self._wants_nothing = False
        self._lock = threading.Lock()
        self._state = State(is_pending=not journal.is_empty)

    @property
    def is_pending(self) -> bool:
        """Whether the journal has something to count."""
        return self._state.is_pending

    def check(self, check: Check) -> Admission | Refusal | Conflict | None:
        """Decide without the database; None: the tenant's budgets do not allow that."""
        with self._lock:
            if known := self._state.admitted.get(check.request_id):
                return known.admission if known.check == check else _conflict(check)
            now = self._clock()
            allowance = self._allowance(check.tenant_id, check.model, now)
            if allowance is None:
                return None
            if check.reserve_usd > allowance.left_usd:
                return Refusal(check.request_id, "busy", ASK_AGAIN)
            admission = Admission(
                check.request_id,
                check.reserve_usd,
                now + self._terms.hold,
                share=None,
                warns=False,
                fail_open=True,
            )
            if not self._write(Asked("force", replace(check, at=now))):
                return None
            allowance.left_usd -= check.reserve_usd
            self._state.admitted[check.request_id] = Admitted(check, admission, allowance)
            return admission

    def track(self, track: Track) -> Settlement | Conflict | None:
        """Take a report without the database; None: the tenant's budgets do not allow that."""
        with self._lock:
            known = self._state.tracked.get(track.request_id)
            if known is not None and known.print != track.print:
                return _conflict(track)
            admitted = self._state.admitted.get(track.request_id)
            now = self._clock()
            if admitted is None and self._allowance(track.tenant_id, track.model, now) is None:
                return None
            if admitted and (admitted.check.tenant_id, admitted.check.model) != (
                track.tenant_id,
                track.model,
            ):
                return _conflict(track)
            held = admitted.admission.reserved_usd if admitted else track.cost_usd
            if known is None:
                if not self._write(Asked("track", replace(track, at=track.at or now))):
                    return None
                self._state.tracked[track.request_id] = track
                if admitted:
                    admitted.allowance.left_usd += max(held - track.cost_usd, Decimal(0))
            over = max(track.cost_usd - held, Decimal(0))
            return Settlement(
                track.request_id, track.cost_usd, over, share=None, warns=False, fail_open=True
            )

    def renew(self, connection: Connection) -> None:
        """Count what the journal says, and set aside anew what is due; all in one transaction.

        Raises what the store raises, and FinopsError for a journal that cannot be read; nothing has
        changed then.
        """
        with self._lock:
            now = self._clock()
            wanted = fail_open(connection, self._server_now())
            if not self._state.is_pending and not self._is_due(wanted, now):
                return
            entries = [_asked(entry) for entry in self._journal.entries()]
            with connection.transaction():
                held = take_allowances(connection, self._journal.id)
                self._decide(connection, [Asked("release", one) for one in held])
                self._decide(connection, [one for one in entries if one.kind == "force"])
                self._decide(connection, [one for one in entries if one.kind == "track"])
                taken = self._set_aside(connection, wanted, now)
            self._journal.clear()
            self._state = State(taken)
        if entries:
            log.info("what was admitted while the database was away is counted", calls=len(entries))

    def give_back(self, connection: Connection) -> None:
        """Count what the journal says and give all allowances back: the process ends."""
        self._wants_nothing = True
        self.renew(connection)

    def adopt(self, connection: Connection) -> int:
        """Count what processes left behind that did not come back; how many of them that were."""
        found = 0
        for journal in self._journal.left_behind():
            try:
                other = FailOpen(journal, self._terms, self._clock, self._server_now)
                other.give_back(connection)
                found += 1
            finally:
                journal.close()
        return found

    def close(self) -> None:
        """Let another process take the journal up."""
        self._journal.close()

    def _set_aside(
        self, connection: Connection, wanted: Sequence[OpenBudget], now: datetime
    ) -> dict[tuple[str, str], Allowance | None]:
        """Take the allowances; a budget that is fail_closed has None."""
        taken: dict[tuple[str, str], Allowance | None] = {}
        asked = []
        for budget in [] if self._wants_nothing else wanted:
            taken[budget.tenant_id, budget.model] = None
            if budget.allowance_usd:
                check = Check(
                    f"allowance-{uuid.uuid4()}",
                    budget.tenant_id,
                    budget.model,
                    budget.allowance_usd,
                    "allowance",
                )
                asked.append((budget, Asked("allow", check)))
        terms = replace(self._terms, hold=ALLOWANCE_HOLD)
        calls = [one for _, one in asked]
        answers = decide(connection, calls, terms, self._server_now())
        for (budget, one), answer in zip(asked, answers, strict=True):
            usd = answer.reserved_usd if isinstance(answer, Admission) else Decimal(0)
            taken[budget.tenant_id, budget.model] = Allowance(budget, now, usd)
            if usd:
                remember_allowance(connection, self._journal.id, one.call)
        return taken

    def _decide(self, connection: Connection, asked: Sequence[Asked]) -> None:
        distinct = list({one.call.request_id: one for one in asked}.values())
        for begin in range(0, len(distinct), AT_ONCE):
            part = distinct[begin : begin + AT_ONCE]
            answers = decide(connection, part, self._terms, self._server_now())
            for one, answer in zip(part, answers, strict=True):
                if isinstance(answer, Conflict) and one.kind == "track":
                    log.error(
                        "a call that was reported while the database was away is not counted: "
                        "its id belongs to another call",
                        request_id=answer.request_id,
                        tenant_id=one.call.tenant_id,
                    )

    def _is_due(self, wanted: Sequence[OpenBudget], now: datetime) -> bool:
        kept = self._state.allowances
        if self._wants_nothing or {(one.tenant_id, one.model) for one in wanted} != set(kept):
            return True
        for budget in wanted:
            found = kept[budget.tenant_id, budget.model]
            if not budget.allowance_usd:
                continue
            if (
                found is None
                or found.budget != budget
                or now - found.taken_at > (RENEW_AFTER if found.left_usd else TRY_AGAIN)
            ):
                return True
        return False

    def _write(self, asked: Asked) -> bool:
        try:
            self._journal.append([_entry(asked)])
        except OSError:
            log.exception("the journal cannot be written", path=str(self._journal.path))
            return False
        self._state.is_pending = True
        return True

    def _allowance(self, tenant_id: str, model: str, now: datetime) -> Allowance | None:
        """What a call may use: that of its model's budget, if there is one, else the tenant's."""
        kept = self._state.allowances
        key = (tenant_id, model) if (tenant_id, model) in kept else (tenant_id, ALL_MODELS)
        found = kept.get(key)
        return found if found is not None and now < found.budget.resets_at else None


def _conflict(call: Check | Track) -> Conflict:
    return Conflict(call.request_id, "the id belongs to this call with another content")


def _entry(asked: Asked) -> dict[str, Any]:
    """A line of the journal; amounts and times as text, which loses nothing."""
    return {"kind": asked.kind, **json.loads(json.dumps(asdict(asked.call), default=str))}


def _asked(entry: Mapping[str, Any]) -> Asked:
    fields = dict(entry)
    kind = fields.pop("kind")
    fields["at"] = datetime.fromisoformat(fields["at"])
    if kind == "force":
        fields["reserve_usd"] = Decimal(fields["reserve_usd"])
        return Asked("force", Check(**fields))
    fields["cost_usd"] = Decimal(fields["cost_usd"])
    fields["tokens"] = Tokens(**fields["tokens"])
    return Asked("track", Track(**fields))
