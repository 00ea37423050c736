"""What each source did and when: one row of source_runs a run, under the source's own lock."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal, TypeAlias

from finops_exporter.analysis.due import LastRun
from finops_exporter.store.database import LOCK_SPACE, Connection, rows, run, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from finops_exporter.model import Notice, Rejected, Window

Outcome: TypeAlias = Literal["succeeded", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class RunResult:
    """How a run ended: counts of what it read, left out and asked for."""

    outcome: Outcome
    parts: int = 0
    rows: int = 0
    rejected_rows: int = 0
    requests: int = 0
    estimated_cost_usd: Decimal = Decimal(0)
    error: str | None = None


@contextmanager
def source_lock(connection: Connection, source: str) -> Iterator[bool]:
    """Hold the right to collect `source` on this connection; False when another process does."""
    key = {"space": LOCK_SPACE, "source": source}
    if not value(connection, "try_lock_source", key):
        yield False
        return
    try:
        yield True
    finally:
        if not connection.broken:
            run(connection, "unlock_source", key)


def start(connection: Connection, source: str, window: Window | None, now: datetime) -> int:
    """Open a run and return its id; a run of a process that died is marked killed."""
    with connection.transaction():
        run(connection, "mark_killed_runs", {"source": source, "now": now})
        return int(
            value(
                connection,
                "start_run",
                {
                    "source": source,
                    "now": now,
                    "since": window.since if window else None,
                    "last": window.last if window else None,
                },
            )
        )


def finish(connection: Connection, run_id: int, result: RunResult, now: datetime) -> None:
    """Close a run; call it in the transaction that changes the facts where there is one."""
    run(connection, "finish_run", {"run_id": run_id, "now": now, **asdict(result)})


def finish_alone(
    connection: Connection,
    source: str,
    run_id: int,
    result: RunResult,
    now: datetime,
    *,
    notices: Sequence[Notice],
) -> None:
    """Close a run whose facts are stored, or that has none, in a transaction of its own."""
    with connection.transaction():
        if result.outcome == "partial":
            replace_notices(connection, source, notices)
        finish(connection, run_id, result, now)
        run(connection, "bump_generation", {"now": now})


def replace_rejections(connection: Connection, source: str, rejected: Sequence[Rejected]) -> None:
    """Keep only what the newest run left out."""
    run(connection, "clear_rejections", {"source": source})
    for one in rejected:
        run(connection, "add_rejection", {"source": source, **asdict(one)})


def replace_notices(connection: Connection, source: str, notices: Sequence[Notice]) -> None:
    """Keep only what the newest run noticed; equal ones are added up."""
    run(connection, "clear_notices", {"source": source})
    for one in notices:
        run(connection, "add_notice", {"source": source, **asdict(one)})


def last_run(connection: Connection, source: str) -> LastRun | None:
    """The newest run of `source`, None before its first."""
    found = rows(connection, "last_run", {"source": source})
    return LastRun(*found[0]) if found else None


def fingerprints(connection: Connection, source: str) -> dict[str, str]:
    """Fingerprint of each stored part of `source`."""
    return dict(rows(connection, "fingerprints", {"source": source}))
