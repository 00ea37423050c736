"""The built-in prices: which model a name means, and what it costs at an instant.

Names are matched as genai-prices does it, which prices.jsonl is made of (`make prices`). In memory
it stays the text that it is, a third of what it says; a line is read when its model is asked for.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeAlias

from finops_exporter.ai_budget.own_rules import BATCH_RULES, CACHE_RULES, provider_of
from finops_exporter.ai_budget.rates import Found, Rate, Rates, rates_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from finops_exporter.ai_budget.own_rules import Rule

Dated: TypeAlias = "list[tuple[str | None, dict[str, Any]]]"
"""Prices by kind as the file has them, each set with when it holds: see `_holds`."""

_REMEMBERED = 256
"""How many names are remembered, whether there is such a model or not."""

_COMPACT_DAY = re.compile(r"-(20\d\d)(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])(?=[-:]|$)")


@dataclass(slots=True)
class _Provider:
    """A provider and the lines of its models, in the order in which names are matched.

    `sells` are names of models by which it is known, `called` other names of its own. `exact` leads
    from a whole name to its line, `like` from any other form of names.
    """

    id: str
    sells: Mapping[str, Any]
    called: Mapping[str, Any]
    stand_ins: list[str]
    lines: list[bytes] = field(default_factory=list)
    exact: dict[str, int] = field(default_factory=dict)
    like: list[tuple[int, Mapping[str, Any]]] = field(default_factory=list)

    def add(self, line: bytes, names: Mapping[str, Any]) -> None:
        """Another model, behind the others."""
        number = len(self.lines)
        self.lines.append(line)
        for name in names.get("is", ()):
            self.exact.setdefault(name, number)
        if other := {form: texts for form, texts in names.items() if form != "is"}:
            self.like.append((number, other))

    def line(self, name: str) -> bytes | None:
        """The first model that the name means."""
        found = self.exact.get(name, len(self.lines))
        for number, names in self.like:
            if number > found:
                break
            if matches(names, name):
                found = number
                break
        return self.lines[found] if found < len(self.lines) else None


@dataclass(frozen=True, slots=True)
class Model:
    """A model as a provider sells it: its prices, and what differs in a batch, each with when."""

    source: str
    provider: str
    id: str
    dated: Dated
    batches: Dated

    def at(self, on: datetime) -> Found | None:
        """What it costs at the instant (aware); None where its tokens have no price."""
        on = on.astimezone(UTC)
        holding = (one for one in reversed(self.dated) if _holds(one[0], on))
        when, prices = next(holding, self.dated[0])
        if "input" not in prices:
            return None
        differing = [changed for when, changed in self.batches if _holds(when, on)]
        caches = self._rule(CACHE_RULES, on) if CACHE_RULES[0].times.keys() - prices else None
        half = None if differing else self._rule(BATCH_RULES, on)
        standard = _rates(prices, caches)
        for changed in reversed(differing):  # the first one goes before the others
            prices = prices | changed
        in_batch = standard.times(half.times["batch"]) if half else _rates(prices, caches)
        notes = [f"; {rule.says}" for rule in (caches, half) if rule]
        return Found("".join([self.source, _told(when), *notes]), standard, in_batch)

    def _rule(self, rules: Iterable[Rule], on: datetime) -> Rule | None:
        return next((one for one in rules if one.holds(self.provider, self.id, on.date())), None)


class PriceTable:
    """The models of all providers, from the lines of prices.jsonl."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        head, *rest = lines
        self.version: str = json.loads(head)["version"]
        found: list[_Provider] = []
        for line in rest:
            first, *others = json.loads(line)
            if isinstance(first, list):
                name, sells, called, stand_ins = first
                found.append(_Provider(name, sells or {}, called or {}, stand_ins))
            else:
                found[-1].add(line, others[0])
        self._providers = {one.id: one for one in found}
        self.model = lru_cache(maxsize=_REMEMBERED)(self._model)

    def names(self) -> Iterator[str]:
        """Names of models, in lower case; not each has a price. It takes a while."""
        for provider in self._providers.values():
            ids = (json.loads(line)[0].lower() for line in provider.lines)
            for name in (*ids, *provider.exact):
                yield name if matches(provider.sells, name) else f"{provider.id}/{name}"

    def _model(self, name: str) -> Model | None:
        """The model that the name means, or None; upper and lower case are the same."""
        name = name.lower()
        first, slash, rest = name.partition("/")
        if slash and (called := self._called(first)):
            return self._sold(called, rest)
        sellers = (one for one in self._providers.values() if matches(one.sells, name))
        found = self._sold(seller, name) if (seller := next(sellers, None)) else None
        if found is None and (known := provider_of(name)):
            found = self._sold(self._providers[known], name)
        return found

    def _called(self, name: str) -> _Provider | None:
        """The provider of that name."""
        name = name.strip()
        if name in self._providers:
            return self._providers[name]
        return next((one for one in self._providers.values() if matches(one.called, name)), None)

    def _sold(self, provider: _Provider, name: str) -> Model | None:
        """A provider's model of that name; some write its day as 20260131, others 2026-01-31."""
        for form in dict.fromkeys((name, _COMPACT_DAY.sub(r"-\1-\2-\3", name))):
            for seller in (provider, *(self._providers[one] for one in provider.stand_ins)):
                if line := seller.line(form):
                    id_, _names, dated, batches = json.loads(line)
                    # What a stand-in charges for a batch is its own.
                    known = batches if seller is provider else []
                    source = f"genai-prices {self.version} {provider.id}/{id_}"
                    return Model(source, provider.id, id_, dated, known)
        return None


@cache
def price_table() -> PriceTable:
    """The table, read once."""
    with files(__package__).joinpath("prices.jsonl").open("rb") as lines:
        return PriceTable(lines)


def matches(names: Mapping[str, Any], name: str) -> bool:
    """Whether a name, in lower case, has any of the forms."""
    return (
        name in names.get("is", ())
        or name.startswith(tuple(names.get("starts", ())))
        or name.endswith(tuple(names.get("ends", ())))
        or any(part in name for part in names.get("contains", ()))
        or any(re.search(pattern, name) for pattern in names.get("regex", ()))
        or any(all(matches(one, name) for one in every) for every in names.get("all", ()))
    )


def _is_day(when: str) -> bool:
    return ":" not in when


def _holds(when: str | None, on: datetime) -> bool:
    """Whether the instant (UTC) is on or after a day, or between two times of day."""
    if when is None:
        return True
    if _is_day(when):
        return on.date().isoformat() >= when
    start, _, end = when.partition("-")
    time = on.time().isoformat("microseconds")
    return (start <= time < end) if start <= end else (time >= start or time < end)


def _told(when: str | None) -> str:
    """When a price holds, for people."""
    if when is None:
        return ""
    return f" since {when}" if _is_day(when) else f" at {when} UTC"


def _rates(prices: Mapping[str, Any], caches: Rule | None) -> Rates:
    """The rates of prices as they are written down; what they lack is what the rule says."""
    known = {kind: _rate(raw) for kind, raw in prices.items() if kind != "thousand_requests"}
    for kind, factor in (caches.times if caches else {}).items():
        known.setdefault(kind, known["input"].times(factor))
    return rates_of(known, Decimal(prices.get("thousand_requests", 0)).scaleb(-3))


def _rate(raw: str | list[Any]) -> Rate:
    """A price as text, or with what it is above so many tokens: ["3", 200000, "6"]."""
    base, *steps = [raw] if isinstance(raw, str) else raw
    pairs = zip(steps[::2], steps[1::2], strict=True)
    return Rate(Decimal(base), tuple((above, Decimal(usd)) for above, usd in pairs))
