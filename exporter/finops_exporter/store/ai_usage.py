"""AI calls one by one in the store: many at once, and their sums for people."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from finops_exporter.ai_model import Tokens
from finops_exporter.store.database import LOCK_SPACE, Connection, rows, run
from finops_exporter.store.sql import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from datetime import date, datetime
    from decimal import Decimal

    from finops_exporter.ai_model import UsageRow


@dataclass(frozen=True, slots=True)
class Added:
    """What came: calls that are new with their sums, and how many were there already.

    `first` and `last` are when the first and the last of the new ones were made (None: none is).
    """

    calls: int
    known: int
    tokens: Tokens
    cost_usd: Decimal
    first: datetime | None
    last: datetime | None


class Stage:
    """A session's own table of calls; nothing that is stored changes before `store`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._count = 0

    def add(self, usage: Iterable[UsageRow]) -> None:
        """Copy calls into the stage; no more than a few are in memory at once."""
        with self._connection.cursor() as cursor, cursor.copy(sql("copy_usage_stage")) as copy:
            for one in usage:
                kinds = one.tokens
                copy.write_row(
                    (
                        one.request_id,
                        one.time,
                        one.tenant_id,
                        one.model,
                        kinds.input,
                        kinds.output,
                        kinds.cache_read,
                        kinds.cache_write_5m,
                        kinds.cache_write_1h,
                        one.cost_usd,
                        one.price_source,
                        one.report_type,
                    )
                )
                self._count += 1
        run(self._connection, "analyze_usage_stage")

    def store(self) -> Added:
        """Store and count the calls that are new, all or none; raises what the driver raises."""
        with self._connection.transaction():
            run(self._connection, "lock_usage_import", {"space": LOCK_SPACE})
            found = self.compare()
            run(self._connection, "add_staged_usage")
        return found

    def compare(self) -> Added:
        """Let go of the calls that are stored already, and say what remains."""
        known = run(self._connection, "drop_known_usage")
        count, *kinds, usd, first, last = rows(self._connection, "staged_usage")[0]
        return Added(count, known, Tokens(*kinds), usd, first, last)


@contextmanager
def stage(connection: Connection) -> Iterator[Stage]:
    """A stage for calls; dropped afterwards whatever happened."""
    run(connection, "drop_usage_stage")
    run(connection, "create_usage_stage")
    try:
        yield Stage(connection)
    finally:
        if not connection.broken:
            run(connection, "drop_usage_stage")


class ModelMonth(NamedTuple):
    """What a tenant has spent on a model in the month that begins on `period_start`.

    `tokens` does not tell how long caches were written for: all stand as for five minutes.
    """

    model: str
    period_start: date
    used_usd: Decimal
    reserved_usd: Decimal
    orphaned_usd: Decimal
    requests: int
    tokens: Tokens


class LastCall(NamedTuple):
    """A call as it is kept; the cost is None as long as nobody has priced it."""

    request_id: str
    time: datetime
    model: str
    tokens: Tokens
    cost_usd: Decimal | None
    price_source: str
    report_type: str


class UsageSum(NamedTuple):
    """The calls that share a key; what is not asked for is None in it.

    `unpriced` of the calls have no cost yet, and are not in `cost_usd`.
    """

    tenant: str | None
    model: str | None
    day: date | None
    report: str | None
    calls: int
    tokens: Tokens
    cost_usd: Decimal
    unpriced: int


def tenants(connection: Connection) -> list[str]:
    """All tenants that have a budget or have used anything, sorted."""
    return sorted(tenant for (tenant,) in rows(connection, "ai_tenants"))


def month_by_model(
    connection: Connection, tenant_id: str, now: datetime | None = None
) -> list[ModelMonth]:
    """What the tenant has spent this month by model, the most first; `now` as in ai_budgets."""
    found = []
    for row in rows(connection, "ai_month_by_model", {"tenant": tenant_id, "now": now}):
        model, start, used, reserved, orphaned, requests, *kinds = row
        found.append(ModelMonth(model, start, used, reserved, orphaned, requests, Tokens(*kinds)))
    return found


def last_calls(connection: Connection, tenant_id: str, most: int) -> list[LastCall]:
    """The tenant's newest calls, the newest first, at most `most`."""
    found = []
    for row in rows(connection, "ai_last_calls", {"tenant": tenant_id, "most": most}):
        request_id, time, model, *kinds, usd, source, report = row
        found.append(LastCall(request_id, time, model, Tokens(*kinds), usd, source, report))
    return found


def usage_by(
    connection: Connection,
    by: Collection[str],
    *,
    tenant_id: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> list[UsageSum]:
    """Exact sums by the keys (tenant, model, day, report) of the calls in [since, until)."""
    parameters: dict[str, Any] = {
        "by": list(by),
        "tenant": tenant_id,
        "since": since,
        "until": until,
    }
    found = []
    for row in rows(connection, "ai_usage_by", parameters):
        tenant, model, day, report, calls, *kinds, usd, unpriced = row
        found.append(UsageSum(tenant, model, day, report, calls, Tokens(*kinds), usd, unpriced))
    return found


def kept(connection: Connection, tenant_id: str | None = None) -> tuple[datetime | None, int]:
    """The first call that is kept (None: none is), and how many are counted and not kept."""
    first, gone = rows(connection, "ai_usage_kept", {"tenant": tenant_id})[0]
    return first, max(0, gone)
