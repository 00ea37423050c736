"""A database of our own for one benchmark: migrated, and dropped when it is over."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from finops_exporter.store.database import Database
from finops_exporter.store.embedded import ROOT_HOME, EmbeddedPostgres
from finops_exporter.store.migrate import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

STATEMENT_SECONDS = 120
"""No statement of a benchmark may take longer."""


@contextmanager
def database() -> Iterator[Database]:
    """On the server of FINOPS_TEST_DATABASE_URL, or on an embedded one."""
    with database_url() as url, opened(url) as found:
        yield found


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A pool on the database there, which is migrated."""
    found = Database(url)
    found.open()
    try:
        migrate(found)
        yield found
    finally:
        found.close()


@contextmanager
def database_url() -> Iterator[str]:
    """The same without a schema, for a program that brings its own."""
    with _server() as url, psycopg.connect(url, autocommit=True) as admin:
        name = f"finops_bench_{os.getpid()}"
        quoted = sql.Identifier(name)
        admin.execute(sql.SQL("CREATE DATABASE {}").format(quoted))
        try:
            limit = sql.SQL("ALTER DATABASE {} SET statement_timeout = {}")
            admin.execute(limit.format(quoted, f"{STATEMENT_SECONDS}s"))
            yield make_conninfo(url, dbname=name)
        finally:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(quoted))


@contextmanager
def _server() -> Iterator[str]:
    if given := os.environ.get("FINOPS_TEST_DATABASE_URL"):
        yield given
        return
    home = ROOT_HOME if os.geteuid() == 0 else Path(__file__).resolve().parents[2] / ".cache"
    # Not the one of the tests, which does without fsync.
    server = EmbeddedPostgres(Path(home) / "bench-postgres")
    try:
        yield server.start()
    finally:
        server.stop()
