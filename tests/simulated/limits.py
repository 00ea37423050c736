"""Budgets of a sound company: each allows some more than its dearest month needs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from finops_exporter.model import Budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from finops_exporter.model import CostRow, Period, Scope
    from simulated.company import Bills

ROOM = Decimal("1.17")
PERIODS: dict[Period, int] = {"monthly": 1, "quarterly": 3, "yearly": 12}


def budgets(bills: Bills, since: date) -> list[Budget]:
    """Budgets of every scope, for the months from that of `since` on."""

    def budget(name: str, scope: Scope, value: str = "", **more: Any) -> Budget:
        need = bills.most(_belongs(scope, value), since)
        amount = (need * ROOM * PERIODS[more.get("period", "monthly")]).quantize(Decimal(1))
        fields = {"period": "monthly", "owner": "finance", "is_configured": True, **more}
        return Budget(name=name, scope=scope, scope_value=value, amount=amount, **fields)

    return [
        budget("everything", "organization"),
        budget("this year", "organization", period="yearly"),
        *(budget(f"all of {key}", "provider", key) for key in ("aws", "gcp", "azure")),
        budget(
            "production",
            "environment",
            "production",
            period="quarterly",
            time_zone="Europe/Berlin",
        ),
        *(budget(team, "team", team) for team in ("payments", "data", "storefront", "platform")),
        budget("shop-development", "account", "400010002002"),
        budget("BigQuery", "service", "BigQuery"),
    ]


def _belongs(scope: Scope, value: str) -> Callable[[CostRow], bool]:
    match scope:
        case "organization":
            return lambda _row: True
        case "provider":
            return lambda row: row.provider == value
        case "account":
            return lambda row: row.account_id == value
        case "service":
            return lambda row: row.service == value
        case _:
            return lambda row: row.tags.get(scope) == value
