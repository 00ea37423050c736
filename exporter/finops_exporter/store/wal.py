"""How far a PostgreSQL server has written its log: one question, of our server or of a user's."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

import psycopg

from finops_exporter.errors import StoreError
from finops_exporter.store.database import UNREADABLE, Connection, describe, rows, run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import timedelta


class Position(NamedTuple):
    """Where a server's log ends, in bytes. Only those of one system and timeline compare."""

    system: int
    timeline: int
    written: int


@contextmanager
def connected(url: str, timeout: timedelta) -> Iterator[Connection]:
    """A connection of its own to a user's server; raises StoreError, which never names a password.

    `timeout` is how long to wait for the connection, and for a server that acknowledges nothing.
    """
    seconds = max(2, round(timeout.total_seconds()))
    try:
        place = describe(url)
    except psycopg.ProgrammingError:
        # The driver's own text would quote the URL, password included.
        raise StoreError(f"its url cannot be read ({UNREADABLE})") from None
    try:
        with psycopg.connect(
            url,
            autocommit=True,
            application_name="finops-exporter",
            connect_timeout=seconds,
            tcp_user_timeout=1000 * seconds,
        ) as connection:
            yield connection
    except psycopg.Error as error:
        text = " ".join(str(error).split()) or type(error).__name__
        raise StoreError(f"the database {place} gave no answer: {text}") from error


def position(connection: Connection, timeout: timedelta) -> Position:
    """Where the log of the connection's server ends; raises StoreError where it does not say.

    `timeout` is how long the server may take. What the driver raises comes out as it is.
    """
    with connection.transaction():
        run(connection, "limit_time", {"milliseconds": f"{timeout.total_seconds() * 1000:.0f}"})
        ((system, timeline, written),) = rows(connection, "wal_position")
    if written is None:
        raise StoreError("the server is a standby that has received nothing yet")
    return Position(system, timeline, written)
