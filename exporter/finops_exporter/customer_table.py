"""What a customer costs: the cost of the windows in which customers are counted, for people."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.analysis.billing_time import trailing
from finops_exporter.customers import DAYS, WINDOWS
from finops_exporter.exposition.customers import LONGEST
from finops_exporter.model import Window, money_text
from finops_exporter.store.customers import counts
from finops_exporter.store.reads import costs_by

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from finops_exporter.model import Basis
    from finops_exporter.store.database import Database

CENTS = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class UnitCost:
    """A window of 30 UTC days; what is not known is None. Amounts are US dollars."""

    name: str
    days: Window
    customers: Decimal | None
    cost_usd: Decimal | None

    @property
    def per_customer_usd(self) -> Decimal | None:
        """What one customer cost, in whole cents; None where that is not known, or nobody is."""
        if self.customers is None or self.cost_usd is None or self.customers == 0:
            return None
        return (self.cost_usd / self.customers).quantize(CENTS)


def unit_costs(
    database: Database,
    basis: Basis,
    rate: Callable[[str, date], Decimal | None],
    now: datetime,
) -> list[UnitCost]:
    """The current window and the one before; both end with the day before the count (UTC).

    `rate` is what a unit of a currency is worth in USD on a day. Raises StoreError.
    """
    with database.connection() as connection:
        known = {one.window: one for one in counts(connection)}
    found = []
    for back, name in enumerate(WINDOWS):
        count = known.get(name)
        is_known = count is not None and count.until and now.date() - count.until <= LONGEST
        until = count.until if count and count.until and is_known else now.date()
        days = trailing(until - timedelta(days=1), DAYS, back)
        customers = count.customers if count and is_known else None
        found.append(UnitCost(name, days, customers, _cost(database, days, basis, rate)))
    return found


def as_json(found: Sequence[UnitCost]) -> str:
    """One JSON array; amounts and counts are text, null where they are not known."""
    told = [
        {
            "window": one.name,
            "since": one.days.since.isoformat(),
            "until": one.days.last.isoformat(),
            "customers": _text(one.customers),
            "cost_usd": _text(one.cost_usd),
            "cost_per_customer_usd": _text(one.per_customer_usd),
        }
        for one in found
    ]
    return json.dumps(told, indent=2)


def _cost(
    database: Database,
    days: Window,
    basis: Basis,
    rate: Callable[[str, date], Decimal | None],
) -> Decimal | None:
    """The cost of all providers; None where nothing is stored, or a currency has no rate."""
    total: Decimal | None = None
    for one in costs_by(database, [], days):
        usd = rate(one.currency, days.last)
        if usd is None:
            return None
        total = (total or Decimal(0)) + getattr(one, basis) * usd
    return total


def _text(number: Decimal | None) -> str | None:
    return None if number is None else money_text(number)
