"""Days of a company in minutes: bills come in, the exporter refreshes, what it shows is kept."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from exporter_families import text_of
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.exposition.families import Settings
from finops_exporter.model import Account, ControlTotal, utc_midnight
from finops_exporter.store import budgets as budget_store
from finops_exporter.store import customers
from integration.feeding import swap
from simulated.company import OWNERS, Bills, total
from simulated.recording import TICK, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finops_exporter.model import Budget, Rejected
    from finops_exporter.store.database import Database

DAYS = 60
HISTORY_MONTHS = 6
"""So many calendar months of bills there are: those days, and what came before."""

PROVIDERS = ("aws", "gcp", "azure")
SOURCES = {provider: f"{provider} bill" for provider in PROVIDERS}
LAG = timedelta(hours=24)
INTERVAL = timedelta(hours=24)
DELIVERED = time(6)
"""When bills come, by the clock of UTC."""

BERLIN = ZoneInfo("Europe/Berlin")
DAY = timedelta(days=1)
NEWS_DAYS = 12
"""No provider changes what it said of older days."""

SETTINGS = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team", "project", "environment"),
    lags=dict.fromkeys(SOURCES.values(), LAG),
    intervals=dict.fromkeys(SOURCES.values(), INTERVAL),
    providers={source: provider for provider, source in SOURCES.items()},
    rate=lambda currency, _on: Decimal(1) if currency == "USD" else None,
    owners=OWNERS,
    counts_customers=True,
)


@dataclass(slots=True)
class World:
    """What may go otherwise than it should; nothing does by default.

    `silent(provider, now)`: its export stands still. `customers(now)`: how many there are in the
    current and in the previous window. `rejected(provider, now)`: what of a delivery cannot be
    read. `control(provider, day)`: how many times the rows of a day the provider's own total is.
    `also(database, now)` happens before each refresh.
    """

    silent: Callable[[str, datetime], bool] = lambda _provider, _now: False
    customers: Callable[[datetime], tuple[int, int]] = lambda _now: (1200, 1180)
    rejected: Callable[[str, datetime], Sequence[Rejected]] = lambda _provider, _now: ()
    control: Callable[[str, date], Decimal] = lambda _provider, _day: Decimal(1)
    also: Callable[[Database, datetime], None] = lambda _database, _now: None


class Simulation:
    """60 days from `start` (a day, UTC) on; what was billed before is there already."""

    def __init__(
        self, database: Database, bills: Bills, start: date, world: World | None = None
    ) -> None:
        self._database, self._bills, self._start = database, bills, start
        self._world = world or World()
        self._exposition = Exposition(database, SETTINGS)
        self._seen: dict[tuple[str, date], tuple[Decimal, Decimal]] = {}
        self.recording = Recording(utc_midnight(start), DAYS * int(DAY / TICK))

    def run(self, budgets: Sequence[Budget]) -> Recording:
        """Let the days pass."""
        begin = utc_midnight(self._start)
        budget_store.apply_configured(self._database, budgets, begin - DAY)
        for provider in PROVIDERS:
            past = [day for day in self._bills.days if day < self._start]
            self._deliver(provider, past, begin - timedelta(hours=6))
        self._count(begin - timedelta(hours=6))
        for now in self._moments():
            if now.time() == DELIVERED:
                for provider in PROVIDERS:
                    self._deliver(provider, self._news(provider, now), now)
                self._count(now)
            self._world.also(self._database, now)
            self._exposition.refresh(now)
            assert self._exposition.problem is None
            self.recording.take(now, text_of(self._exposition.page))
        return self.recording

    def _moments(self) -> list[datetime]:
        """Whenever bills come or a day turns, and a month by the clock of a budget."""
        found = set()
        for number in range(DAYS):
            day = self._start + number * DAY
            found |= {utc_midnight(day), datetime.combine(day, DELIVERED, UTC)}
            if (day + DAY).day == 1:
                found.add(datetime.combine(day + DAY, time(), BERLIN).astimezone(UTC))
        return sorted(found)

    def _news(self, provider: str, now: datetime) -> list[date]:
        """The days of which the provider says something else than before."""
        if self._world.silent(provider, now):
            return []
        recent = [now.date() - back * DAY for back in range(NEWS_DAYS)]
        return [
            day
            for day in recent
            if total(self._bills.told(provider, day, now)) != self._seen.get((provider, day))
        ]

    def _deliver(self, provider: str, days: list[date], now: datetime) -> None:
        rows, controls = [], []
        for day in days:
            found = self._bills.told(provider, day, now)
            billed, effective = self._seen[provider, day] = total(found)
            factor = self._world.control(provider, day)
            controls.append(
                ControlTotal(f"{day}", provider, day.replace(day=1), "USD",
                             billed * factor, effective * factor)
            )  # fmt: skip
            rows += found
        swap(
            self._database,
            rows,
            source=SOURCES[provider],
            parts=[f"{day}" for day in days],
            covered_until={provider: now},
            controls=controls,
            rejected=self._world.rejected(provider, now),
            accounts=[Account(*key) for key in OWNERS if key[0] == provider],
            now=now,
            lag=LAG,
        )

    def _count(self, now: datetime) -> None:
        current, previous = map(Decimal, self._world.customers(now))
        with self._database.connection() as connection:
            customers.keep(connection, {"current": current, "previous": previous}, now)
