"""Reading stored costs: one consistent view for the snapshot, and sums for people.

Amounts come as a pair (billed, effective) of exact Decimals in the currency they were billed in.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from finops_exporter.model import COST_KEYS, UNTAGGED, Account, Window, tag_dimension
from finops_exporter.store.cuts import Given, NoCutError, by_provider, choose
from finops_exporter.store.database import Connection, Database, rows, value
from finops_exporter.store.sql import sql

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence
    from datetime import date, datetime
    from decimal import Decimal

    from finops_exporter.model import Basis

Grain: TypeAlias = Literal["none", "month", "day"]


class Cost(NamedTuple):
    """A sum over facts: its provider, when (month, day offset or label), dimensions and amounts."""

    provider: str
    when: Any
    dimensions: tuple[str, ...]
    currency: str
    billed: Decimal
    effective: Decimal


class Coverage(NamedTuple):
    """The instant (UTC) up to which the usage of `provider` reaches in `source`."""

    source: str
    provider: str
    covered_until: datetime


class Ended(NamedTuple):
    """How a run ended, how long it took, and how many rows it read."""

    outcome: str
    seconds: float
    rows: int


class SourceState(NamedTuple):
    """The newest run of a source, when it last stored something (both UTC), and the last to end."""

    source: str
    started_at: datetime
    outcome: str
    error: str | None
    last_success: datetime | None
    ended: Ended | None


class ApiTotal(NamedTuple):
    """All that was ever asked of an API, and what its sources may pay a day (None: it is free)."""

    provider: str
    api: str
    requests: int
    retries: int
    cost_usd: Decimal
    cap_usd: Decimal | None


@dataclass(frozen=True, slots=True)
class CostSum:
    """One group of `costs_by`: its key in the order asked for, its period, and its amounts."""

    key: tuple[str, ...]
    period: date | None
    currency: str
    billed: Decimal
    effective: Decimal


class SnapshotReader:
    """Named reads inside one repeatable-read transaction: all of them see the same state.

    Where no cut of what is stored knows the dimensions of a sum, its provider is left out. Other
    modules of the store read on its `connection`.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self._given = by_provider(Given(*row) for row in rows(connection, "cuts"))

    def generation(self) -> int:
        """The number of the state that is seen here."""
        return int(value(self.connection, "generation"))

    def coverage(self) -> list[Coverage]:
        """How far each source reaches, per provider."""
        return [Coverage(*row) for row in rows(self.connection, "coverage")]

    def stored_spans(self, now: datetime) -> dict[str, tuple[date, date | None]]:
        """First stored day of each provider, and the last one that is over (UTC) at `now`."""
        found = rows(self.connection, "stored_spans", {"now": now})
        return {provider: (first, last) for provider, first, last in found}

    def monthly(self, months: Sequence[tuple[str, date]]) -> list[Cost]:
        """Sums by (account, region, service) of the given (provider, month) pairs."""
        needed = ("account", "region", "service")
        wanted = [(one, self._cuts(one[0], [one[1]], needed)) for one in months]
        return self._costs("monthly_costs", 3, _spread(wanted, ("providers", "months")))

    def by_category(self, months: Sequence[tuple[str, date]]) -> list[Cost]:
        """Sums by (charge category,)."""
        wanted = [(one, self._cuts(one[0], [one[1]], ["charge_category"])) for one in months]
        return self._costs("category_costs", 1, _spread(wanted, ("providers", "months")))

    def allocated(self, months: Sequence[tuple[str, date]], tags: Sequence[str]) -> list[Cost]:
        """Sums by (tag, value); each tag's values add up to the whole."""
        wanted = [
            ((provider, month, name), self._cuts(provider, [month], [tag_dimension(name)]))
            for provider, month in months
            for name in tags
        ]
        parameters = _spread(wanted, ("providers", "months", "tags"))
        return self._costs("allocated_costs", 2, parameters | {"untagged": UNTAGGED})

    def daily(self, days: Sequence[tuple[str, date, int]]) -> list[Cost]:
        """Sums by (account, region, service) of the given (provider, day, offset) triples."""
        needed = ("account", "region", "service")
        wanted = [(one, self._cuts(one[0], [_month(one[1])], needed)) for one in days]
        return self._costs("daily_costs", 3, _spread(wanted, ("providers", "days", "offsets")))

    def usage_daily(self, days: Sequence[tuple[str, date, int]]) -> list[Cost]:
        """The same by (account, service), charge category Usage only."""
        needed = ("account", "charge_category", "service")
        wanted = [(one, self._cuts(one[0], [_month(one[1])], needed)) for one in days]
        return self._costs("usage_costs", 2, _spread(wanted, ("providers", "days", "offsets")))

    def usage_days(
        self, window: Window, basis: Basis, only: str | None = None
    ) -> list[tuple[str, str, str, str, bytes]]:
        """(provider, account, service, currency, packed days) of usage; matrix.py unpacks them."""
        months = _months_of(window)
        needed = ("account", "charge_category", "service")
        chosen = [
            (provider, cut)
            for provider in sorted(self._given)
            if only in (None, provider)
            for cut in self._cuts(provider, months, needed)
        ]
        parameters = {
            "providers": [provider for provider, _ in chosen],
            "cuts": [cut for _, cut in chosen],
            "since": window.since,
            "until": window.until,
            "basis": basis,
        }
        found = self.connection.execute(sql("usage_days"), parameters, binary=True)
        return [(row[0], row[1], row[2], row[3], row[4]) for row in found]

    def daily_totals(self, spans: Sequence[tuple[str, Window]]) -> list[Cost]:
        """All charges of each day (`when`) of the given (provider, window) pairs."""
        wanted = [
            ((provider, window.since, window.until), self._cuts(provider, _months_of(window), []))
            for provider, window in spans
        ]
        return self._costs("daily_totals", 0, _spread(wanted, ("providers", "since", "until")))

    def by_account(self, spans: Sequence[tuple[str, str, Window]]) -> list[Cost]:
        """Sums by (account,) of the given (provider, label, window) triples."""
        wanted = [
            (
                (provider, label, window.since, window.until),
                self._cuts(provider, _months_of(window), ["account"]),
            )
            for provider, label, window in spans
        ]
        names = ("providers", "labels", "since", "until")
        return self._costs("account_costs_between", 1, _spread(wanted, names))

    def unreconciled(self, months: Sequence[tuple[str, date]]) -> list[Cost]:
        """By (source, cut): the source's own total minus our facts, where it gives a total."""
        parameters = {
            "providers": [provider for provider, _ in months],
            "months": [month for _, month in months],
        }
        return self._costs("unreconciled", 2, parameters)

    def restated(self) -> list[Cost]:
        """Absolute amounts by which complete, stored days (`when`) changed, ever."""
        return self._costs("restated_totals", 0, {})

    def accounts(self) -> list[Account]:
        """The accounts and what their sources call them."""
        return [Account(*row) for row in rows(self.connection, "accounts")]

    def source_states(self) -> list[SourceState]:
        """The newest run of each source."""
        return [
            SourceState._make((*row[:5], None if row[5] is None else Ended(*row[5:])))
            for row in rows(self.connection, "source_states")
        ]

    def api_totals(self, sources: Collection[str]) -> list[ApiTotal]:
        """What was asked of each API, with the caps of the given sources."""
        parameters = {"sources": list(sources)}
        return [ApiTotal(*row) for row in rows(self.connection, "api_totals", parameters)]

    def notices(self) -> list[tuple[str, str, int]]:
        """(source, reason, count) of what the newest runs noticed."""
        return [(row[0], row[1], row[2]) for row in rows(self.connection, "notices")]

    def rejected_rows(self) -> list[tuple[str, str, int]]:
        """(source, reason, rows) of what the newest runs left out."""
        return [(row[0], row[1], row[2]) for row in rows(self.connection, "rejected_rows")]

    def currencies(self) -> list[tuple[str, str]]:
        """(provider, currency): all pairs that were ever stored."""
        return [(row[0], row[1]) for row in rows(self.connection, "stored_currencies")]

    def rows_in(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str, int]]:
        """(source, currency, facts) of the facts of the given (provider, currency) pairs."""
        parameters = {
            "providers": [provider for provider, _ in pairs],
            "currencies": [currency for _, currency in pairs],
        }
        found = rows(self.connection, "currency_rows", parameters) if pairs else []
        return [(row[0], row[1], row[2]) for row in found]

    def cuts(
        self, provider: str, months: Collection[date], needed: Sequence[str]
    ) -> tuple[str, ...]:
        """The cuts that a sum over the months takes; raises NoCutError where none can give it."""
        given = [one for one in self._given.get(provider, ()) if one.month in months]
        return choose(given, needed)

    def _cuts(
        self, provider: str, months: Collection[date], needed: Sequence[str]
    ) -> tuple[str, ...]:
        try:
            return self.cuts(provider, months, needed)
        except NoCutError:
            return ()

    def _costs(self, name: str, dimensions: int, parameters: Mapping[str, Any]) -> list[Cost]:
        found = rows(self.connection, name, parameters)
        return [
            Cost(row[0], row[1], tuple(row[2 : 2 + dimensions]), *row[2 + dimensions :])
            for row in found
        ]


@contextmanager
def snapshot_reader(database: Database) -> Iterator[SnapshotReader]:
    """A reader whose every statement sees the same state of the store."""
    with database.connection() as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield SnapshotReader(connection)


def generation(database: Database) -> int:
    """The number of the newest state; a small read, meant to be asked often."""
    with database.connection() as connection:
        return int(value(connection, "generation"))


def stored_window(database: Database) -> Window | None:
    """From the first stored day through the last; None when nothing is stored."""
    with database.connection() as connection:
        ((first, last),) = rows(connection, "stored_days")
    return None if first is None else Window.inclusive(first, last)


def costs_by(
    database: Database,
    keys: Sequence[str],
    window: Window,
    *,
    grain: Grain = "none",
    currency: str | None = None,
) -> list[CostSum]:
    """Sums of `window` by the given dimensions (provider, account, ..., or a tag's name).

    Sorted by key, then period; one group per currency. Raises NoCutError when what is stored does
    not know the dimensions together.
    """
    dimensions = [
        key if key in COST_KEYS else tag_dimension(key) for key in keys if key != "provider"
    ]
    with database.connection() as connection:
        given = [
            one
            for one in (Given(*row) for row in rows(connection, "cuts"))
            if one.month in _months_of(window)
        ]
        chosen = [
            (provider, cut)
            for provider, listed in by_provider(given).items()
            for cut in choose(listed, dimensions)
        ]
        parameters: Mapping[str, object] = {
            "keys": list(keys),
            "since": window.since,
            "until": window.until,
            "grain": grain,
            "currency": currency,
            "untagged": UNTAGGED,
            "providers": [provider for provider, _ in chosen],
            "cuts": [cut for _, cut in chosen],
        }
        found = rows(connection, "costs_by", parameters)
    return [CostSum(tuple(row[0]), *row[1:]) for row in found]


def _spread(
    wanted: Sequence[tuple[tuple[object, ...], Sequence[str]]], names: Sequence[str]
) -> dict[str, list[object]]:
    """Columns of a statement's parameters: what is wanted, once for each cut that gives it."""
    lines = [(*one, cut) for one, cuts in wanted for cut in cuts]
    return {name: [line[place] for line in lines] for place, name in enumerate((*names, "cuts"))}


def _month(day: date) -> date:
    return day.replace(day=1)


def _months_of(window: Window) -> set[date]:
    """The first days of all months that the window touches."""
    months, month = set(), _month(window.since)
    while month < window.until:
        months.add(month)
        month = _month(month + timedelta(days=31))
    return months
