"""What tenants use of AI, call by call through the real ledger, while time passes by ticks."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from exporter_families import text_of
from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_model import Admission, Check, Settlement, Terms, Tokens, Track
from finops_exporter.demo import ai_budgets, ai_usage
from finops_exporter.demo.tenants import TENANTS
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.exposition.exposition import Exposition
from finops_exporter.exposition.families import Settings
from finops_exporter.model import utc_midnight
from finops_exporter.store import ai_budgets as store
from finops_exporter.store.ledger import Asked, decide
from simulated.recording import TICK, Recording

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finops_exporter.ai_model import UsageRow
    from finops_exporter.store.database import Database

WARM_UP = 8
"""So many days before the first one are used too: averages reach seven days back."""

SOUND = frozenset(one.id for one in TENANTS if not one.shows)
"""The demo's tenants but for those that are made to be near their limits."""

SETTINGS = Settings(
    basis="billed", hold=timedelta(days=5), tags=(), lags={}, rate=lambda _currency, _on: None
)
_DAY = timedelta(days=1)


class Tenants:
    """`days` from `start` (a day, UTC) on; `size(tenant, time)` is how large a call is then."""

    def __init__(
        self,
        database: Database,
        start: date,
        days: int,
        *,
        seed: int = 0,
        size: Callable[[str, datetime], float] = lambda _tenant, _now: 1.0,
    ) -> None:
        self._database, self._days, self._seed, self._size = database, days, seed, size
        self._prices = PriceList()
        self._exposition = Exposition(database, SETTINGS, AiSettings())
        self._first = utc_midnight(start)
        self.recording = Recording(self._first, days * int(_DAY / TICK))
        self.refused = 0

    def run(self) -> Recording:
        """Let the days pass."""
        with self._database.connection() as connection:
            for change in ai_budgets():
                if change.tenant_id in SOUND:
                    store.put(connection, change)
        for number in range(-WARM_UP, self._days):
            self._pass(self._first + number * _DAY)
        return self.recording

    def _pass(self, day: datetime) -> None:
        calls = sorted(self._calls(day), key=lambda call: call.time)
        for tick in range(int(_DAY / TICK)):
            now = day + tick * TICK
            made = [call for call in calls if now - TICK <= call.time < now]
            self._make(made, now)
            if now >= self._first:
                self._exposition.refresh(now)
                assert self._exposition.problem is None
                self.recording.take(now, text_of(self._exposition.page))

    def _calls(self, day: datetime) -> Iterator[UsageRow]:
        """Those of a day's ticks: from the tick before it on."""
        past = {one.id: (day - TICK, Decimal(10**9)) for one in TENANTS}
        for call in ai_usage(day + _DAY - TICK, self._price, past, self._seed):
            if call.tenant_id in SOUND:
                yield call

    def _make(self, calls: list[UsageRow], now: datetime) -> None:
        """Ask for each, and report those that may be made."""
        if not calls:
            return
        tracks = [self._sized(call) for call in calls]
        checks = [
            Check(one.request_id, one.tenant_id, one.model, one.cost_usd, "call", now)
            for one in tracks
        ]
        with self._database.connection() as connection:
            answers = decide(connection, [Asked("check", one) for one in checks], Terms(), now)
            admitted = [
                track
                for track, answer in zip(tracks, answers, strict=True)
                if isinstance(answer, Admission)
            ]
            self.refused += len(tracks) - len(admitted)
            settled = decide(connection, [Asked("track", one) for one in admitted], Terms(), now)
        assert all(isinstance(one, Settlement) for one in settled)

    def _sized(self, call: UsageRow) -> Track:
        size = self._size(call.tenant_id, call.time)
        usual = call.tokens
        tokens = Tokens(
            *(
                round(count * size)
                for count in (
                    usual.input,
                    usual.output,
                    usual.cache_read,
                    usual.cache_write_5m,
                    usual.cache_write_1h,
                )
            )
        )
        usd, source = self._price(call.model, call.time, tokens)
        return Track(
            call.request_id, call.tenant_id, call.model, tokens, usd, source, "call",
            call.report_type,
        )  # fmt: skip

    def _price(self, model: str, at: datetime, tokens: Tokens) -> tuple[Decimal, str]:
        found = self._prices.find(model, at.replace(minute=0, second=0, microsecond=0))
        assert found is not None
        return found.cost(tokens), found.source
