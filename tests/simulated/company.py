"""What an invented company is billed, day by day: the demo's bills without the demo's mishap."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias

from finops_exporter.demo.billing import HOURS, charges
from finops_exporter.demo.catalogue import Spike
from finops_exporter.demo.company import DEMO
from finops_exporter.model import NONE, CostRow, utc_midnight

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from finops_exporter.demo.billing import Charge

TAGS: Mapping[str, tuple[str, ...]] = {
    "team": ("team",),
    "project": ("project",),
    "environment": ("environment", "env"),
}
"""As the demo configures them."""

QUIET = replace(DEMO, spike=Spike("", "", 1.0))
OWNERS: Mapping[tuple[str, str], str] = {
    (one.provider.key, one.id): one.owner for one in DEMO.accounts
}
NAMES = {one.name: one.id for one in DEMO.accounts}

SETTLED = timedelta(hours=36)
"""So long after its beginning a day is told in full; before, a little of its usage is lacking."""

EARLY_SHARE = Decimal("0.985")
BEGINNING = datetime.min.replace(tzinfo=UTC)
_MICRO = Decimal("0.000001")

Key: TypeAlias = tuple[str, str, str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Surge:
    """Usage of a service of an account (its name), or of a team, costs `factor(day)` times as much.

    What is delivered before `told` does not know of it.
    """

    factor: Callable[[date], float]
    account: str = ""
    service: str = ""
    team: str = ""
    told: datetime = BEGINNING

    def share(self, row: CostRow, now: datetime) -> Decimal:
        """How many times as much the row costs as it is told at `now`."""
        if self.team:
            mine = row.tags.get("team") == self.team
        else:
            mine = (row.account_id, row.service) == (NAMES[self.account], self.service)
        if not mine or row.charge_category != "Usage" or now < self.told:
            return Decimal(1)
        return Decimal(f"{self.factor(row.day):.6f}")


class Bills:
    """All days before `until`, `months` calendar months of them; surges change what is billed."""

    def __init__(
        self, until: date, *, months: int, seed: int = 0, surges: Sequence[Surge] = ()
    ) -> None:
        self._surges = surges
        self._rows: dict[tuple[str, date], list[CostRow]] = {}
        sums: dict[tuple[str, date], dict[Key, list[Decimal]]] = defaultdict(dict)
        for charge in charges(utc_midnight(until), seed, months, QUIET):
            day = charge.start.date()
            if day < until:
                groups = sums[charge.item.account.provider.key, day]
                both = groups.setdefault(_key(charge), [Decimal(0), Decimal(0)])
                both[0] += charge.billed
                both[1] += charge.effective
        for (provider, day), groups in sums.items():
            self._rows[provider, day] = [
                _row(provider, day, key, *both) for key, both in groups.items()
            ]

    @property
    def days(self) -> list[date]:
        """All of them, the oldest first."""
        return sorted({day for _, day in self._rows})

    def told(self, provider: str, day: date, now: datetime) -> list[CostRow]:
        """What the provider says of a day at `now`: of today a part, of yesterday nearly all."""
        share = _share(day, now)
        found = []
        for row in self._rows.get((provider, day), ()):
            mine = share if row.charge_category in {"Usage", "Credit"} else Decimal(1)
            for surge in self._surges:
                mine *= surge.share(row, now)
            found.append(row if mine == 1 else _scaled(row, mine))
        return found

    def most(self, belongs: Callable[[CostRow], bool], since: date) -> Decimal:
        """What the dearest month from that of `since` on costs, as it was meant to be."""
        months: dict[str, Decimal] = defaultdict(Decimal)
        for rows in self._rows.values():
            for row in rows:
                if row.day >= since.replace(day=1) and belongs(row):
                    months[f"{row.day:%Y-%m}"] += row.billed
        return max(months.values())


def _share(day: date, now: datetime) -> Decimal:
    age = now - utc_midnight(day)
    if age >= SETTLED:
        return Decimal(1)
    hours = min(int(age / timedelta(hours=1)), 24)
    return EARLY_SHARE * sum(HOURS[:hours]) / sum(HOURS)


def _key(charge: Charge) -> Key:
    item = charge.item
    typed = item.workload.tags if item.workload else {}
    tags = {name: typed[key] for name, keys in TAGS.items() for key in keys if key in typed}
    region = item.region.id if item.region else NONE
    return item.account.id, item.service, region, charge.category, tuple(tags.items())


def _row(provider: str, day: date, key: Key, billed: Decimal, effective: Decimal) -> CostRow:
    account, service, region, category, tags = key
    return CostRow(
        day, provider, account, service, region, category, billed, effective, "USD", dict(tags),
        part=f"{day}",
    )  # fmt: skip


def _scaled(row: CostRow, share: Decimal) -> CostRow:
    return row._replace(
        billed=(row.billed * share).quantize(_MICRO),
        effective=(row.effective * share).quantize(_MICRO),
    )


def total(rows: Iterable[CostRow]) -> tuple[Decimal, Decimal]:
    """What they cost, billed and effective."""
    listed = list(rows)
    nothing = Decimal(0)
    return (
        sum((row.billed for row in listed), nothing),
        sum((row.effective for row in listed), nothing),
    )
