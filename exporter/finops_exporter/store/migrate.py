"""Numbered migrations with checksums, applied one transaction each under an advisory lock."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from finops_exporter.errors import StoreError
from finops_exporter.store.database import LOCK_SPACE, Connection, Database, rows, run, value

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Migration:
    """One file of migrations/: its number, its name and its text."""

    version: int
    name: str
    text: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


def migrations() -> tuple[Migration, ...]:
    """All migrations, in order; raises StoreError when the numbers have a hole."""
    folder = files(__package__).joinpath("migrations")
    found = [
        Migration(int(entry.name[:4]), entry.name, entry.read_text(encoding="utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".sql")
    ]
    found.sort(key=lambda migration: migration.version)
    if [migration.version for migration in found] != list(range(1, len(found) + 1)):
        raise StoreError("the migrations are not numbered 1, 2, 3, ...")
    return tuple(found)


def pending(database: Database) -> list[Migration]:
    """What `migrate` would apply; raises StoreError when the schema is not one of ours."""
    with database.connection() as connection:
        if not value(connection, "migrations_table_exists"):
            return list(migrations())
        return _pending(connection, migrations())


def migrate(database: Database, known: Sequence[Migration] | None = None) -> list[Migration]:
    """Bring the schema up to date and return what was applied; safe from several processes."""
    database.check_version()
    with database.connection() as connection:
        # A session lock: each migration is a transaction of its own below it.
        run_lock(connection, "lock_migrations")
        try:
            if not value(connection, "migrations_table_exists"):
                run(connection, "create_migrations_table")
            todo = _pending(connection, migrations() if known is None else known)
            for migration in todo:
                _apply(connection, migration)
            if known is None:
                _use_timescale(connection)
        finally:
            if not connection.broken:
                run_lock(connection, "unlock_migrations")
    return todo


def run_lock(connection: Connection, name: str) -> None:
    """Take or give back one of our advisory locks."""
    run(connection, name, {"space": LOCK_SPACE})


def _pending(connection: Connection, known: Sequence[Migration]) -> list[Migration]:
    applied = {
        version: (name, checksum)
        for version, name, checksum in rows(connection, "applied_migrations")
    }
    by_version = {migration.version: migration for migration in known}
    for version, (name, checksum) in applied.items():
        migration = by_version.get(version)
        if migration is None:
            raise StoreError(
                f"the schema holds migration {name}, which this version does not know: "
                "the database was used by a newer finops-exporter; upgrade this one"
            )
        if migration.checksum != checksum:
            raise StoreError(
                f"migration {name} was applied with another content (checksum {checksum[:12]}, "
                f"ours {migration.checksum[:12]}): never edit an applied migration, add a new one"
            )
    return [migration for migration in known if migration.version not in applied]


def _apply(connection: Connection, migration: Migration) -> None:
    with connection.transaction():
        connection.execute(migration.text.encode())
        run(
            connection,
            "record_migration",
            {
                "version": migration.version,
                "name": migration.name,
                "checksum": migration.checksum,
            },
        )


def _use_timescale(connection: Connection) -> None:
    with connection.transaction():
        text = files(__package__).joinpath("timescale.sql").read_text(encoding="utf-8")
        connection.execute(text.encode())
