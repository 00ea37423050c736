"""Anomalies as they are stored: recorded by whoever judges, decided by people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from finops_exporter.store.database import LOCK_SPACE, Connection, Database, rows, run, value

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date, datetime
    from decimal import Decimal

Status: TypeAlias = Literal["open", "acknowledged", "false_positive"]
Cell: TypeAlias = tuple[str, str, "date"]
"""The account, the service and the day of an anomaly."""

AGAIN = 1.5
"""A decision holds until the excess is so many times what it was about."""


class Found(NamedTuple):
    """A day on which a service cost more than it had reason to; a new service has no score."""

    account_id: str
    service: str
    day: date
    kind: str
    score: float | None
    expected_usd: Decimal
    actual_usd: Decimal
    excess_usd: Decimal


class Anomaly(NamedTuple):
    """One that is stored; `withdrawn`: it is none any more. `planned` is what was announced."""

    anomaly_id: int
    provider: str
    account_id: str
    service: str
    day: date
    kind: str
    score: float | None
    expected_usd: Decimal
    actual_usd: Decimal
    excess_usd: Decimal
    status: Status
    note: str | None
    decided_by: str | None
    decided_at: datetime | None
    withdrawn: bool
    planned: str | None


class PlannedChange(NamedTuple):
    """What was announced for the days `since` through `until`; None: any."""

    change_id: int
    provider: str | None
    account_id: str | None
    service: str | None
    since: date
    until: date
    note: str
    announced_by: str


def judged_until(database: Database) -> dict[str, date]:
    """The newest judged day of each provider. Raises StoreError."""
    with database.connection() as connection:
        return dict(rows(connection, "judged_until"))


def record(
    database: Database,
    provider: str,
    method: str,
    judged: Sequence[date],
    found: Sequence[Found],
    *,
    generation: int,
    now: datetime,
) -> set[Cell]:
    """Make `found` what is known of the `judged` days of a provider, in one transaction.

    What was judged of an older `generation` than the store has by now is not written: it will be
    judged anew. Returns those that alert nobody: decided by people, or announced; raises
    StoreError.
    """
    scope: dict[str, object] = {
        "provider": provider,
        "method": method,
        "judged": list(judged),
        "until": max(judged),
        "now": now,
        "again": AGAIN,
        "accounts": [one.account_id for one in found],
        "services": [one.service for one in found],
        "days": [one.day for one in found],
        "kinds": [one.kind for one in found],
        "scores": [one.score for one in found],
        "expected": [one.expected_usd for one in found],
        "actual": [one.actual_usd for one in found],
        "excess": [one.excess_usd for one in found],
    }
    with database.connection() as connection, connection.transaction():
        run(connection, "lock_anomalies", {"space": LOCK_SPACE})
        if value(connection, "generation") == generation:
            for name in ("record_anomalies", "withdraw_anomalies", "record_judged_until"):
                run(connection, name, scope)
        return _silenced(connection, provider, judged)


def silenced(database: Database, provider: str, judged: Sequence[date]) -> set[Cell]:
    """Those of the `judged` days of a provider that alert nobody; raises StoreError."""
    with database.connection() as connection:
        return _silenced(connection, provider, judged)


def _silenced(connection: Connection, provider: str, judged: Sequence[date]) -> set[Cell]:
    scope = {"provider": provider, "judged": list(judged)}
    return {(row[0], row[1], row[2]) for row in rows(connection, "silenced_anomalies", scope)}


def listed(
    database: Database,
    *,
    anomaly_id: int | None = None,
    status: Status | None = None,
    since: date | None = None,
    withdrawn: bool = False,
    most: int = 1_000,
) -> list[Anomaly]:
    """The newest anomalies first, at most `most`. Raises StoreError."""
    parameters = {
        "anomaly_id": anomaly_id,
        "status": status,
        "since": since,
        "withdrawn": withdrawn,
        "most": most,
    }
    with database.connection() as connection:
        return [Anomaly(*row) for row in rows(connection, "list_anomalies", parameters)]


def decide(
    database: Database,
    ids: Collection[int],
    status: Status,
    *,
    note: str | None,
    who: str,
    now: datetime,
) -> None:
    """Write down what somebody says of all these anomalies, or of none: raises LookupError."""
    with database.connection() as connection, connection.transaction():
        for one in sorted(ids):
            values = {"anomaly_id": one, "status": status, "note": note, "who": who, "now": now}
            if not run(connection, "decide_anomaly", values):
                raise LookupError(one)
            run(connection, "decide_followers", values)
        run(connection, "bump_generation", {"now": now})


def announce(
    database: Database,
    change: PlannedChange,
    now: datetime,
) -> int:
    """Write a planned change down (its `change_id` is not looked at) and return its number."""
    values = {**change._asdict(), "who": change.announced_by, "now": now}
    with database.connection() as connection, connection.transaction():
        number = int(value(connection, "add_planned_change", values))
        run(connection, "bump_generation", {"now": now})
    return number


def planned(database: Database, today: date) -> list[PlannedChange]:
    """What was announced and is not over."""
    with database.connection() as connection:
        found = rows(connection, "planned_changes", {"today": today})
        return [PlannedChange(*row) for row in found]


def forget(database: Database, change_id: int, now: datetime) -> bool:
    """Take a planned change back; False when there is none of this number."""
    with database.connection() as connection, connection.transaction():
        gone = run(connection, "forget_planned_change", {"change_id": change_id}) > 0
        if gone:
            run(connection, "bump_generation", {"now": now})
    return gone
