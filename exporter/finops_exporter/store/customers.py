"""How many customers there are: asked of a database of the user's, and kept in ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import psycopg

from finops_exporter.errors import StoreError
from finops_exporter.store.database import Connection, describe, rows, run
from finops_exporter.store.sql import sql

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime, timedelta
    from decimal import Decimal

    from finops_exporter.model import Window


class Count(NamedTuple):
    """What is known of a window of 30 days: see the table customer_counts."""

    window: str
    customers: Decimal | None
    until: date | None
    asked_at: datetime
    error: str | None


def ask(url: str, statement: str, window: Window, timeout: timedelta) -> Any:
    """The single value of a user's statement, in a transaction that can change nothing.

    The statement gets %(since)s and %(until)s, the days [since, until). Raises StoreError, which
    names neither user nor password.
    """
    seconds = timeout.total_seconds()
    try:
        place = describe(url)
    except psycopg.ProgrammingError:
        # The driver's own text would quote the URL, password included.
        raise StoreError("customers: database_url cannot be read; correct it") from None
    try:
        with psycopg.connect(url, connect_timeout=max(2, round(seconds))) as connection:
            connection.read_only = True
            connection.execute(sql("limit_time"), {"milliseconds": f"{seconds * 1000:.0f}"})
            days = {"since": window.since, "until": window.until}
            found = connection.execute(statement.encode(), days).fetchmany(2)
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        raise StoreError(f"customers: the database {place} refused: {text}") from error
    if len(found) != 1 or len(found[0]) != 1:
        raise StoreError("customers: sql must give one row with one number")
    return found[0][0]


def counts(connection: Connection) -> list[Count]:
    """What is known, by window."""
    return [Count(*row) for row in rows(connection, "customer_counts")]


def keep(connection: Connection, found: Mapping[str, Decimal], now: datetime) -> None:
    """Keep the answers of the windows that end before the day of `now`; others are unknown."""
    with connection.transaction():
        run(connection, "forget_customers", {"windows": list(found)})
        for window, customers in found.items():
            values = {"window": window, "customers": customers, "until": now.date(), "now": now}
            run(connection, "keep_customers", values)
        run(connection, "bump_generation", {"now": now})


def fail(connection: Connection, error: str, now: datetime) -> None:
    """Keep what is known, and what went wrong."""
    with connection.transaction():
        run(connection, "fail_customers", {"error": error, "now": now})
        run(connection, "bump_generation", {"now": now})
