"""Who may ask what, and what is told to the others."""

from __future__ import annotations

import pytest

from unit.ai_budget.api_support import (
    CHECK,
    TRACK,
    ask,
    bearer,
)

ALLOWED: dict[tuple[str, str], set[str | None]] = {
    ("POST", "check"): {"caller", "acme", "admin"},
    ("POST", "track"): {"caller", "acme", "admin"},
    ("POST", "set"): {"admin"},
    ("GET", "tenant/acme"): {"reader", "caller", "acme", "admin"},
    ("GET", "top-consumers"): {"reader", "caller", "admin"},
    ("GET", "health"): {"reader", "caller", "acme", "other", "admin", "old", None},
}
BODIES: dict[str, object] = {
    "check": CHECK,
    "track": TRACK,
    "set": {"tenant_id": "acme", "tier": "starter"},
}


@pytest.mark.parametrize("who", ["reader", "caller", "acme", "other", "admin", "old", None])
@pytest.mark.parametrize(("method", "path"), ALLOWED)
def test_who_may_ask_what(method: str, path: str, who: str | None) -> None:
    got = ask(method, path, BODIES.get(path), who=who)
    refused = 401 if who in {"old", None} else 403
    assert got.status == (200 if who in ALLOWED[method, path] else refused)
    if who is not None:
        assert bearer(who) not in got.text


def test_the_right_token_for_another_tenant_learns_nothing_of_it() -> None:
    for method, path in ALLOWED:
        if path in {"health", "top-consumers", "set"}:
            continue
        got = ask(method, path, BODIES.get(path), who="other")
        assert got.status == 403
        assert got.json == {
            "type": "/api/docs#forbidden",
            "title": "The token does not allow this",
            "status": 403,
            "detail": "the token is bound to other tenants",
            "errors": [],
        }
    # Whether there is such a tenant is not told either.
    assert ask("GET", "tenant/nobody", who="other").status == 403
