"""What the reading process answers, as items: pure, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Context, Decimal, Inexact
from functools import lru_cache
from itertools import repeat
from typing import TYPE_CHECKING, Any

from finops_exporter.errors import CollectError
from finops_exporter.model import Account, Complete, ControlTotal, CostRow, Progress, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from finops_exporter.model import Item, PlannedPart, Window


_EXACT = Context(prec=100, traps=[Inexact])
"""Adds whatever DuckDB can add (38 digits before and after the point) without rounding."""

_FIELDS = 9
"""So many fields of a group come before its tags."""

_KNOWN = 10_000
"""So many days, and sets of tags, are kept at hand."""


def is_last(message: Mapping[str, Any]) -> bool:
    """Whether this message of the reader ends its answer about a file."""
    return not message.keys().isdisjoint({"complete", "rejected"})


def parse(
    message: Mapping[str, Any], part: PlannedPart, window: Window | None, tags: tuple[str, ...]
) -> Iterator[Item]:
    """The items in one message of the reader; `tags` names the values at the end of its rows."""
    for kind, body in message.items():
        match kind:
            case "progress":
                yield Progress(part.key, *body)
            case "accounts":
                for provider, account, name, payer, newest in body:
                    yield Account(provider, account, name, payer, date.fromisoformat(newest))
            case "rows":
                yield from _cost_rows(body, part.key, tags)
            case "totals":
                for provider, month, currency, billed, effective in body:
                    amounts = Decimal(billed), Decimal(effective)
                    first = date.fromisoformat(month)
                    yield ControlTotal(part.key, provider, first, currency, *amounts)
            case "complete":
                covered = {name: datetime.fromisoformat(text) for name, text in body.items()}
                yield Complete(part.key, part.fingerprint, window, covered)
            case "rejected":
                yield Rejected(part=part.key, **body)
            case _:
                raise CollectError(f"{part.key}: the reader sent an unknown message {kind!r}")


def _cost_rows(fields: Sequence[Any], part: str, tags: tuple[str, ...]) -> Iterator[CostRow]:
    """The groups, the fields of each after those of the one before; see statements.groups."""
    width = _FIELDS + len(tags)
    columns = [fields[place::width] for place in range(width)]
    days, *dimensions, currencies, billed, effective = columns[:_FIELDS]
    # A file may have millions of groups: no step of this loop is Python.
    return map(
        CostRow,
        map(_day, days),
        *dimensions,
        map(Decimal, billed),
        map(Decimal, effective),
        currencies,
        map(_tagged, repeat(tags), *columns[_FIELDS:]),
        repeat(False),
        repeat(part),
    )


_day = lru_cache(_KNOWN)(date.fromisoformat)


@lru_cache(_KNOWN)
def _tagged(tags: tuple[str, ...], *values: str | None) -> Mapping[str, str]:
    """The tags that a row has; rows with the same ones share them."""
    return {tag: value for tag, value in zip(tags, values, strict=True) if value}


@dataclass(slots=True)
class Together:
    """Makes the ends of several files the end of the one part that they are together."""

    totals: dict[tuple[str, date, str], ControlTotal] = field(default_factory=dict)
    covered: dict[str, datetime] = field(default_factory=dict)

    def take(self, item: ControlTotal | Complete) -> None:
        """Add what a file says of itself; its part is that of the others."""
        if isinstance(item, Complete):
            for provider, until in item.covered_until.items():
                self.covered[provider] = max(until, self.covered.get(provider, until))
            return
        key = item.provider, item.month, item.currency
        known = self.totals.get(key)
        if known is not None:
            billed = _EXACT.add(known.billed, item.billed)
            effective = _EXACT.add(known.effective, item.effective)
            item = ControlTotal(item.part, *key, billed, effective, item.cut)
        self.totals[key] = item

    def end(self, part: PlannedPart, window: Window | None) -> Iterator[Item]:
        """The totals of the part, and that it is complete."""
        yield from self.totals.values()
        yield Complete(part.key, part.fingerprint, window, self.covered)
