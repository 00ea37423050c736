"""What asking remote APIs has cost: paid in the database before each request, under a day's cap."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.store.database import Connection, rows, run

if TYPE_CHECKING:
    from datetime import date

    from finops_exporter.model import Api


class Spent(NamedTuple):
    """What a source has paid on a day, in US dollars, and what it may pay."""

    source: str
    spent_usd: Decimal
    cap_usd: Decimal


def pay(
    connection: Connection, source: str, day: date, api: Api, *, cap_usd: Decimal, retry: bool
) -> bool:
    """Write down one request of `api` before it is made; False when the day's cap forbids it.

    One statement on one row a day: neither a crash nor another process can spend beyond the cap.
    """
    values = {
        "source": source,
        "day": day,
        "provider": api.provider,
        "api": api.name,
        "price": api.request_usd,
        "cap": cap_usd,
        "retries": int(retry),
    }
    return run(connection, "pay_request", values) == 1


def refund(connection: Connection, source: str, day: date, api: Api) -> None:
    """Give back what was paid for a request that was never sent; it stays counted."""
    values = {"source": source, "day": day, "price": api.request_usd}
    run(connection, "refund_request", values)


def spent(connection: Connection, source: str, day: date) -> Decimal:
    """What `source` has paid on `day` (UTC), in US dollars."""
    found = rows(connection, "spent_on_day", {"source": source, "day": day})
    return Decimal(found[0][0]) if found else Decimal(0)


def paying(connection: Connection, day: date) -> list[Spent]:
    """What each source that ever paid has paid on `day` (UTC), with its newest cap."""
    return [Spent(*row) for row in rows(connection, "paying_sources", {"day": day})]
