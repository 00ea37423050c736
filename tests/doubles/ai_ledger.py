"""A ledger and prices that live in memory, for tests of what stands before them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.ai_model import (
    ALL_MODELS,
    Admission,
    AiBudget,
    BudgetChange,
    BudgetState,
    Check,
    Conflict,
    Consumer,
    Refusal,
    Settlement,
    Tokens,
    Track,
)
from finops_exporter.errors import UnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
MONTH, NEXT_MONTH = date(2026, 11, 1), datetime(2026, 12, 1, tzinfo=UTC)
NEW = AiBudget(
    tenant_id="",
    model=ALL_MODELS,
    limit_usd=Decimal(0),
    soft_limit_ratio=Decimal("0.8"),
    timezone="UTC",
    fail_mode="fail_closed",
    allowance_usd=Decimal(0),
    enforce=True,
    tier="custom",
    owner="",
    critical=False,
)


class MemoryLedger:
    """Tenants' own budgets, holds and what is spent; one that is not `is_up` cannot be asked."""

    def __init__(self) -> None:
        self.is_up = True
        self.unpriced = 0
        self.budgets: dict[tuple[str, str], AiBudget] = {}
        self.checks: dict[str, Check] = {}
        self.tracks: dict[str, Track] = {}

    def _reach(self) -> None:
        if not self.is_up:
            raise UnavailableError("the database db.internal:5432/finops went away")

    def refused_unpriced(self) -> None:
        self.unpriced += 1

    async def check(self, check: Check) -> Admission | Refusal | Conflict:
        self._reach()
        held = self.checks.get(check.request_id)
        if held is not None and held.print != check.print:
            return Conflict(check.request_id, "this id was used for another call")
        budget = self.budgets.get((check.tenant_id, ALL_MODELS))
        if budget is None:
            return Refusal(check.request_id, "unknown_tenant", timedelta(0))
        used, reserved = self._used(check.tenant_id), self._reserved(check.tenant_id)
        committed = used + reserved + (check.reserve_usd if held is None else 0)
        if committed > budget.limit_usd:
            reason, wait = (
                ("busy", 2.5)
                if used + check.reserve_usd <= budget.limit_usd
                else (
                    "exceeded",
                    (NEXT_MONTH - NOW).total_seconds(),
                )
            )
            return Refusal(
                check.request_id,
                "busy" if reason == "busy" else "exceeded",
                timedelta(seconds=wait),
                ALL_MODELS,
                budget.limit_usd,
                used,
                reserved,
            )
        self.checks[check.request_id] = check
        share = committed / budget.limit_usd if budget.limit_usd else Decimal(1)
        expires = NOW + timedelta(minutes=10)
        warns = share >= budget.soft_limit_ratio
        return Admission(check.request_id, check.reserve_usd, expires, share, warns)

    async def track(self, track: Track) -> Settlement | Refusal | Conflict:
        self._reach()
        told = self.tracks.setdefault(track.request_id, track)
        if told.print != track.print:
            return Conflict(track.request_id, "this id was tracked with another content")
        held = self.checks.get(track.request_id)
        over = max(Decimal(0), track.cost_usd - held.reserve_usd) if held else Decimal(0)
        return Settlement(track.request_id, track.cost_usd, over, None, warns=False)

    async def status(self, tenant_id: str) -> list[BudgetState]:
        self._reach()
        return [
            self._state(budget)
            for (tenant, _), budget in self.budgets.items()
            if tenant == tenant_id
        ]

    async def put(self, change: BudgetChange) -> BudgetState:
        self._reach()
        key = change.tenant_id, change.model
        before = self.budgets.get(key, replace(NEW, tenant_id=key[0], model=key[1]))
        given: Mapping[str, object] = {
            name: value
            for name in BudgetChange.__slots__
            if (value := getattr(change, name)) is not None
        }
        self.budgets[key] = replace(before, **given)  # type: ignore[arg-type]  # names are the same
        return self._state(self.budgets[key])

    async def top_consumers(self, limit: int) -> list[Consumer]:
        self._reach()
        tenants = sorted({tenant for tenant, _ in self.budgets}, key=self._used, reverse=True)
        return [
            Consumer(tenant, self._used(tenant), len(self.tracks), Tokens(input=3, output=4))
            for tenant in tenants[:limit]
        ]

    def _used(self, tenant_id: str) -> Decimal:
        mine = (one for one in self.tracks.values() if one.tenant_id == tenant_id)
        return sum((one.cost_usd for one in mine), Decimal(0))

    def _reserved(self, tenant_id: str) -> Decimal:
        mine = (one for one in self.checks.values() if one.tenant_id == tenant_id)
        return sum(
            (one.reserve_usd for one in mine if one.request_id not in self.tracks), Decimal(0)
        )

    def _state(self, budget: AiBudget) -> BudgetState:
        used, reserved = self._used(budget.tenant_id), self._reserved(budget.tenant_id)
        return BudgetState(budget, MONTH, NEXT_MONTH, used, reserved, len(self.tracks), False)


class Dollar:
    """A millionth of a dollar for each token, half of that in a batch."""

    source = "test"

    def cost(self, tokens: Tokens, *, batch: bool = False) -> Decimal:
        return tokens.total * (Decimal("0.0000005") if batch else Decimal("0.000001"))


class MemoryPrices:
    """Every model has a price but those called unpriced-something."""

    def find(self, model: str, on: datetime) -> Dollar | None:
        assert on.tzinfo is not None
        return None if model.startswith("unpriced") else Dollar()


def tokens_of(
    *,
    input_tokens: int,
    output_tokens: int,
    cache_read: int,
    cache_write_5m: int,
    cache_write_1h: int,
    cache_included: bool,
) -> Tokens:
    cached = cache_read + cache_write_5m + cache_write_1h
    if cache_included and cached > input_tokens:
        raise ValueError("must be at least the tokens of caches, which it includes")
    plain = input_tokens - cached if cache_included else input_tokens
    return Tokens(plain, output_tokens, cache_read, cache_write_5m, cache_write_1h)
