"""What goes wrong with the tenants' use of AI."""

from __future__ import annotations

from datetime import datetime, timedelta

from simulated.faults import Fault, at

DAYS = 19
"""From that of all faults on."""

LOOP = at("2026-09-08 13:00"), at("2026-09-08 16:00")
GROWN = at("2026-09-12")
TIMES = 30.0
"""A tenant for which a month's limit of $500 is plenty uses it up within days."""

FAULTS = (
    Fault(
        "A tenant's loop: twenty times the tokens for three hours",
        LOOP[0],
        LOOP[1] + timedelta(hours=1),
        timedelta(hours=2),
        ("AITokenAnomaly",),
        {"tenant_id": "metro-bikeshare"},
    ),
    Fault(
        "A tenant uses thirty times as much as it did",
        GROWN,
        at("2026-09-24"),
        timedelta(days=8),
        ("AIBudgetWarning", "AIBudgetExceeded"),
        {"tenant_id": "alpine-tours"},
    ),
)


def size(tenant: str, time: datetime) -> float:
    """How large a call is, of what it should be."""
    if tenant == "metro-bikeshare" and LOOP[0] <= time < LOOP[1]:
        return 20.0
    if tenant == "alpine-tours" and time >= GROWN:
        return TIMES
    return 1.0
