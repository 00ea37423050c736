"""What a call of a model costs: the configuration's prices first, then the built-in ones.

Nothing here asks for the time or for anything else; an unknown model is never free.
"""

from __future__ import annotations

from datetime import UTC
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from finops_exporter.ai_budget.price_table import price_table
from finops_exporter.ai_budget.rates import Found, Rate, rates_of
from finops_exporter.ai_model import Tokens

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date, datetime

    from finops_exporter.ai_config import Price, PriceOverride

__all__ = ["Found", "PriceList", "tokens_of"]

_REMEMBERED = 256
"""How many pairs of name and minute are remembered."""


class PriceList:
    """What each model costs, by its name as callers write it; upper and lower case are the same.

    Of the configuration's `prices` a whole name goes before a beginning, and a longer beginning
    before a shorter one; then the latest that has begun. `unknown` is what a model costs that has
    no other price, or "deny".
    """

    def __init__(
        self, prices: Sequence[PriceOverride] = (), unknown: Price | Literal["deny"] = "deny"
    ) -> None:
        own = [(price, f"configuration prices[{index}]") for index, price in enumerate(prices)]
        own.sort(key=lambda one: _precedence(one[0]), reverse=True)
        self._own = [(price, _found(price, source)) for price, source in own]
        self._unknown = (
            None if unknown == "deny" else _found(unknown, "configuration unknown_model")
        )
        self._remembered = lru_cache(maxsize=_REMEMBERED)(self._find)

    def find(self, model: str, on: datetime) -> Found | None:
        """What a model costs at the instant `on` (aware); None: nobody knows, and it is denied."""
        # No price changes within a minute.
        return self._remembered(model, on.astimezone(UTC).replace(second=0, microsecond=0))

    def _find(self, model: str, on: datetime) -> Found | None:
        for price, found in self._own:
            if price.effective_from <= on.date() and _is_about(price, model.lower()):
                return found
        built_in = price_table().model(model)
        return (built_in and built_in.at(on)) or self._unknown


def tokens_of(
    *,
    input_tokens: int,
    output_tokens: int = 0,
    cache_read: int = 0,
    cache_write_5m: int = 0,
    cache_write_1h: int = 0,
    cache_included: bool,
) -> Tokens:
    """A call's tokens by kind, from how a provider counts them.

    With `cache_included` those of caches are among `input_tokens`, as OpenAI and OpenTelemetry
    count, else beside them, as Anthropic does. Raises ValueError for counts that cannot be.
    """
    cached = {
        "cache_read": cache_read,
        "cache_write_5m": cache_write_5m,
        "cache_write_1h": cache_write_1h,
    }
    for kind, count in {"input": input_tokens, "output": output_tokens, **cached}.items():
        if count < 0:
            raise ValueError(f"{kind} tokens cannot be fewer than 0, as {count} are")
    among = sum(cached.values()) if cache_included else 0
    if among > input_tokens:
        raise ValueError(
            f"{among} tokens of caches cannot be among {input_tokens} input tokens; "
            "cache_included is false where they are counted beside them"
        )
    return Tokens(input=input_tokens - among, output=output_tokens, **cached)


def _found(price: Price, source: str) -> Found:
    """What the configuration says; kinds that it leaves out cost what others do: see rates_of."""
    named = {
        "input": price.input,
        "output": price.output,
        "cache_read": price.cache_read,
        "cache_write": price.cache_write,
        "cache_write_1h": price.cache_write_1h,
    }
    rates = rates_of({kind: Rate(usd) for kind, usd in named.items() if usd is not None})
    return Found(source, rates, rates.times(price.batch))


def _is_about(price: PriceOverride, model: str) -> bool:
    name = price.model.lower()
    return model.startswith(name[:-1]) if name.endswith("*") else model == name


def _precedence(price: PriceOverride) -> tuple[bool, int, date]:
    """What goes before what, the greater first."""
    return not price.model.endswith("*"), len(price.model), price.effective_from
