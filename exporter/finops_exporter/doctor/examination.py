"""The checks in their order against a database; the judgements lie beside, and are pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from finops_exporter.analysis.billing_time import month_of, previous_month
from finops_exporter.budget_table import read_standings
from finops_exporter.doctor import bookkeeping, installation
from finops_exporter.doctor.findings import Finding, problem
from finops_exporter.errors import StoreError
from finops_exporter.model import Progress
from finops_exporter.store import checks
from finops_exporter.store.migrate import migrations
from finops_exporter.store.reads import SnapshotReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime

    from finops_exporter.doctor.bookkeeping import Planned
    from finops_exporter.exposition.families import Settings
    from finops_exporter.model import Budget
    from finops_exporter.store.database import Connection, Database

Check: TypeAlias = "Callable[[Connection], list[Finding]]"

CHECKS = (
    "database",
    "permissions",
    "migrations",
    "clock",
    "rollups",
    "cuts",
    "reconciliation",
    "sources",
    "runs",
    "budgets",
    "ai_ledger",
)
"""What is checked of a database, in this order."""

KILLED_DAYS = 7
"""Killed runs are told for so many days."""

REACH = "start the server, or correct database.url (or DATABASE_URL)"


@dataclass(frozen=True, slots=True)
class Expected:
    """What the database is held against; `clock` gives aware UTC datetimes.

    `quick` compares the newest two months only with the facts. Without `settings`, which a wrong
    configuration does not give, budgets are not checked. `calls_kept` is how long calls of the AI
    ledger are kept (None: for good).
    """

    sources: Mapping[str, Planned]
    pool_size: int
    clock: Callable[[], datetime]
    quick: bool = False
    settings: Settings | None = None
    budgets: Sequence[Budget] = ()
    calls_kept: timedelta | None = None


def examine(
    database: Database,
    expected: Expected,
    progress: Callable[[Progress], object] = lambda _step: None,
) -> list[Finding]:
    """What all checks say; a check that could not be made says why. Changes nothing."""
    found: list[Finding] = []
    check = "database"
    try:
        database.probe()
        with checks.reading(database) as connection:
            steps = _steps(expected)
            for done, (check, what, look) in enumerate(steps):
                progress(Progress(what, done, len(steps)))
                found += look(connection)
                if check == "permissions" and not _is_ours(found):
                    break
    except StoreError as error:
        remedy = REACH if check == "database" else "mend that, then run doctor again"
        found.append(problem(check, str(error), remedy))
    return [*found, *not_checked(found)]


def not_checked(found: Sequence[Finding]) -> list[Finding]:
    """The checks of a database of which nothing is found, and what they wait for."""
    seen = {one.check for one in found}
    causes = [one.check for one in found if one.level == "problem" and one.check in CHECKS]
    cause = causes[-1] if causes else "database"
    return [
        Finding(check, "not checked", f"the check of the {cause} found a problem")
        for check in CHECKS
        if check not in seen
    ]


def _steps(expected: Expected) -> list[tuple[str, str, Check]]:
    """The name of each check, what it looks at, and how."""
    return [
        ("database", "server", partial(_server, expected)),
        ("permissions", "schema", _schema),
        ("clock", "clock", partial(_clock, expected)),
        *(("rollups", one.table, partial(_rollup, expected, one)) for one in checks.ROLLUPS),
        ("cuts", "cuts", partial(_cuts, expected)),
        ("reconciliation", "totals", partial(_controls, expected)),
        ("sources", "sources", partial(_sources, expected)),
        ("budgets", "budgets", partial(_budgets, expected)),
        ("ai_ledger", "AI ledger", partial(_ai_ledger, expected)),
    ]


def _is_ours(found: Sequence[Finding]) -> bool:
    return any(one.check == "migrations" and one.level == "ok" for one in found)


def _server(expected: Expected, connection: Connection) -> list[Finding]:
    return installation.server(checks.server(connection), expected.pool_size)


def _schema(connection: Connection) -> list[Finding]:
    """Permissions and migrations: the one says whether the other can be read."""
    seen = checks.privileges(connection)
    if seen is None or not (seen.usage and seen.reads_migrations):
        is_complete = seen is not None and bool(seen.lacking)
        return installation.permissions(seen, checks.our_tables(), is_complete=is_complete)
    applied = checks.applied_migrations(connection)
    is_complete = all(one.version in applied for one in migrations())
    return [
        *installation.permissions(seen, checks.our_tables(), is_complete=is_complete),
        *installation.migrations(applied, migrations()),
    ]


def _clock(expected: Expected, connection: Connection) -> list[Finding]:
    theirs, ours = checks.server_clock(connection), expected.clock()
    tomorrow = (ours + installation.DAY).date()
    seen = checks.ahead(connection, ours, tomorrow, installation.WRONG)
    return installation.clock(theirs, ours, seen)


def _since(expected: Expected, connection: Connection) -> date | None:
    return checks.newest_months(connection) if expected.quick else None


def _rollup(expected: Expected, rollup: checks.Rollup, connection: Connection) -> list[Finding]:
    since = _since(expected, connection)
    return bookkeeping.rollup(rollup.table, checks.drift(connection, rollup, since), since)


def _cuts(expected: Expected, connection: Connection) -> list[Finding]:
    return bookkeeping.cuts(checks.cut_totals(connection, _since(expected, connection)))


def _controls(expected: Expected, connection: Connection) -> list[Finding]:
    months = checks.controlled_months(connection, _since(expected, connection))
    return bookkeeping.controls(SnapshotReader(connection).unreconciled(months))


def _sources(expected: Expected, connection: Connection) -> list[Finding]:
    now = expected.clock()
    seen = bookkeeping.Seen(
        states=SnapshotReader(connection).source_states(),
        caps=checks.caps(connection, now.date()),
        killed=checks.killed_runs(connection, now - KILLED_DAYS * installation.DAY),
        stored=checks.stored_sources(connection),
        running=checks.running(connection),
    )
    return [
        *bookkeeping.sources(seen, expected.sources, now),
        *bookkeeping.runs(seen, expected.sources, now),
    ]


def _budgets(expected: Expected, connection: Connection) -> list[Finding]:
    if expected.settings is None:
        return [Finding("budgets", "not checked", "the configuration of the sources is wrong")]
    reader, now = SnapshotReader(connection), expected.clock()
    return bookkeeping.budgets(read_standings(reader, expected.budgets, expected.settings, now))


def _ai_ledger(expected: Expected, connection: Connection) -> list[Finding]:
    """Of months all of whose calls are still there; quickly, of this month and the one before."""
    today = expected.clock().date()
    begins = [previous_month(month_of(today))] if expected.quick else []
    if expected.calls_kept is not None:
        is_whole = month_of(today - expected.calls_kept) + timedelta(days=32)
        begins.append(month_of(is_whole))
    since = max(begins, default=None)
    return [bookkeeping.ai_ledger(checks.ai_ledger_drift(connection, since), since)]
