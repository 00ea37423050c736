"""The demo's lines of usage: how much of what each workload uses, and how that moves with time.

Everything hangs only on the line, the day, the seed and the calendar month of `now`, never on what
was computed before it: so the past stands still while `now` moves through a month. Units are
physical quantities and may be floats; money is computed from their rounded Decimals.
"""

from __future__ import annotations

import math
from calendar import monthrange
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from hashlib import blake2b
from itertools import product
from struct import unpack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from finops_exporter.demo.catalogue import (
        Account,
        Catalogue,
        Commitment,
        Region,
        Service,
        Workload,
    )

GROWTH_NOW = 0.02
GROWTH_STEEPENING = 0.0092
"""Log growth a month: 2 % around `now`, and 0.92 points more for each month further back."""


@dataclass(frozen=True, slots=True)
class Item:
    """What is charged, by whom and for whom; None where a charge has no such thing."""

    account: Account
    service: str
    service_category: str
    description: str
    region: Region | None = None
    workload: Workload | None = None
    sku: str | None = None
    unit: str | None = None
    price: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cover:
    """How many units an hour of a line are covered by a commitment, from the day `bought`."""

    commitment: Commitment
    bought: date
    hourly: Decimal

    def holds(self, day: date) -> bool:
        """Whether the day lies within the term."""
        return 0 <= (day - self.bought).days < self.commitment.term_days


@dataclass(frozen=True, slots=True)
class Line:
    """A steady stream of usage: `units` on a weekday at level 1; its `key` holds the seed."""

    key: str
    item: Item
    service: Service
    units: float
    cover: Cover | None


def month_before(anchor: date, back: int) -> date:
    """The first day of the month `back` months before that of `anchor`."""
    year, month = divmod(anchor.year * 12 + anchor.month - 1 - back, 12)
    return date(year, month + 1, 1)


def level(day: date, today: date) -> float:
    """Spend on `day` relative to the middle of the month of `today` (a ratio)."""
    months = (today.year - day.year) * 12 + today.month - day.month
    back = months + 0.5 - (day.day - 0.5) / monthrange(day.year, day.month)[1]
    return math.exp(-(GROWTH_NOW * back + GROWTH_STEEPENING * back * back / 2))


def _hash(key: str) -> tuple[int, ...]:
    """Four even 16-bit numbers that hang on the key alone, on any machine and in any order."""
    return unpack("<4H", blake2b(key.encode(), digest_size=8).digest())


def lines_of(catalogue: Catalogue, anchor: date, seed: int) -> list[Line]:
    """Every line of usage: each workload of an account uses each of its services everywhere."""
    return [
        line
        for service, account in product(catalogue.services, catalogue.accounts)
        if account.name in service.monthly
        for line in _split(service, account, catalogue.commitments, anchor, seed)
    ]


def _split(
    service: Service,
    account: Account,
    commitments: Sequence[Commitment],
    anchor: date,
    seed: int,
) -> Iterator[Line]:
    """Split what the account spends on the service, unevenly, over regions and workloads."""
    weights = {}
    for region, workload in product(account.regions, account.workloads):
        key = f"{seed}/{account.id}/{service.name}/{region.id}/{workload.name}"
        uneven = 0.5 + _hash(key)[0] / 0xFFFF
        weights[key] = region, workload, region.share * workload.share * uneven
    whole = sum(weight for _, _, weight in weights.values())
    month_days = monthrange(anchor.year, anchor.month)[1]
    weekday_days = month_days * (5 + 2 * service.weekend) / 7
    units = service.monthly[account.name] / float(service.price) / weekday_days
    for key, (region, workload, weight) in weights.items():
        item = Item(
            account=account,
            service=service.name,
            service_category=service.category,
            description=f"${service.price} per {service.unit}, {service.sku} in {region.name}",
            region=region,
            workload=workload,
            sku=service.sku,
            unit=service.unit,
            price=service.price,
        )
        used = units * weight / whole
        yield Line(key, item, service, used, _cover(item, used, commitments, anchor))


def _cover(
    item: Item, units: float, commitments: Sequence[Commitment], anchor: date
) -> Cover | None:
    """What a commitment covers of a line that uses `units` a day, if there is one."""
    for plan in commitments:
        if (plan.account, plan.service) == (item.account.name, item.service):
            bought = month_before(anchor, plan.months_ago).replace(day=plan.day)
            hourly = plan.coverage * units * level(bought, anchor) / 24
            return Cover(plan, bought, quantity(hourly))
    return None


def quantity(units: float) -> Decimal:
    """A measured quantity as clouds write it, to six places; the money is computed from these."""
    return Decimal(f"{units:.6f}")


def noise(line: Line, day: date) -> float:
    """About normal around 1, never further off than 3.5 deviations: four even numbers summed."""
    deviation = (sum(_hash(f"{line.key}/{day}")) / 0xFFFF - 2) * math.sqrt(3)
    return 1 + line.service.noise * deviation
