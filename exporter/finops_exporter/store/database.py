"""The pool of connections, and what a driver's error means to a person."""

from __future__ import annotations

import logging
import re
from contextlib import contextmanager
from functools import partial
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


UNREADABLE = "an unknown option, or a %, @ or / that is not escaped as %25, %40 or %2F"
"""Why a URL cannot be read, in words."""


def describe(url: str) -> str:
    """Where a database is, without its password: "host:port/name"; raises ProgrammingError."""
    parts = conninfo_to_dict(url)
    host, port = str(parts.get("host", "localhost")), str(parts.get("port", 5432))
    # With a bare @ or / in it the driver takes a part of the password for one of these.
    path = url.partition("://")[2].partition("/")[2].partition("?")[0]
    if "@" in host[1:] or "@" in path or not re.fullmatch(r"[0-9,]*", port):
        raise psycopg.ProgrammingError(UNREADABLE)
    return f"{host}:{port}/{parts.get('dbname', '')}"


class Database:
    """A pool of connections in autocommit mode and UTC.

    `wait_seconds` is how long to wait for a connection, `statement_seconds` for a statement and
    `lock_seconds` for a lock (None: as long as it takes); a server that does not acknowledge is
    given up after `wait_seconds`.

    Every failure of the driver comes out as a StoreError that names the place, never the password.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 4,
        wait_seconds: float = 10.0,
        statement_seconds: float | None = None,
        lock_seconds: float | None = None,
    ) -> None:
        try:
            self.place = describe(url)
        except psycopg.ProgrammingError:
            # The driver's own text would quote the URL, password included.
            raise StoreError(
                f"the database URL cannot be read ({UNREADABLE}); correct database.url or "
                "DATABASE_URL"
            ) from None
        self._url = url
        self._pool = ConnectionPool(
            url,
            min_size=0,
            max_size=pool_size,
            # Threads that open connections: one is enough, and each costs memory.
            num_workers=1,
            timeout=wait_seconds,
            open=False,
            # Not as an option of the connection: that would replace the options in the URL.
            configure=partial(_configure, statement_seconds, lock_seconds),
            check=ConnectionPool.check_connection,
            reconnect_timeout=wait_seconds,
            kwargs={
                "autocommit": True,
                "application_name": "finops-exporter",
                "connect_timeout": max(2, round(wait_seconds)),
                "tcp_user_timeout": round(1000 * max(2, wait_seconds)),
            },
        )

    def sibling(
        self, *, pool_size: int, wait_seconds: float, statement_seconds: float, lock_seconds: float
    ) -> Database:
        """Another pool of the same database, to be opened."""
        return Database(
            self._url,
            pool_size=pool_size,
            wait_seconds=wait_seconds,
            statement_seconds=statement_seconds,
            lock_seconds=lock_seconds,
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
    def consistent(self) -> Iterator[Database]:
        """This database as one transaction sees it, which is rolled back; raises StoreError.

        Every connection that it gives is the same one, for one thread.
        """
        with self.connection() as connection, connection.transaction(force_rollback=True):
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            # What was prepared before would not see what stands before the tables meanwhile.
            before, connection.prepare_threshold = connection.prepare_threshold, None
            try:
                yield _Consistent(self, connection)
            finally:
                connection.prepare_threshold = before

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Turn what the driver raises inside into StoreError."""
        try:
            yield
        except PoolTimeout as error:
            why = self._why_unreachable() or str(error)
            raise StoreError(f"the database {self.place} is unreachable: {why}") from error
        except psycopg.OperationalError as error:
            raise StoreError(f"the database {self.place} went away: {_line(error)}") from error
        except psycopg.Error as error:
            raise StoreError(f"the database {self.place} refused: {_line(error)}") from error

    def probe(self) -> None:
        """Raise StoreError at once, and with the reason, when the server cannot be reached."""
        if why := self._why_unreachable():
            raise StoreError(f"the database {self.place} is unreachable: {why}")

    def _why_unreachable(self) -> str | None:
        """What one attempt of its own says: the pool knows only that it waited."""
        try:
            psycopg.connect(self._url, connect_timeout=2).close()
        except psycopg.Error as error:
            return _line(error)
        return None

    def check_version(self) -> None:
        """Raise StoreError when the server is older than we support."""
        with self.connection() as connection:
            version = int(value(connection, "server_version"))
        if version < MINIMUM_SERVER_VERSION:
            raise StoreError(
                f"the database {self.place} runs PostgreSQL {version // 10000}; "
                f"{MINIMUM_SERVER_VERSION // 10000} or newer is needed"
            )


class _Consistent(Database):
    """One connection of a database, in a transaction that somebody else ends."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.place = database.place
        self._url = database._url  # noqa: SLF001 -- our own kind
        self._connection = connection

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """That connection; a transaction on it is a part of the one that is under way."""
        with self.translated():
            yield self._connection


def _configure(
    statement_seconds: float | None, lock_seconds: float | None, connection: Connection
) -> None:
    connection.execute("SET timezone = 'UTC'")
    limits = {"statement_timeout": statement_seconds, "lock_timeout": lock_seconds}
    for name, seconds in limits.items():
        if seconds is not None:
            limit = f"{seconds * 1000:.0f}"
            connection.execute("SELECT set_config(%s, %s, false)", [name, limit])


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
