"""AI budgets in the store: what they are, how they stand, and who spends most."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from finops_exporter.ai_model import AiBudget, BudgetState, Check, Consumer, Tokens
from finops_exporter.errors import UsageError
from finops_exporter.store.database import Connection, rows, run

if TYPE_CHECKING:
    from datetime import datetime

    from finops_exporter.ai_model import BudgetChange, Track


class OpenBudget(NamedTuple):
    """A budget of a tenant of whom one at least is spent also while the database is away.

    `allowance_usd` is how much each process may then spend: 0 of one that is fail_closed. It is of
    the current month only, which ends at `resets_at`.
    """

    tenant_id: str
    model: str
    allowance_usd: Decimal
    resets_at: datetime


def states(
    connection: Connection, tenant_id: str | None = None, now: datetime | None = None
) -> list[BudgetState]:
    """How the budgets stand (those of one tenant, if it is named), by tenant and model.

    `now` is the time (None: that of the database's server).
    """
    return [_state(row) for row in rows(connection, "ai_budget_states", _at(now, tenant=tenant_id))]


def put(connection: Connection, change: BudgetChange) -> None:
    """Set a budget, or some of it.

    Raises UsageError for a new one without a limit, and for a zone that the database does not know.
    """
    parameters = asdict(change)
    if change.timezone and not rows(connection, "ai_zone", {"zone": change.timezone}):
        raise UsageError(f"the database knows no time zone {change.timezone!r}")
    with connection.transaction():
        if change.limit_usd is None:
            found = rows(connection, "ai_limit", parameters)
            if not found:
                raise UsageError(
                    f"tenant {change.tenant_id!r} has no budget for model {change.model!r} yet: "
                    "a limit is needed"
                )
            parameters["limit_usd"] = found[0][0]
        run(connection, "put_ai_budget", parameters)


def remove(connection: Connection, tenant_id: str, model: str) -> bool:
    """Remove a budget; what was spent stays known. False when there is none."""
    parameters = {"tenant_id": tenant_id, "model": model}
    return run(connection, "remove_ai_budget", parameters) > 0


def tenants(connection: Connection, most: int) -> list[str]:
    """Who has a budget or has ever used AI, so many by name; raises StoreError."""
    return [tenant for (tenant,) in rows(connection, "ai_known_tenants", {"most": most})]


def top_consumers(connection: Connection, most: int, now: datetime | None = None) -> list[Consumer]:
    """Who has spent most in the current month, at most `most` of them."""
    return [
        Consumer(tenant_id, used_usd, requests, Tokens(*tokens))
        for tenant_id, used_usd, requests, *tokens in rows(
            connection, "ai_consumers", _at(now, most=most)
        )
    ]


def fail_open(connection: Connection, now: datetime | None = None) -> list[OpenBudget]:
    """All budgets of the tenants that have a fail_open one, by tenant and model."""
    return [OpenBudget(*row) for row in rows(connection, "ai_fail_open_budgets", _at(now))]


def take_allowances(connection: Connection, holder: str) -> list[Check]:
    """What the journal `holder` has set aside, which is forgotten thereby: it must be released."""
    return [
        Check(request_id, tenant_id, model, Decimal(0), "allowance")
        for request_id, tenant_id, model in rows(
            connection, "forget_allowances", {"holder": holder}
        )
    ]


def remember_allowance(connection: Connection, holder: str, call: Check | Track) -> None:
    """Write down that the journal `holder` has set this aside."""
    parameters = {
        "holder": holder,
        "request_id": call.request_id,
        "tenant_id": call.tenant_id,
        "model": call.model,
    }
    run(connection, "remember_allowance", parameters)


def _at(now: datetime | None, **parameters: object) -> dict[str, object]:
    return {"now": now, **parameters}


def _state(row: tuple[Any, ...]) -> BudgetState:
    fields = 11  # of AiBudget, which come first
    return BudgetState(AiBudget(*row[:fields]), *row[fields:])
