"""The AI ledger in the store: decides and counts calls, many in one transaction."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from psycopg.errors import (
    DataError,
    DeadlockDetected,
    IntegrityError,
    LockNotAvailable,
    UniqueViolation,
)

from finops_exporter.ai_model import (
    Admission,
    Check,
    Conflict,
    Refusal,
    Settlement,
    Terms,
    Tokens,
    Track,
)
from finops_exporter.store.database import Connection, rows, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from finops_exporter.ai_model import Reason

Kind: TypeAlias = Literal["check", "force", "track", "allow", "release"]
Answer: TypeAlias = Admission | Refusal | Settlement | Conflict

BUSY = timedelta(seconds=2)
"""When to ask again where only calls under way are in the way."""


UNKNOWN = timedelta(minutes=5)
"""When to ask again for a tenant that has no budget."""

FORGET_AT_ONCE = 10_000
"""How many rows are deleted in one statement."""

_NOTHING = Decimal(0)

_CLASHES = {
    "ended": "the call with this id is reported already, or was given up",
    "conflict": "the id belongs to another call, or to this one with another content",
}
_OWN_ID = "give each call an id of its own, such as a UUID"


class ContendedError(Exception):
    """Somebody else was in the way just then; nothing was done, and it can be tried at once."""


class LockedError(Exception):
    """Somebody else holds the sums of a tenant for longer than we wait; nothing was done."""


class WrongCallError(Exception):
    """The database cannot read a call among these; nothing was done."""


class Asked(NamedTuple):
    """A call and what is asked of it: see the function ai_ledger (migration 0009)."""

    kind: Kind
    call: Check | Track


class Unpriced(NamedTuple):
    """A row of another application that says no cost."""

    request_id: str
    time: datetime
    tenant_id: str
    model: str
    tokens: Tokens
    report_type: str


def decide(
    connection: Connection, asked: Sequence[Asked], terms: Terms, now: datetime | None = None
) -> list[Answer | None]:
    """Decide and count, in this order; all or nothing. The ids must be distinct.

    `now` is the time (None: that of the database's server). An answer is None where there was
    nothing to hold or to release. Raises ContendedError when it has to be tried again,
    WrongCallError when a call cannot be read, and what the driver raises.
    """
    calls = [_call(number, one) for number, one in enumerate(asked, 1)]
    found = _found(connection, calls, terms, now, record=True)
    return [_answer(one, row) for one, row in zip(asked, found, strict=True)]


def count_priced(
    connection: Connection, rows_priced: Sequence[tuple[Unpriced, Track]]
) -> list[str]:
    """Count rows of other applications, and write down what they cost.

    Returns the ids that belong to another call: those rows stay without a cost.
    """
    once = {track.request_id: track for _, track in rows_priced}
    calls = [_call(number, Asked("track", one)) for number, one in enumerate(once.values(), 1)]
    for call in calls:
        call["print"] = None  # a report of the same call through the API is the same call
    found = _found(connection, calls, Terms(), None, record=False)
    clashes = {
        request_id
        for request_id, (_, outcome, *_) in zip(once, found, strict=True)
        if outcome == "conflict"
    }
    for row, track in rows_priced:
        if row.request_id not in clashes:
            run(
                connection,
                "ledger_set_price",
                {
                    "usd": track.cost_usd,
                    "source": track.price_source,
                    "request_id": row.request_id,
                    "time": row.time,
                },
            )
    return sorted(clashes)


def _found(
    connection: Connection,
    calls: Sequence[dict[str, Any]],
    terms: Terms,
    now: datetime | None,
    *,
    record: bool,
) -> list[tuple[Any, ...]]:
    parameters = {
        "calls": json.dumps(calls),
        "now": now,
        "hold": terms.hold,
        "deny_unknown": terms.deny_unknown,
        "enforce": terms.enforce,
        "record": record,
    }
    try:
        found = rows(connection, "ledger_decide", parameters)
    except (DeadlockDetected, UniqueViolation) as error:
        raise ContendedError from error
    except LockNotAvailable as error:
        raise LockedError from error
    except (DataError, IntegrityError) as error:
        raise WrongCallError(" ".join(str(error).split())) from error
    if any(outcome == "again" for _, outcome, *_ in found):
        # What was decided besides is kept: to ask it again gives the same answer.
        raise ContendedError
    return found


def sweep(
    connection: Connection, *, charge: bool, most: int, now: datetime | None = None
) -> tuple[int, Decimal]:
    """End holds that nobody settled in time: how many (at most `most`), and what was charged."""
    parameters = {"now": now, "charge": charge, "most": most}
    ended, usd = rows(connection, "ledger_sweep", parameters)[0]
    return ended, usd


def unpriced_models(connection: Connection) -> list[str]:
    """The models of rows that say no cost."""
    return [row[0] for row in rows(connection, "ledger_unpriced_models")]


def unpriced(connection: Connection, unknown: Sequence[str], most: int) -> list[Unpriced]:
    """Rows that say no cost, of other models than the `unknown` ones, locked for the caller."""
    found = rows(connection, "ledger_unpriced", {"unknown": list(unknown), "most": most})
    return [
        Unpriced(request_id, time, tenant_id, model, Tokens(*counts), report_type)
        for request_id, time, tenant_id, model, *counts, report_type in found
    ]


def forget(connection: Connection, what: Literal["usage", "calls"], before: datetime) -> int:
    """Delete some of what is older than `before`; how many rows (0: nothing is left)."""
    return run(connection, f"ledger_forget_{what}", {"before": before, "most": FORGET_AT_ONCE})


def forget_buckets(connection: Connection, before: datetime) -> None:
    """Delete the sums by five minutes that nobody looks at any more."""
    run(connection, "ledger_forget_buckets", {"before": before})


def _call(number: int, asked: Asked) -> dict[str, Any]:
    """The object that ai_ledger reads; amounts as text, which loses no digit."""
    call = asked.call
    common = {
        "n": number,
        "kind": asked.kind,
        "id": call.request_id,
        "tenant": call.tenant_id,
        "model": call.model,
        "print": call.print,
    }
    if isinstance(call, Check):
        return common | {"usd": str(call.reserve_usd), "at": call.at and call.at.isoformat()}
    tokens = call.tokens
    return common | {
        "usd": str(call.cost_usd),
        "at": call.at and call.at.isoformat(),
        "input": tokens.input,
        "output": tokens.output,
        "read": tokens.cache_read,
        "write": tokens.cache_write_5m,
        "write_1h": tokens.cache_write_1h,
        "source": call.price_source,
        "report": call.report_type,
    }


class _Row(NamedTuple):
    """A row of the statement ledger_decide."""

    n: int
    outcome: str
    usd: Decimal
    expires_at: datetime
    share: Decimal | None
    warns: bool
    shadow: Reason | None
    overrun: Decimal
    budget_model: str | None
    limit_usd: Decimal | None
    used_usd: Decimal | None
    reserved_usd: Decimal | None
    retry_after: timedelta | None


def _answer(asked: Asked, found: tuple[Any, ...]) -> Answer | None:
    row, request_id = _Row(*found), asked.call.request_id
    match row.outcome:
        case "held" | "held new":
            return Admission(request_id, row.usd, row.expires_at, row.share, row.warns, row.shadow)
        case "settled" | "settled now" | "settled new":
            return Settlement(request_id, row.usd, row.overrun or _NOTHING, row.share, row.warns)
        case "exceeded" | "busy":
            return Refusal(
                request_id,
                row.outcome,
                row.retry_after or BUSY,
                row.budget_model,
                row.limit_usd,
                row.used_usd,
                row.reserved_usd,
            )
        case "unknown_tenant":
            return Refusal(request_id, "unknown_tenant", UNKNOWN)
        case "ended" | "conflict":
            return Conflict(request_id, f"{_CLASHES[row.outcome]}; {_OWN_ID}")
    return None  # nothing to hold, nothing to release
