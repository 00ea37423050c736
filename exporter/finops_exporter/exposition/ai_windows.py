"""What was used of late: in the last hour, in the last day, and in an active hour of a week.

The store has sums by five minutes. Only the last hour is read at every refresh; what is older
hardly changes, and there is a lot of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from finops_exporter.store.ai_gauges import AiReader, UsageLine

STEP = timedelta(minutes=5)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
AVERAGED_DAYS = 7

ROWS_AT_ONCE = 200_000
"""When a refresh has read so many rows for the averages, the next one goes on."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTHING = Decimal(0)

Report: TypeAlias = tuple[str, str]
"""A tenant and a type of report."""


class Used(NamedTuple):
    """How many (tokens, or reports), and what they have cost in US dollars."""

    number: int = 0
    cost_usd: Decimal = _NOTHING

    def plus(self, number: int, cost_usd: Decimal) -> Used:
        """Both together."""
        return Used(self.number + number, self.cost_usd + cost_usd)


class Lately(NamedTuple):
    """Tokens of the last hour by tenant, and reports of the last 24."""

    hour: Mapping[str, Used]
    reports: Mapping[Report, Used]


class LastDay:
    """Reads the last hour, and what came before it once in five minutes."""

    def __init__(self) -> None:
        self._step: datetime | None = None
        self._before: Sequence[UsageLine] = ()

    def read(self, reader: AiReader, now: datetime, tenants: Collection[str]) -> Lately:
        """What these tenants used up to `now` (aware); raises StoreError."""
        step = _floor(now, STEP)
        if step != self._step:
            self._before = reader.reports(step - DAY, step - HOUR)
            self._step = step
        newest = reader.usage(list(tenants), step - HOUR, step)
        return Lately(_by_tenant(newest), self._reports(newest, tenants))

    def _reports(self, newest: Iterable[UsageLine], tenants: Collection[str]) -> dict[Report, Used]:
        listed = frozenset(tenants)
        found: dict[Report, Used] = {}
        for one in (*self._before, *newest):
            if one.report_type and one.tenant_id in listed:
                key = (one.tenant_id, one.report_type)
                found[key] = found.get(key, Used()).plus(one.requests, one.cost_usd)
        return found


class Averages:
    """Tokens in an active hour of the last seven days, of all tenants; read when an hour begins.

    A day at a time: where there is much, several refreshes share the work, and what was known
    before stays until all is read.
    """

    def __init__(self) -> None:
        self.known: Mapping[str, Decimal] = {}
        self._hour: datetime | None = None
        self._left: list[datetime] = []
        self._sums: dict[str, tuple[Decimal, int]] = {}

    def read(self, reader: AiReader, now: datetime) -> None:
        """Go on reading what is to be known at `now` (aware); raises StoreError."""
        hour = _floor(now, HOUR)
        if hour != self._hour:
            self._hour, self._sums = hour, {}
            self._left = [hour - DAY * back for back in range(1, AVERAGED_DAYS + 1)]
        seen = 0
        while self._left and seen < ROWS_AT_ONCE:
            seen += self._add_day(reader, self._left[0])
            del self._left[0]
            if not self._left:
                self.known = {name: tokens / hours for name, (tokens, hours) in self._sums.items()}
                self._sums = {}

    @property
    def is_under_way(self) -> bool:
        """Whether there is more to read for the current hour."""
        return bool(self._left)

    def _add_day(self, reader: AiReader, since: datetime) -> int:
        """Add the 24 hours from `since`, and return how many rows those were."""
        found = reader.active_hours(since, since + DAY)
        for one in found:
            tokens, hours = self._sums.get(one.tenant_id, (_NOTHING, 0))
            self._sums[one.tenant_id] = (tokens + one.tokens, hours + one.hours)
        return sum(one.seen for one in found)


def _by_tenant(lines: Iterable[UsageLine]) -> dict[str, Used]:
    found: dict[str, Used] = {}
    for one in lines:
        found[one.tenant_id] = found.get(one.tenant_id, Used()).plus(one.tokens, one.cost_usd)
    return found


def _floor(now: datetime, step: timedelta) -> datetime:
    """When the hour (or the five minutes) that `now` lies in began, UTC."""
    return now - (now - _EPOCH) % step
