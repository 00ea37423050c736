"""Stored costs for people: sums by any dimensions, exact, as a value that any format can print."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from decimal import MAX_PREC, Decimal, localcontext
from typing import TYPE_CHECKING

from finops_exporter.errors import FinopsError, UsageError
from finops_exporter.grouping import keys_of
from finops_exporter.model import COST_KEYS, Window, money_text
from finops_exporter.store.reads import CostSum, Grain, costs_by, stored_window

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date

    from finops_exporter.store.database import Database


@dataclass(frozen=True, slots=True)
class Group:
    """Sums of the facts that share `values` (in the order of the table's keys)."""

    values: tuple[str, ...]
    billed: Decimal
    effective: Decimal


@dataclass(frozen=True, slots=True)
class CostTable:
    """Costs of the days of `window` (UTC) by `keys`, all in `currency`."""

    keys: tuple[str, ...]
    window: Window
    currency: str
    groups: tuple[Group, ...]

    @property
    def billed(self) -> Decimal:
        """The total, exact."""
        return _total(group.billed for group in self.groups)

    @property
    def effective(self) -> Decimal:
        """The total, exact."""
        return _total(group.effective for group in self.groups)


def parse_keys(text: str, tags: Iterable[str]) -> tuple[str, ...]:
    """The keys of a list such as "provider,month"; raises UsageError for an unknown one."""
    return keys_of(text, [*COST_KEYS, *sorted(tags)])


def query(
    database: Database,
    keys: Sequence[str],
    *,
    since: date | None,
    until: date | None,
    currency: str | None,
) -> CostTable:
    """Add up the stored days from `since` through `until` (both inclusive; default: all stored).

    Raises UsageError for an empty span, FinopsError when nothing is stored there or when several
    currencies would have to be added up.
    """
    window = _window(database, since, until)
    grain: Grain = "day" if "day" in keys else "month" if "month" in keys else "none"
    dimensions = [key for key in keys if key not in {"day", "month"}]
    sums = costs_by(database, dimensions, window, grain=grain, currency=currency)
    if not sums and currency:
        others = sorted({one.currency for one in costs_by(database, [], window)})
        raise FinopsError(
            f"no cost was billed in {currency} between {window.since} and {window.last}; "
            f"stored there: {', '.join(others) or 'nothing'}"
        )
    if not sums:
        raise FinopsError(
            f"no cost is stored between {window.since} and {window.last}; "
            "`finops-exporter costs --by day` shows the days that are"
        )
    currencies = sorted({one.currency for one in sums})
    if len(currencies) > 1:
        raise FinopsError(
            f"these costs were billed in {', '.join(currencies)}, which do not add up; "
            "choose one with --currency"
        )
    groups = [Group(_values(keys, one), one.billed, one.effective) for one in sums]
    groups.sort(key=lambda group: group.values)
    return CostTable(tuple(keys), window, currencies[0], tuple(groups))


def as_json(table: CostTable) -> str:
    """One JSON object; amounts are exact decimal strings, `to` is inclusive."""
    document = {
        "from": table.window.since.isoformat(),
        "to": table.window.last.isoformat(),
        "groups": [
            {**dict(zip(table.keys, group.values, strict=True)), **_amounts(group)}
            for group in table.groups
        ],
        "total": _amounts(table),
    }
    return json.dumps(document, indent=2, ensure_ascii=False)


def as_csv(table: CostTable) -> str:
    """One line a group under a header, without a total (a spreadsheet adds up itself)."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*table.keys, "billed", "effective", "currency"])
    for group in table.groups:
        amounts = (money_text(group.billed), money_text(group.effective))
        writer.writerow([*group.values, *amounts, table.currency])
    return out.getvalue()


def _total(amounts: Iterable[Decimal]) -> Decimal:
    # The usual context rounds to 28 digits, which the store does not.
    with localcontext(prec=MAX_PREC):
        return sum(amounts, Decimal(0))


def _window(database: Database, since: date | None, until: date | None) -> Window:
    stored = stored_window(database)
    if stored is None:
        raise FinopsError("no cost is stored yet; run: finops-exporter collect --once")
    if since and until and since > until:
        raise UsageError(f"--since {since} is after --until {until}")
    first, last = since or stored.since, until or stored.last
    if first > last:
        beyond = f"since {since}" if since else f"until {until}"
        raise FinopsError(
            f"no cost is stored {beyond}; the stored days are {stored.since} to {stored.last}"
        )
    return Window.inclusive(first, last)


def _values(keys: Sequence[str], one: CostSum) -> tuple[str, ...]:
    dimensions = iter(one.key)
    period = {"day": "%Y-%m-%d", "month": "%Y-%m"}
    return tuple(
        f"{one.period:{period[key]}}" if key in period else next(dimensions) for key in keys
    )


def _amounts(sums: CostTable | Group) -> dict[str, str]:
    return {"billed": money_text(sums.billed), "effective": money_text(sums.effective)}
