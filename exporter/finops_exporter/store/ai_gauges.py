"""What the metrics of AI budgets show, read in one consistent view."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.store.database import Connection, Database, rows, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal


class Everybody(NamedTuple):
    """All tenants together, and who of them is listed, by tenant id.

    `used_usd` is what they have spent, each in the current month of its own time zone (without a
    budget: UTC); `exceeded` and `warning` count those whose worst budget stands like that.
    """

    tenants: int
    warning: int
    exceeded: int
    used_usd: Decimal
    open_reservations: int
    listed: list[str]


class BudgetLine(NamedTuple):
    """A budget in the current month of its time zone, US dollars."""

    tenant_id: str
    model: str
    limit_usd: Decimal
    used_usd: Decimal
    reserved_usd: Decimal
    hard_limit_reached: bool
    tier: str
    owner: str
    critical: bool


class ModelLine(NamedTuple):
    """What a tenant used a model for in its current month.

    `folded` is how many models this sums up that are not named.
    """

    tenant_id: str
    model: str
    cost_usd: Decimal
    requests: int
    input: int
    output: int
    cache_read: int
    cache_write: int
    folded: int


class UsageLine(NamedTuple):
    """What a tenant used in a span, for a type of report ("": none)."""

    tenant_id: str
    report_type: str
    requests: int
    tokens: int
    cost_usd: Decimal


class HoursLine(NamedTuple):
    """Tokens of a tenant in a span, in how many hours it was active, and how many rows say so."""

    tenant_id: str
    tokens: Decimal
    hours: int
    seen: int


class AiReader:
    """Reads what holds at `now` (aware), in the view of one transaction.

    Spans go from `since` (not included, where not said otherwise) to `until`, both aware, by the
    beginnings of the five minutes in which usage is summed up.
    """

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        month = value(connection, "ai_oldest_month", {"now": now})
        self._current = {"now": now, "since": month}

    def everybody(self, most: int) -> Everybody | None:
        """All tenants, `most` of them listed; None while there was neither budget nor call."""
        found = rows(self._connection, "ai_everybody", {**self._current, "most": most})
        return Everybody(*found[0]) if found else None

    def budgets(self, tenants: Sequence[str]) -> list[BudgetLine]:
        """The budgets of these tenants, by tenant; the one over all models first."""
        parameters = {**self._current, "tenants": tenants}
        return [BudgetLine(*row) for row in rows(self._connection, "ai_listed_budgets", parameters)]

    def models(self, tenants: Sequence[str], most: int, other: str) -> list[ModelLine]:
        """What models these tenants used; what is cheapest beyond `most` is called `other`."""
        parameters = {**self._current, "tenants": tenants, "most": most, "other": other}
        return [ModelLine(*row) for row in rows(self._connection, "ai_listed_models", parameters)]

    def overruns(self, tenants: Sequence[str]) -> dict[str, Decimal]:
        """What calls of these tenants have ever cost above what was held for them, US dollars."""
        return dict(rows(self._connection, "ai_listed_overruns", {"tenants": tenants}))

    def usage(self, tenants: Sequence[str], since: datetime, until: datetime) -> list[UsageLine]:
        """What these tenants used."""
        parameters = {"tenants": tenants, "since": since, "until": until}
        return [UsageLine(*row) for row in rows(self._connection, "ai_listed_usage", parameters)]

    def reports(self, since: datetime, until: datetime) -> list[UsageLine]:
        """What all tenants used for reports."""
        parameters = {"since": since, "until": until}
        return [UsageLine(*row) for row in rows(self._connection, "ai_reports", parameters)]

    def active_hours(self, since: datetime, until: datetime) -> list[HoursLine]:
        """Tokens and active hours (UTC) of all tenants, `since` included, `until` not."""
        parameters = {"since": since, "until": until}
        return [HoursLine(*row) for row in rows(self._connection, "ai_active_hours", parameters)]


@contextmanager
def ai_reader(database: Database, now: datetime) -> Iterator[AiReader]:
    """A reader whose every statement sees the same state of the store; raises StoreError."""
    with database.connection() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield AiReader(connection, now)
