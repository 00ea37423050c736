"""The pool of connections, and what a driver's error means to a person."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

import psycopg
from psycopg.conninfo import conninfo_to_dict
from psycopg_pool import ConnectionPool, PoolTimeout

from finops_exporter.errors import StoreError
from finops_exporter.store.sql import sql

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

LOCK_SPACE = 0x66696E6F
"""First half of all our advisory locks ("fino"), so that they meet nobody else's."""

MINIMUM_SERVER_VERSION = 140000

# The pool reports every failed reconnect; our own callers already say once that it is down.
logging.getLogger("psycopg.pool").setLevel(logging.ERROR)


def describe(url: str) -> str:
    """Where a database is, without its password: "host:port/name"."""
    try:
        parts = conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        return "(unreadable database URL)"
    host = parts.get("host", "localhost")
    return f"{host}:{parts.get('port', 5432)}/{parts.get('dbname', '')}"


class Database:
    """A pool of connections in autocommit mode and UTC.

    Every failure of the driver comes out as a StoreError that names the place, never the password.
    """

    def __init__(self, url: str, *, pool_size: int = 4, wait_seconds: float = 10.0) -> None:
        self.place = describe(url)
        self._pool = ConnectionPool(
            url,
            min_size=0,
            max_size=pool_size,
            timeout=wait_seconds,
            open=False,
            check=ConnectionPool.check_connection,
            reconnect_timeout=wait_seconds,
            kwargs={
                "autocommit": True,
                "application_name": "finops-exporter",
                "options": "-c timezone=UTC",
                "connect_timeout": max(2, round(wait_seconds)),
            },
        )

    def open(self) -> None:
        """Start handing out connections; the server need not be up yet."""
        self._pool.open()

    def close(self) -> None:
        """Give all connections back."""
        self._pool.close()

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit mode; raises StoreError when the server cannot be used."""
        with self.translated(), self._pool.connection() as connection:
            yield connection

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the driver raises inside into StoreError."""
        try:
            yield
        except PoolTimeout as error:
            raise StoreError(f"the database {self.place} is unreachable: {error}") from error
        except psycopg.OperationalError as error:
            raise StoreError(f"the database {self.place} went away: {_line(error)}") from error
        except psycopg.Error as error:
            raise StoreError(f"the database {self.place} refused: {_line(error)}") from error

    def check_version(self) -> None:
        """Raise StoreError when the server is older than we support."""
        with self.connection() as connection:
            version = int(value(connection, "server_version"))
        if version < MINIMUM_SERVER_VERSION:
            raise StoreError(
                f"the database {self.place} runs PostgreSQL {version // 10000}; "
                f"{MINIMUM_SERVER_VERSION // 10000} or newer is needed"
            )


def run(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> int:
    """Execute a named statement and return how many rows it touched."""
    return connection.execute(sql(name), parameters).rowcount


def rows(
    connection: Connection, name: str, parameters: Mapping[str, Any] | None = None
) -> list[tuple[Any, ...]]:
    """All rows of a named statement."""
    return connection.execute(sql(name), parameters).fetchall()


def value(connection: Connection, name: str, parameters: Mapping[str, Any] | None = None) -> Any:
    """The single value of a named statement that always gives one row."""
    row = connection.execute(sql(name), parameters).fetchone()
    if row is None:
        raise StoreError(f"the statement {name!r} gave no row")
    return row[0]


def _line(error: psycopg.Error) -> str:
    return " ".join(str(error).split()) or type(error).__name__
