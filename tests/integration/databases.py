"""A real PostgreSQL for all tests of a session, and databases in it, from a template."""

from __future__ import annotations

import os
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from finops_exporter.store.database import Database
from finops_exporter.store.embedded import ROOT_HOME, EmbeddedPostgres
from finops_exporter.store.migrate import migrate
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_numbers = count()


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """An administrator's URL: FINOPS_TEST_DATABASE_URL, or an embedded server of our own."""
    if given := os.environ.get("FINOPS_TEST_DATABASE_URL"):
        yield given
        return
    home = ROOT_HOME if os.geteuid() == 0 else ROOT / ".cache"
    server = EmbeddedPostgres(Path(home) / "test-postgres")
    url = server.start()
    with psycopg.connect(url, autocommit=True) as connection:
        # Nothing here has to outlive a power cut; the tests that kill have servers of their own.
        connection.execute("ALTER SYSTEM SET fsync = off")
        connection.execute("SELECT pg_reload_conf()")
    yield url
    server.stop()


@pytest.fixture(scope="session")
def admin(server_url: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(server_url, autocommit=True) as connection:
        yield connection


@pytest.fixture(scope="session")
def create_database(
    admin: psycopg.Connection, server_url: str
) -> Iterator[Callable[[str | None], str]]:
    """Make a database (from a template, if named) and return its URL; dropped at the end."""
    made: list[str] = []

    def create(template: str | None) -> str:
        name = f"finops_test_{os.getpid()}_{next(_numbers)}"
        made.append(name)
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
            sql.Identifier(name), sql.Identifier(template or "template1")
        )
        admin.execute(statement)
        return make_conninfo(server_url, dbname=name)

    yield create
    for name in reversed(made):
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


@pytest.fixture(scope="session")
def template(create_database: Callable[[str | None], str]) -> str:
    """The name of a migrated database that nobody is connected to."""
    url = create_database(None)
    database = Database(url)
    database.open()
    migrate(database)
    database.close()
    return str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database_url(create_database: Callable[[str | None], str], template: str) -> str:
    """The URL of a fresh, migrated database."""
    return create_database(template)


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """An open pool on a fresh, migrated database."""
    database = Database(database_url, wait_seconds=30)
    database.open()
    yield database
    database.close()
