"""AI budgets for people: how they stand, what is changed of them; as values and as JSON."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, fields, replace
from decimal import MAX_PREC, Decimal, localcontext
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from finops_exporter.ai_model import ALL_MODELS, TIER_LIMITS
from finops_exporter.errors import FinopsError, UsageError
from finops_exporter.model import money_text, rounded_down
from finops_exporter.store import ai_budgets, ai_usage

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from finops_exporter.ai_model import AiBudget, BudgetChange, BudgetState, Tokens
    from finops_exporter.store.ai_usage import LastCall, ModelMonth
    from finops_exporter.store.database import Connection, Database

Level: TypeAlias = Literal["ok", "warning", "exceeded"]

_MILLIONTH = Decimal("0.000001")


@dataclass(frozen=True, slots=True)
class TenantStatus:
    """A tenant's budgets, its current month by model (the most first), and its newest calls."""

    tenant_id: str
    budgets: list[BudgetState]
    models: list[ModelMonth]
    calls: list[LastCall]


class Change(NamedTuple):
    """A budget before (None: there was none) and after it was set, and how it stands then."""

    before: AiBudget | None
    after: BudgetState


def level(state: BudgetState) -> Level:
    """How a budget stands: exceeded is one that is used up, or was in the way of a call."""
    if state.hard_limit_reached or state.share >= 1:
        return "exceeded"
    return "warning" if state.soft_limit_reached else "ok"


def standings(
    database: Database, now: datetime, *, over_percent: Decimal | None = None
) -> list[BudgetState]:
    """All budgets by tenant and model (with `over_percent` those used so far or further)."""
    with database.connection() as connection:
        found = ai_budgets.states(connection, now=now)
    return [one for one in found if over_percent is None or one.share * 100 >= over_percent]


def status(database: Database, tenant_id: str, now: datetime, calls: int) -> TenantStatus:
    """How a tenant stands, with at most so many calls; raises FinopsError for an unknown one."""
    with database.connection() as connection:
        known(connection, tenant_id)
        return TenantStatus(
            tenant_id,
            ai_budgets.states(connection, tenant_id, now),
            ai_usage.month_by_model(connection, tenant_id, now),
            ai_usage.last_calls(connection, tenant_id, calls),
        )


def known(connection: Connection, tenant_id: str) -> None:
    """Raise FinopsError, with the nearest names, for a tenant of whom nothing is stored."""
    names = ai_usage.tenants(connection)
    if tenant_id not in names:
        parts = [name for name in names if tenant_id.lower() in name.lower()]
        near = (parts or difflib.get_close_matches(tenant_id, names))[:3]
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else ""
        raise FinopsError(
            f"there is no tenant {tenant_id!r}{hint}"
            if names
            else f"there is no tenant {tenant_id!r}: none has a budget or has used anything yet"
        )


def with_tier_limit(change: BudgetChange) -> BudgetChange:
    """The change with the limit of its tier, where it says none itself."""
    if change.limit_usd is not None or change.tier is None:
        return change
    return replace(change, limit_usd=TIER_LIMITS.get(change.tier))


def set_budget(
    database: Database, change: BudgetChange, now: datetime, *, dry_run: bool = False
) -> Change:
    """Set what is given of a budget; with `dry_run` only see how it would stand.

    Raises UsageError for a new budget without a limit.
    """
    with database.connection() as connection, connection.transaction(force_rollback=dry_run):
        before = _budget_of(connection, change.tenant_id, change.model, now)
        if before is None and change.limit_usd is None:
            raise UsageError(
                f"{named(change.tenant_id, change.model)} has no budget yet: a new one needs "
                "--limit, or a --tier other than custom"
            )
        ai_budgets.put(connection, change)
        after = _budget_of(connection, change.tenant_id, change.model, now)
        if after is None:
            raise FinopsError("the budget was removed by somebody else just then; set it again")
    return Change(None if before is None else before.budget, after)


def remove_budget(
    database: Database, tenant_id: str, model: str, now: datetime, *, dry_run: bool = False
) -> BudgetState:
    """Remove a budget and return how it stood; raises FinopsError when there is none."""
    with database.connection() as connection, connection.transaction(force_rollback=dry_run):
        found = _budget_of(connection, tenant_id, model, now)
        if found is None:
            known(connection, tenant_id)
            models = [one.budget.model for one in ai_budgets.states(connection, tenant_id, now)]
            budgets = f"of {', '.join(models)}" if models else "none"
            raise FinopsError(
                f"{named(tenant_id, model)} has no budget (budgets of the tenant: {budgets})"
            )
        ai_budgets.remove(connection, tenant_id, model)
    return found


def named(tenant_id: str, model: str) -> str:
    """What people call a budget."""
    return f"{tenant_id}, {'all models' if model == ALL_MODELS else model}"


def changes(change: Change, wanted: BudgetChange) -> list[tuple[str, object, object]]:
    """What is different: field, before and after; of a new budget what was asked for."""
    found: list[tuple[str, object, object]] = []
    for field in fields(change.after.budget):
        after = getattr(change.after.budget, field.name)
        before = change.before and getattr(change.before, field.name)
        is_key = field.name in {"tenant_id", "model"}
        if is_key or before == after:
            continue
        if change.before is not None or getattr(wanted, field.name) is not None:
            found.append((field.name, before, after))
    return found


def as_json(states: Sequence[BudgetState]) -> str:
    """The budgets as JSON: amounts are exact text, the ratio is rounded down, times are UTC."""
    return _json({"budgets": [_state(one) for one in states]})


def status_json(found: TenantStatus) -> str:
    """The same of a tenant, with its month by model and its newest calls."""
    return _json(
        {
            "tenant_id": found.tenant_id,
            "budgets": [_state(one) for one in found.budgets],
            "models": [_model(one) for one in found.models],
            "last_calls": [_call(one) for one in found.calls],
        }
    )


def _budget_of(
    connection: Connection, tenant_id: str, model: str, now: datetime
) -> BudgetState | None:
    found = ai_budgets.states(connection, tenant_id, now)
    return next((one for one in found if one.budget.model == model), None)


def _json(found: Mapping[str, object]) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)


def _state(state: BudgetState) -> dict[str, object]:
    one = state.budget
    with localcontext(prec=MAX_PREC):  # the usual one rounds to 28 digits
        remaining = one.limit_usd - state.used_usd - state.reserved_usd
    return {
        "tenant_id": one.tenant_id,
        "model": one.model,
        "tier": one.tier,
        "state": level(state),
        "monthly_limit_usd": money_text(one.limit_usd),
        "used_usd": money_text(state.used_usd),
        "reserved_usd": money_text(state.reserved_usd),
        "remaining_usd": money_text(remaining),
        "usage_ratio": money_text(rounded_down(state.share, _MILLIONTH)),
        "soft_limit_ratio": money_text(one.soft_limit_ratio),
        "soft_limit_reached": state.soft_limit_reached,
        "hard_limit_reached": state.hard_limit_reached,
        "timezone": one.timezone,
        "period_start": state.period_start.isoformat(),
        "resets_at": state.resets_at.isoformat(),
        "requests": state.requests,
        "enforce": one.enforce,
        "fail_mode": one.fail_mode,
        "allowance_usd": money_text(one.allowance_usd),
        "owner": one.owner,
        "critical": one.critical,
    }


def _model(one: ModelMonth) -> dict[str, object]:
    return {
        "model": one.model,
        "period_start": one.period_start.isoformat(),
        "used_usd": money_text(one.used_usd),
        "reserved_usd": money_text(one.reserved_usd),
        "orphaned_usd": money_text(one.orphaned_usd),
        "requests": one.requests,
        "input_tokens": one.tokens.input,
        "output_tokens": one.tokens.output,
        "cache_read_tokens": one.tokens.cache_read,
        "cache_write_tokens": one.tokens.cache_write_5m,
    }


def _call(one: LastCall) -> dict[str, object]:
    return {
        "request_id": one.request_id,
        "time": one.time.isoformat(),
        "model": one.model,
        **token_counts(one.tokens),
        "cost_usd": None if one.cost_usd is None else money_text(one.cost_usd),
        "price_source": one.price_source,
        "report_type": one.report_type,
    }


def token_counts(tokens: Tokens) -> dict[str, int]:
    """The tokens by kind, as the table ai_token_usage calls them."""
    return {
        "input_tokens": tokens.input,
        "output_tokens": tokens.output,
        "cache_read_tokens": tokens.cache_read,
        "cache_write_tokens": tokens.cache_write_5m,
        "cache_write_1h_tokens": tokens.cache_write_1h,
    }
