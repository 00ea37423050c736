"""The routes of the API: a table that is served, described and tested."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finops_exporter.ai_budget import answers, problems
from finops_exporter.ai_budget.requests import (
    CheckRequest,
    Nothing,
    OneTenant,
    SetRequest,
    Top,
    TrackRequest,
)
from finops_exporter.web.api.problem import NOT_FOUND, UNAVAILABLE
from finops_exporter.web.api.route import Route

if TYPE_CHECKING:
    from finops_exporter.ai_budget.handlers import Budgets
    from finops_exporter.api_token import Role

TITLE = "AI budgets"
VERSION = "1"
ABOUT = """Ask before each AI call (check), and tell afterwards what it has used (track).

A check holds the most that the call can cost, so that calls under way never cost more than what \
is left. Amounts are US dollars: exact numbers of any length, best read as decimals.

Requests are JSON and at most 64 KiB. Whole numbers are written without a point; unknown fields \
are refused. A time-out is no answer: send the same again, with the same request_id."""

CALLERS: frozenset[Role] = frozenset({"service", "admin"})
READERS: frozenset[Role] = frozenset({"reader", "service", "admin"})
ADMINS: frozenset[Role] = frozenset({"admin"})

_CHECK = """Send it before the call. 200 means: make the call, then track it. 429 means: do not; \
`reason` and `Retry-After` say why and until when. From the soft limit on, the header \
`X-AI-Budget-Warning` says how much is used.

The same request again gets the same answer and holds nothing twice. What is never tracked is \
settled by itself after `expires_at`.

Where the configuration enforces no budget, a model without a price is admitted, and nothing is \
held for it."""

_TRACK = """Send it after the call, whatever became of it, with the request_id of its check. It \
is counted once, however often it is sent, and never refused for its cost. A call without a check \
is counted too."""

_SET = """What is left out stays as it is; in a new budget it has its default. The model `*` is \
the budget over all models of the tenant; a call must fit that and the one of its model. A limit \
below what is spent refuses further calls and nothing else. The answer shows what was set."""

_WARNING = {answers.WARNING: "from the soft limit on: how much is spent or held"}

_CHECK_EXAMPLE = {
    "request_id": "3f0c2a9e",
    "tenant_id": "acme",
    "model": "claude-3-5-sonnet-20241022",
    "input_tokens": 1200,
    "max_output_tokens": 1000,
}
_TRACK_EXAMPLE = {
    "request_id": "3f0c2a9e",
    "tenant_id": "acme",
    "model": "claude-3-5-sonnet-20241022",
    "input_tokens": 200,
    "output_tokens": 350,
    "cache_read_tokens": 1000,
    "cache_included": False,
    "report_type": "monthly-summary",
}
_SET_EXAMPLE = {"tenant_id": "acme", "tier": "professional", "owner": "data team"}
# 1,200 tokens in at $3 a million, 1,000 out at $15.
_ADMITTED_EXAMPLE = {
    "request_id": "3f0c2a9e",
    "allowed": True,
    "reserved_usd": 0.0186,
    "expires_at": "2026-11-21T12:10:00Z",
    "usage_ratio": 0.4375,
    "shadow_refusal": None,
    "fail_open": False,
}
# 200 tokens in at $3 a million, 350 out at $15, 1,000 read from the cache at $0.30.
_TRACKED_EXAMPLE = {
    "request_id": "3f0c2a9e",
    "cost_usd": 0.00615,
    "overrun_usd": 0,
    "usage_ratio": 0.437494,
    "fail_open": False,
}
_STATUS_EXAMPLE = {
    "tenant_id": "acme",
    "soft_limit_reached": False,
    "hard_limit_reached": False,
    "budgets": [
        {
            "model": "*",
            "monthly_limit_usd": 2000,
            "used_usd": 875.00615,
            "reserved_usd": 0,
            "remaining_usd": 1124.99385,
            "usage_ratio": 0.437503,
            "soft_limit_ratio": 0.8,
            "soft_limit_reached": False,
            "hard_limit_reached": False,
            "timezone": "UTC",
            "period_start": "2026-11-01",
            "resets_at": "2026-12-01T00:00:00Z",
            "requests": 41230,
            "enforce": True,
            "fail_mode": "fail_closed",
            "allowance_usd": 0,
            "tier": "professional",
            "owner": "data team",
            "critical": False,
        }
    ],
}
_TOP_EXAMPLE = {
    "consumers": [
        {
            "tenant_id": "acme",
            "used_usd": 875.00615,
            "requests": 41230,
            "input_tokens": 120400300,
            "output_tokens": 33100200,
            "cache_read_tokens": 60100000,
            "cache_write_tokens": 800000,
        }
    ]
}


def routes(budgets: Budgets) -> tuple[Route[Any], ...]:
    """The table of the API."""
    return (
        Route(
            "POST",
            "/api/ai-budget/check",
            "May this call be made?",
            CheckRequest,
            answers.Admitted,
            budgets.check,
            description=_CHECK,
            roles=CALLERS,
            tenant=lambda asked: asked.tenant_id,
            headers=_WARNING,
            problems=(
                problems.EXCEEDED,
                problems.BUSY,
                problems.UNPRICED,
                problems.UNKNOWN_TENANT,
                problems.CONFLICT,
            ),
            example=_CHECK_EXAMPLE,
            example_answer=_ADMITTED_EXAMPLE,
        ),
        Route(
            "POST",
            "/api/ai-budget/track",
            "What a call has used.",
            TrackRequest,
            answers.Tracked,
            budgets.track,
            description=_TRACK,
            roles=CALLERS,
            tenant=lambda asked: asked.tenant_id,
            headers=_WARNING,
            problems=(problems.UNPRICED_USAGE, problems.UNKNOWN_TENANT, problems.CONFLICT),
            example=_TRACK_EXAMPLE,
            example_answer=_TRACKED_EXAMPLE,
        ),
        Route(
            "GET",
            "/api/ai-budget/tenant/{id}",
            "How the budgets of a tenant stand.",
            OneTenant,
            answers.TenantStatus,
            budgets.tenant,
            roles=READERS,
            tenant=lambda asked: asked.id,
            problems=(NOT_FOUND,),
            example_answer=_STATUS_EXAMPLE,
        ),
        Route(
            "POST",
            "/api/ai-budget/set",
            "Set a budget.",
            SetRequest,
            answers.TenantStatus,
            budgets.set,
            description=_SET,
            roles=ADMINS,
            tenant=lambda asked: asked.tenant_id,
            example=_SET_EXAMPLE,
            example_answer=_STATUS_EXAMPLE,
        ),
        Route(
            "GET",
            "/api/ai-budget/top-consumers",
            "The tenants that have spent the most in their current period.",
            Top,
            answers.TopConsumers,
            budgets.top,
            description="A token that is bound to tenants may not ask this.",
            roles=READERS,
            example_answer=_TOP_EXAMPLE,
        ),
        Route(
            "GET",
            "/api/ai-budget/health",
            "Whether budgets can be asked.",
            Nothing,
            answers.Health,
            budgets.health,
            problems=(UNAVAILABLE,),
            example_answer={"status": "ok"},
        ),
    )
