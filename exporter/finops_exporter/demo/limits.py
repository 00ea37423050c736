"""The demo's budgets: limits that follow its own bills, so that each shows what it is to show.

Whatever day it is, in the current month the team data is over its limit, the team payments above
80 % of its own, and the others are below theirs.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.demo.billing import charges

if TYPE_CHECKING:
    from datetime import datetime

MONTHS = 3
"""Calendar months of bills that the limits are made from, the month of `now` included."""

ROOM = Decimal("1.15")
ALMOST_USED = Decimal("0.9")
USED_UP = Decimal("1.1")


@dataclass(frozen=True, slots=True)
class DemoBudget:
    """A budget as the configuration writes it; `amount` in US dollars."""

    name: str
    scope: str
    value: str | None
    amount: int
    owner: str
    period: str = "monthly"
    time_zone: str = "UTC"


def budgets(now: datetime, seed: int = 0) -> tuple[DemoBudget, ...]:
    """The budgets of a demo whose bills are made at `now` (aware UTC) with the same seed."""
    months: dict[str, dict[str, Decimal]] = defaultdict(lambda: defaultdict(Decimal))
    teams: dict[str, Decimal] = defaultdict(Decimal)
    # The current month is that of the newest complete day, which is yesterday.
    current = f"{now - timedelta(days=1):%Y-%m}"
    for charge in charges(now, seed, MONTHS):
        month = f"{charge.start:%Y-%m}"
        months[charge.item.account.provider.key][month] += charge.billed
        workload = charge.item.workload
        if month == current and workload is not None:
            teams[workload.tags.get("team", "")] += charge.billed
    limits = {provider: _hundreds(max(sums.values())) for provider, sums in months.items()}
    total = sum(limits.values())
    return (
        DemoBudget("everything", "organization", None, total, "finance"),
        DemoBudget("this year", "organization", None, 12 * total, "finance", "yearly"),
        *(
            DemoBudget(f"all of {provider}", "provider", provider, limit, "platform")
            for provider, limit in limits.items()
        ),
        DemoBudget(
            "production",
            "environment",
            "production",
            3 * total,
            "platform",
            period="quarterly",
            time_zone="Europe/Berlin",
        ),
        DemoBudget(
            "payments", "team", "payments", _up(teams["payments"] / ALMOST_USED), "payments"
        ),
        DemoBudget("data", "team", "data", int(teams["data"] / USED_UP), "data"),
    )


def _hundreds(usd: Decimal) -> int:
    """A round limit above it."""
    return 100 * _up(usd * ROOM / 100)


def _up(number: Decimal) -> int:
    return -int(-number // 1)
