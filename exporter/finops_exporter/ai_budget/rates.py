"""What tokens of each kind cost, and what a call therefore costs, to the last digit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context, Decimal, DivisionByZero, Inexact, InvalidOperation, localcontext
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from finops_exporter.ai_model import Tokens

KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
"""The kinds of tokens, as Tokens calls them."""

_EXACT = Context(prec=200, traps=[Inexact, InvalidOperation, DivisionByZero])
"""Rather an error than an amount that was rounded."""


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for a million tokens of a kind.

    `steps` are the higher ones, ascending: above so many tokens that are given to the model (cached
    ones are among them), a million costs so much, for all of a call's tokens and not just those
    above.
    """

    base: Decimal
    steps: tuple[tuple[int, Decimal], ...] = ()

    def at(self, given: int) -> Decimal:
        """What a million costs in a call that gives the model so many tokens."""
        found = self.base
        for above, usd in self.steps:
            if given > above:
                found = usd
        return found

    def times(self, factor: Decimal) -> Rate:
        """The same rate, so many times as dear."""
        with localcontext(_EXACT):
            steps = tuple((above, usd * factor) for above, usd in self.steps)
            return Rate(self.base * factor, steps)


@dataclass(frozen=True, slots=True)
class Rates:
    """The rate of each kind; `call_usd` is what a call costs whatever its tokens are."""

    input: Rate
    output: Rate
    cache_read: Rate
    cache_write_5m: Rate
    cache_write_1h: Rate
    call_usd: Decimal = Decimal(0)

    def times(self, factor: Decimal) -> Rates:
        """Tokens that are so many times as dear; what a call costs by itself stays."""
        return replace(self, **{kind: getattr(self, kind).times(factor) for kind in KINDS})

    def per_million(self, tokens: Tokens) -> dict[str, Decimal]:
        """What a million of each kind costs in a call with these tokens."""
        given = tokens.total - tokens.output
        return {kind: getattr(self, kind).at(given) for kind in KINDS}

    def parts(self, tokens: Tokens) -> dict[str, Decimal]:
        """What the tokens of each kind cost, in US dollars; never rounded."""
        prices = self.per_million(tokens)
        with localcontext(_EXACT):
            return {
                kind: (price * getattr(tokens, kind)).scaleb(-6) for kind, price in prices.items()
            }

    def cost(self, tokens: Tokens) -> Decimal:
        """What a call with these tokens costs, in US dollars; never rounded."""
        given = tokens.total - tokens.output
        with localcontext(_EXACT):
            usd = self.call_usd
            for kind in KINDS:
                if count := getattr(tokens, kind):
                    usd += (getattr(self, kind).at(given) * count).scaleb(-6)
            return usd


def rates_of(known: Mapping[str, Rate], call_usd: Decimal = Decimal(0)) -> Rates:
    """The rates of all kinds, from those that a price names; `input` it must name.

    They are named input, output, cache_read, cache_write and cache_write_1h. A cache costs as much
    as input where it has no rate of its own, an hour in it as much as five minutes. Models without
    a rate of output give none: they embed.
    """
    usual = known["input"]
    write = known.get("cache_write", usual)
    return Rates(
        input=usual,
        output=known.get("output", Rate(Decimal(0))),
        cache_read=known.get("cache_read", usual),
        cache_write_5m=write,
        cache_write_1h=known.get("cache_write_1h", write),
        call_usd=call_usd,
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What a model costs at an instant, by itself and in a batch.

    `source` tells people where the price comes from.
    """

    source: str
    standard: Rates
    in_batch: Rates

    def rates(self, *, batch: bool = False) -> Rates:
        """Those of a batch, or of a call by itself."""
        return self.in_batch if batch else self.standard

    def cost(self, tokens: Tokens, *, batch: bool = False) -> Decimal:
        """What a call with these tokens costs, in US dollars; never rounded."""
        return self.rates(batch=batch).cost(tokens)
