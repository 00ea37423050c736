"""What `doctor` reads of the store, and the rebuilding of the rollups from the facts."""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from psycopg.sql import SQL, Composed, Identifier

from finops_exporter.store.database import LOCK_SPACE, Connection, Database, rows, run, value
from finops_exporter.store.migrate import migrations
from finops_exporter.store.sql import sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime, timedelta
    from decimal import Decimal

PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE")
"""What the exporter does with each of its tables."""


@dataclass(frozen=True, slots=True)
class Rollup:
    """A table that is kept from the facts, and its primary key.

    The statement `expected_TABLE` says what it should hold.
    """

    table: str
    keys: tuple[str, ...]

    @property
    def time(self) -> str:
        """The column of its days or months."""
        return "day" if "day" in self.keys else "month"


ROLLUPS = (
    Rollup("cost_months", ("month", "series_id")),
    Rollup("cost_days", ("day", "group_id")),
    Rollup("cost_account_days", ("provider", "account_id", "day", "source")),
    Rollup("cost_part_months", ("part_id", "provider", "month", "currency", "cut")),
)


class Server(NamedTuple):
    """The server and its settings; `statement_timeout` in milliseconds, 0: none.

    `connections` is how many we may have at most, `others` how many are not ours. `role` and
    `database` are quoted as SQL wants them.
    """

    version: int
    version_text: str
    timescale: str | None
    encoding: str
    size: str
    is_standby: bool
    is_read_only: bool
    statement_timeout: int
    connections: int
    others: int
    role: str
    database: str


class Privileges(NamedTuple):
    """What our role may do; names are quoted as SQL wants them.

    `lacking` holds, for each of our tables that exists, what may not be done with it.
    """

    schema: str
    role: str
    database: str
    temporary: bool
    usage: bool
    create: bool
    reads_migrations: bool
    lacking: dict[str, tuple[str, ...]]


class Ahead(NamedTuple):
    """What is dated in the future, and the newest state of the store."""

    runs: int
    days: int
    newest_day: date | None
    generation: int
    changed_at: datetime


class Drift(NamedTuple):
    """How the rows of a rollup compare with the facts; `first` are keys of some wrong ones."""

    right: int
    missing: int
    extra: int
    different: int
    first: tuple[str, ...]

    @property
    def wrong(self) -> int:
        """How many rows are not what they should be."""
        return self.missing + self.extra + self.different


class LedgerDrift(NamedTuple):
    """How many sums of the AI ledger are those of their calls; `first` are some that are not."""

    right: int
    wrong: int
    first: tuple[str, ...]


class CutTotals(NamedTuple):
    """The same money of a month (its first day) in several cuts, and the totals of each."""

    provider: str
    month: date
    source: str
    currency: str
    cuts: list[str]
    billed: list[Decimal]
    effective: list[Decimal]


class Rebuilt(NamedTuple):
    """How many rows of a rollup were wrong and removed, and how many were written."""

    table: str
    removed: int
    written: int


@contextmanager
def reading(database: Database) -> Iterator[Connection]:
    """A connection on which all reads see the same state and nothing can be changed."""
    with database.connection() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        run(connection, "without_timeout")
        yield connection


def server(connection: Connection) -> Server:
    """The server and its settings."""
    return Server(*rows(connection, "server_state")[0])


def server_clock(connection: Connection) -> datetime:
    """What time the server believes it is (UTC)."""
    found: datetime = value(connection, "server_clock")
    return found


def our_tables() -> list[str]:
    """The tables that the migrations leave behind, and the one that lists these."""
    found = {"schema_migrations"}
    for migration in migrations():
        found |= set(re.findall(r"^CREATE TABLE (\w+)", migration.text, re.MULTILINE))
        found -= set(re.findall(r"^DROP TABLE (\w+)", migration.text, re.MULTILINE))
    return sorted(found)


def privileges(connection: Connection) -> Privileges | None:
    """What our role may do in our schema; None when there is no schema to be used."""
    found = rows(connection, "schema_privileges")
    if not found:
        return None
    schema, *others = found[0]
    parameters = {"schema": schema, "tables": our_tables(), "privileges": list(PRIVILEGES)}
    tables = rows(connection, "table_privileges", parameters)
    return Privileges._make((*others, {table: tuple(lacking) for table, lacking in tables}))


def applied_migrations(connection: Connection) -> dict[int, tuple[str, str]]:
    """Name and checksum of each applied migration by its number; empty before the first."""
    if not value(connection, "migrations_table_exists"):
        return {}
    return {
        version: (name, checksum)
        for version, name, checksum in rows(connection, "applied_migrations")
    }


def ahead(connection: Connection, now: datetime, last: date, tolerance: timedelta) -> Ahead:
    """The runs that began later than `tolerance` after `now`, and the stored days after `last`."""
    parameters = {"now": now + tolerance, "last": last}
    return Ahead(*rows(connection, "written_ahead", parameters)[0])


def newest_months(connection: Connection) -> date | None:
    """The first day of the month before the newest stored one; None when nothing is stored."""
    found: date | None = value(connection, "newest_months")
    return found


def drift(connection: Connection, rollup: Rollup, since: date | None = None) -> Drift:
    """Compare a rollup with the facts, both ways and exactly, from the month `since` on."""
    found = connection.execute(_of(rollup, "drift"), {"since": since}).fetchall()
    *counts, first = found[0]
    return Drift._make((*counts, tuple(first)))


def rebuild(
    database: Database, now: datetime, progress: Callable[[str], object] = lambda _table: None
) -> list[Rebuilt]:
    """Make all rollups what the facts say, in one transaction that no swap can run beside.

    Only wrong rows are touched. `progress` is told the table before it is compared.
    """
    with database.connection() as connection, connection.transaction():
        run(connection, "without_timeout")
        run(connection, "lock_facts", {"space": LOCK_SPACE})
        done = []
        for rollup in ROLLUPS:
            progress(rollup.table)
            done.append(_rebuild(connection, rollup))
        if any(one.removed or one.written for one in done):
            run(connection, "bump_generation", {"now": now})
    return done


def ai_ledger_drift(connection: Connection, since: date | None = None) -> LedgerDrift:
    """Compare what months of tenants hold with their calls, exactly, from `since` on."""
    ((right, wrong, first),) = rows(connection, "ai_ledger_drift", {"since": since})
    return LedgerDrift(right, wrong, tuple(first))


def cut_totals(connection: Connection, since: date | None = None) -> list[CutTotals]:
    """The totals of what was given in several cuts, newest month first."""
    return [CutTotals(*row) for row in rows(connection, "cut_totals", {"since": since})]


def controlled_months(connection: Connection, since: date | None = None) -> list[tuple[str, date]]:
    """(provider, month) of all totals that sources gave of their own, newest first."""
    return [(row[0], row[1]) for row in rows(connection, "controlled_months", {"since": since})]


def stored_sources(connection: Connection) -> list[str]:
    """The sources of which something is stored."""
    return [name for (name,) in rows(connection, "stored_sources")]


def caps(connection: Connection, day: date) -> dict[str, tuple[Decimal, Decimal]]:
    """What each source has paid on `day` (UTC), and its cap, in US dollars."""
    found = rows(connection, "spent_and_cap", {"day": day})
    return {source: (spent, cap) for source, spent, cap in found}


def killed_runs(connection: Connection, since: datetime) -> dict[str, int]:
    """How many runs of each source were killed since then."""
    return dict(rows(connection, "killed_runs", {"since": since}))


def running(connection: Connection) -> list[tuple[str, datetime]]:
    """The runs that did not say how they ended: their source and when they began (UTC)."""
    return [(row[0], row[1]) for row in rows(connection, "running_runs")]


def _rebuild(connection: Connection, rollup: Rollup) -> Rebuilt:
    def write(name: str, parameters: dict[str, Any] | None = None) -> int:
        return connection.execute(_of(rollup, name), parameters).rowcount

    write("create_expected", {"since": None})
    removed, written = write("remove_drifted"), write("write_expected")
    write("drop_expected")
    return Rebuilt(rollup.table, removed, written)


def _of(rollup: Rollup, name: str) -> Composed:
    """A statement that is the same for all rollups, about this one."""
    keys = rollup.keys
    return _template(name).format(
        rollup=Identifier(rollup.table),
        expected=_template(f"expected_{rollup.table}"),
        time=Identifier(rollup.time),
        keys=_listed(Identifier(key) for key in keys),
        rollup_keys=_listed(Identifier(rollup.table, key) for key in keys),
        wrong_keys=_listed(Identifier("wrong", key) for key in keys),
    )


def _listed(names: Iterator[Identifier]) -> Composed:
    return SQL(", ").join(names)


def _template(name: str) -> SQL:
    return SQL(sql(name).decode())
