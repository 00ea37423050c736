"""What the API answers. Amounts are exact US dollars; ratios are rounded down to six digits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Literal, TypeAlias

from pydantic import WithJsonSchema

from finops_exporter.model import rounded_down

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finops_exporter.ai_model import Admission, BudgetState, Consumer, Settlement

Usd = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Ratio = Annotated[Decimal, WithJsonSchema({"type": "number"})]
Shadow: TypeAlias = Literal["exceeded", "busy", "unpriced", "unknown_tenant"]

WARNING = "X-AI-Budget-Warning"
_MILLIONTH, _HUNDREDTH = Decimal("0.000001"), Decimal("0.01")


@dataclass(frozen=True, slots=True)
class Health:
    """The service answers, and so does its database."""

    status: Literal["ok"] = "ok"


@dataclass(frozen=True, slots=True)
class Admitted:
    """The call may be made.

    `expires_at` and `usage_ratio` are null where no budget limits the call; `shadow_refusal` says
    why it would have been refused if its budget were enforced; `fail_open` that the database is
    away and what was set aside is used.
    """

    request_id: str
    allowed: Literal[True]
    reserved_usd: Usd
    expires_at: datetime | None
    usage_ratio: Ratio | None
    shadow_refusal: Shadow | None
    fail_open: bool


@dataclass(frozen=True, slots=True)
class Tracked:
    """What the call has cost is counted. `overrun_usd` is what it cost above what was held."""

    request_id: str
    cost_usd: Usd
    overrun_usd: Usd
    usage_ratio: Ratio | None
    fail_open: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget and how it stands in its current period. `remaining_usd` may be negative."""

    model: str
    monthly_limit_usd: Usd
    used_usd: Usd
    reserved_usd: Usd
    remaining_usd: Usd
    usage_ratio: Ratio
    soft_limit_ratio: Ratio
    soft_limit_reached: bool
    hard_limit_reached: bool
    timezone: str
    period_start: date
    resets_at: datetime
    requests: int
    enforce: bool
    fail_mode: str
    allowance_usd: Usd
    tier: str
    owner: str
    critical: bool


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """A tenant's budgets; whether any of them is at a limit."""

    tenant_id: str
    soft_limit_reached: bool
    hard_limit_reached: bool
    budgets: list[Budget]


@dataclass(frozen=True, slots=True)
class TopConsumer:
    """What a tenant has spent in its current period."""

    tenant_id: str
    used_usd: Usd
    requests: int
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_write_tokens: int


@dataclass(frozen=True, slots=True)
class TopConsumers:
    """The tenants that have spent the most, the greatest first."""

    consumers: list[TopConsumer]


def admitted(found: Admission) -> Admitted:
    """The answer to a check that is admitted."""
    return Admitted(
        request_id=found.request_id,
        allowed=True,
        reserved_usd=found.reserved_usd,
        expires_at=found.expires_at.astimezone(UTC),
        usage_ratio=_ratio(found.share),
        shadow_refusal=found.shadow,
        fail_open=found.fail_open,
    )


def tracked(found: Settlement) -> Tracked:
    """The answer to usage that is counted."""
    return Tracked(
        request_id=found.request_id,
        cost_usd=found.cost_usd,
        overrun_usd=found.overrun_usd,
        usage_ratio=_ratio(found.share),
        fail_open=found.fail_open,
    )


def warning(found: Admission | Settlement) -> dict[str, str]:
    """The header that warns from the soft limit on."""
    if not found.warns or found.share is None:
        return {}
    percent = rounded_down(found.share * 100, _HUNDREDTH)
    return {WARNING: f"{percent:f}% of the budget is spent or reserved"}


def tenant_status(tenant_id: str, states: Sequence[BudgetState]) -> TenantStatus:
    """The answer about a tenant."""
    return TenantStatus(
        tenant_id=tenant_id,
        soft_limit_reached=any(state.soft_limit_reached for state in states),
        hard_limit_reached=any(state.hard_limit_reached for state in states),
        budgets=[budget(state) for state in states],
    )


def budget(state: BudgetState) -> Budget:
    """A budget as it is shown."""
    one = state.budget
    return Budget(
        model=one.model,
        monthly_limit_usd=one.limit_usd,
        used_usd=state.used_usd,
        reserved_usd=state.reserved_usd,
        remaining_usd=one.limit_usd - state.used_usd - state.reserved_usd,
        usage_ratio=rounded_down(state.share, _MILLIONTH),
        soft_limit_ratio=one.soft_limit_ratio,
        soft_limit_reached=state.soft_limit_reached,
        hard_limit_reached=state.hard_limit_reached,
        timezone=one.timezone,
        period_start=state.period_start,
        resets_at=state.resets_at.astimezone(UTC),
        requests=state.requests,
        enforce=one.enforce,
        fail_mode=one.fail_mode,
        allowance_usd=one.allowance_usd,
        tier=one.tier,
        owner=one.owner,
        critical=one.critical,
    )


def top_consumers(found: Sequence[Consumer]) -> TopConsumers:
    """The answer about those that have spent the most."""
    return TopConsumers(
        [
            TopConsumer(
                tenant_id=one.tenant_id,
                used_usd=one.used_usd,
                requests=one.requests,
                input_tokens=one.tokens.input,
                output_tokens=one.tokens.output,
                cache_read_tokens=one.tokens.cache_read,
                cache_write_tokens=one.tokens.cache_write_5m,
            )
            for one in found
        ]
    )


def _ratio(share: Decimal | None) -> Decimal | None:
    return None if share is None else rounded_down(share, _MILLIONTH)
