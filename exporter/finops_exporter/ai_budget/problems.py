"""Why the API refuses a call: the kinds of problems that budgets have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from finops_exporter.ai_budget.answers import Usd  # noqa: TC001 - pydantic reads the annotations
from finops_exporter.ai_model import ALL_MODELS
from finops_exporter.model import money_text
from finops_exporter.web.api.problem import FieldError, Kind, Problem, ProblemError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta
    from decimal import Decimal

    from finops_exporter.ai_model import Conflict, Refusal


@dataclass(frozen=True, slots=True)
class RefusalProblem(Problem):
    """Why a call must not be made; amounts are those of the budget in its way, if there is one."""

    reason: Literal["exceeded", "busy", "unpriced", "unknown_tenant", "rate_limited", ""] = ""
    request_id: str = ""
    budget_model: str | None = None
    limit_usd: Usd | None = None
    used_usd: Usd | None = None
    reserved_usd: Usd | None = None
    requested_usd: Usd | None = None


_AGAIN = ("Retry-After",)

EXCEEDED = Kind(
    "exceeded",
    429,
    "The budget is spent",
    "The call would go beyond the monthly limit. Retry-After is when the next period begins; an "
    "admin may raise the limit before.",
    RefusalProblem,
    _AGAIN,
)
BUSY = Kind(
    "busy",
    429,
    "The rest of the budget is held for other calls",
    "Ask again after Retry-After with the same request_id: calls that are under way may cost less "
    "than is held for them.",
    RefusalProblem,
)
UNPRICED = Kind(
    "unpriced",
    429,
    "The model has no price",
    "Nothing can be held for a model whose price is unknown. Add it to `ai.prices`, or set "
    "`ai.unknown_model`.",
    RefusalProblem,
    _AGAIN,
)
UNKNOWN_TENANT = Kind(
    "unknown-tenant",
    403,
    "The tenant has no budget",
    "Set a budget for it, or let tenants without one in by `ai.unknown_tenant`.",
    RefusalProblem,
)
CONFLICT = Kind(
    "conflict",
    409,
    "The request_id belongs to another call",
    "Use a new id for each call, and the same for all that is told of it.",
)
UNPRICED_USAGE = Kind(
    "unpriced-usage",
    422,
    "The usage cannot be priced yet",
    "Nothing is counted. Add the model to `ai.prices`, or set `ai.unknown_model`, and track the "
    "call again: late is fine.",
)
_KINDS: Mapping[str, Kind] = {
    "exceeded": EXCEEDED,
    "busy": BUSY,
    "unpriced": UNPRICED,
    "unknown_tenant": UNKNOWN_TENANT,
}


def refusal(refused: Refusal, requested_usd: Decimal | None) -> ProblemError:
    """The problem of a call that is not admitted; `requested_usd` is what it asked for."""
    kind = _KINDS[refused.reason]
    more = {
        "reason": refused.reason,
        "request_id": refused.request_id,
        "budget_model": refused.model,
        "limit_usd": refused.limit_usd,
        "used_usd": refused.used_usd,
        "reserved_usd": refused.reserved_usd,
        "requested_usd": requested_usd,
    }
    headers = {} if kind is UNKNOWN_TENANT else {"Retry-After": seconds(refused.retry_after)}
    return ProblemError(kind, _detail(refused, requested_usd), more=more, headers=headers)


def _detail(refused: Refusal, requested_usd: Decimal | None) -> str:
    if refused.reason == "unpriced":
        return "the model has no price, so nothing can be held for the call"
    if refused.reason == "unknown_tenant":
        return "the tenant has no budget, and only tenants that have one are admitted"
    if refused.model is None:
        return "the database is away, and what was set aside for that time is used up"
    amounts = (requested_usd, refused.limit_usd, refused.used_usd, refused.reserved_usd)
    asked, limit, used, held = ("?" if one is None else f"${money_text(one)}" for one in amounts)
    which = "the tenant" if refused.model == ALL_MODELS else f"the model {refused.model!r}"
    return (
        f"the call may cost {asked}; the budget of {which} is {limit} a month, of which {used} is "
        f"spent and {held} held"
    )


def conflict(found: Conflict) -> ProblemError:
    """The problem of an id that is taken."""
    return ProblemError(CONFLICT, found.detail, more={"request_id": found.request_id})


def unpriced_usage(model: str, request_id: str) -> ProblemError:
    """The problem of usage that would be lost if it were taken without a price."""
    detail = (
        f"the model {model!r} has no price, so nothing is counted; add it to ai.prices of the "
        "configuration, or set ai.unknown_model, and track the call again"
    )
    errors = [FieldError("model", "must be a model that has a price")]
    return ProblemError(UNPRICED_USAGE, detail, errors=errors, more={"request_id": request_id})


def seconds(wait: timedelta) -> str:
    """A wait as Retry-After tells it: whole seconds, at least one."""
    return str(max(1, math.ceil(wait.total_seconds())))
