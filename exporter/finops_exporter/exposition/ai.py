"""AI budgets as samples: read from the ledger at every refresh, whether billing changed or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.exposition.ai_catalogue import AI_METRICS, DIRECTIONS, STATES
from finops_exporter.exposition.ai_windows import Averages, LastDay, Used
from finops_exporter.exposition.bodies import Blocks, blocks
from finops_exporter.exposition.folding import OTHER
from finops_exporter.exposition.metric import Family
from finops_exporter.exposition.render import Renderer
from finops_exporter.store.ai_gauges import ai_reader

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from decimal import Decimal

    from finops_exporter.exposition.ai_windows import Report
    from finops_exporter.store.ai_gauges import AiReader, BudgetLine, Everybody, ModelLine
    from finops_exporter.store.database import Database

MODEL_FAMILIES = ("ai_budget_tokens", "ai_budget_cost_by_model_usd", "ai_budget_requests")
REPORT_FAMILIES = ("ai_budget_report_cost_24h_usd", "ai_budget_reports_24h")


@dataclass(frozen=True, slots=True)
class AiSettings:
    """How many tenants are listed one by one, and how many series an additive family may have."""

    max_tenants: int = 1000
    max_series: int = 50_000


class AiBlock:
    """The families of AI budgets, rendered: `blocks`, which is replaced as a whole.

    One thread refreshes at a time. An error leaves what was there before.
    """

    def __init__(self, database: Database, settings: AiSettings) -> None:
        self._database = database
        self._settings = settings
        self._renderer = Renderer()
        self._last_day = LastDay()
        self._averages = Averages()
        self.blocks = Blocks()

    def refresh(self, now: datetime) -> None:
        """Read and render what holds at `now` (aware UTC); raises StoreError."""
        families = self.families(now)
        self.blocks = blocks(self._renderer.render(families), known=self.blocks)

    def families(self, now: datetime) -> tuple[Family, ...]:
        """All families by name, none while nothing is known of AI; raises StoreError."""
        found = _Samples()
        with ai_reader(self._database, now) as reader:
            everybody = reader.everybody(self._settings.max_tenants)
            if everybody is None:
                return ()
            _add_everybody(found, everybody)
            self._add_listed(found, reader, now, everybody.listed)
        return found.in_order()

    def all_families(self, now: datetime) -> tuple[Family, ...]:
        """The same for whoever reads them once: with averages that several refreshes would share.

        Raises StoreError.
        """
        families = self.families(now)
        while self._averages.is_under_way:
            families = self.families(now)
        return families

    def _add_listed(
        self, found: _Samples, reader: AiReader, now: datetime, listed: Sequence[str]
    ) -> None:
        most = self._settings.max_series
        _add_budgets(found, reader.budgets(listed))
        _add_models(found, reader.models(listed, most // len(DIRECTIONS), OTHER))
        overruns = reader.overruns(listed)
        self._averages.read(reader, now)
        lately = self._last_day.read(reader, now, listed)
        for tenant_id in listed:
            key = (tenant_id,)
            # A counter begins at zero, and who used nothing in an hour used zero.
            found.add("ai_budget_estimate_overrun_usd_total", key, overruns.get(tenant_id, 0))
            used = lately.hour.get(tenant_id, Used())
            found.add("ai_budget_tokens_last_hour", key, used.number)
            found.add("ai_budget_cost_last_hour_usd", key, used.cost_usd)
            if tenant_id in self._averages.known:
                average = self._averages.known[tenant_id]
                found.add("ai_budget_tokens_hourly_avg_7d", key, average)
        _add_reports(found, lately.reports, most)


class _Samples:
    """Families under way; here, and only here, exact amounts become floats."""

    def __init__(self) -> None:
        self._families: dict[str, Family] = {}

    def add(self, name: str, key: tuple[str, ...], number: Decimal | int) -> None:
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = Family(AI_METRICS[name])
        family.samples[key] = float(number)

    def in_order(self) -> tuple[Family, ...]:
        return tuple(family for _, family in sorted(self._families.items()))


def _add_everybody(found: _Samples, everybody: Everybody) -> None:
    ok = everybody.tenants - everybody.warning - everybody.exceeded
    for state, count in zip(STATES, (ok, everybody.warning, everybody.exceeded), strict=True):
        found.add("ai_budget_tenants", (state,), count)
    found.add("ai_budget_total_used_usd", (), everybody.used_usd)
    found.add("finops_ai_open_reservations", (), everybody.open_reservations)
    left_out = everybody.tenants - len(everybody.listed)
    found.add("finops_ai_tenants_left_out", (), left_out)


def _add_budgets(found: _Samples, budgets: Sequence[BudgetLine]) -> None:
    about: dict[str, tuple[str, str]] = {}
    critical: set[str] = set()
    for one in budgets:
        key = (one.tenant_id, one.model)
        found.add("ai_budget_limit_usd", key, one.limit_usd)
        found.add("ai_budget_used_usd", key, one.used_usd)
        found.add("ai_budget_reserved_usd", key, one.reserved_usd)
        found.add("ai_budget_hard_limit_reached", key, one.hard_limit_reached)
        # The one over all models comes first.
        about.setdefault(one.tenant_id, (one.tier, one.owner))
        if one.critical:
            critical.add(one.tenant_id)
    for tenant_id, (tier, owner) in about.items():
        is_critical = "true" if tenant_id in critical else "false"
        found.add("ai_budget_tenant_info", (tenant_id, tier, owner, is_critical), 1)


def _add_models(found: _Samples, models: Iterable[ModelLine]) -> None:
    folded = 0
    for one in models:
        key = (one.tenant_id, one.model)
        tokens = (one.input, one.output, one.cache_read, one.cache_write)
        for direction, count in zip(DIRECTIONS, tokens, strict=True):
            found.add("ai_budget_tokens", (*key, direction), count)
        found.add("ai_budget_cost_by_model_usd", key, one.cost_usd)
        found.add("ai_budget_requests", key, one.requests)
        folded += one.folded
    for name in MODEL_FAMILIES:
        series = folded * AI_METRICS[name].variants
        found.add("finops_ai_series_dropped_to_other", (name,), series)


def _add_reports(found: _Samples, reports: Mapping[Report, Used], most: int) -> None:
    largest = sorted(reports, key=lambda report: (-reports[report].cost_usd, report))
    shown = {report: reports[report] for report in largest[:most]}
    for tenant_id, report_type in largest[most:]:
        other = (tenant_id, OTHER)
        shown[other] = shown.get(other, Used()).plus(*reports[tenant_id, report_type])
    for key, used in shown.items():
        found.add("ai_budget_report_cost_24h_usd", key, used.cost_usd)
        found.add("ai_budget_reports_24h", key, used.number)
    for name in REPORT_FAMILIES:
        found.add("finops_ai_series_dropped_to_other", (name,), len(largest[most:]))
