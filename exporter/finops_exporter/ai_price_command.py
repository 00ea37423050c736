"""The command `ai price`: what a call of a model costs."""

from __future__ import annotations

import difflib
import json
from datetime import UTC, datetime, time
from typing import TYPE_CHECKING

import click

from finops_exporter import app, printing
from finops_exporter.ai_budget.price_table import price_table
from finops_exporter.ai_budget.pricing import PriceList, tokens_of
from finops_exporter.ai_budget.rates import KINDS
from finops_exporter.ai_model import MOST_TOKENS
from finops_exporter.errors import FinopsError, UsageError
from finops_exporter.model import money_text
from finops_exporter.parameters import DAY, config_option

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal

    from finops_exporter.ai_budget.rates import Found
    from finops_exporter.ai_model import Tokens
    from finops_exporter.config import Config

COUNT = click.IntRange(0, MOST_TOKENS)


@click.command(short_help="Print what a call of an AI model costs.")
@click.argument("model")
@config_option
@click.option(
    "--input",
    "input_tokens",
    type=COUNT,
    required=True,
    metavar="TOKENS",
    help="Tokens that are given to the model; those of caches are not among them.",
)
@click.option(
    "--output",
    "output_tokens",
    type=COUNT,
    required=True,
    metavar="TOKENS",
    help="Tokens that it gives.",
)
@click.option("--cache-read", type=COUNT, default=0, metavar="TOKENS", help="Read from a cache.")
@click.option(
    "--cache-write",
    "cache_write_5m",
    type=COUNT,
    default=0,
    metavar="TOKENS",
    help="Written to a cache for five minutes.",
)
@click.option(
    "--cache-write-1h",
    type=COUNT,
    default=0,
    metavar="TOKENS",
    help="Written to a cache for an hour.",
)
@click.option(
    "--cache-included",
    is_flag=True,
    help="Those of caches are among --input, as OpenAI counts, and not beside them.",
)
@click.option("--batch", is_flag=True, help="The call is part of a batch.")
@click.option("--at", type=DAY, metavar="DAY", help="At the start of a day (UTC); default: now.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def price(
    config: Config,
    *,
    model: str,
    cache_included: bool,
    batch: bool,
    at: date | None,
    form: str,
    **counts: int,
) -> None:
    """Print what a call of MODEL costs in US dollars, and where the price comes from.

    The configuration's prices (section ai) go before the built-in ones. Where nothing knows the
    model, the exit code is 1. Asks no database.

    \b
    Examples:
      finops-exporter ai price claude-3-5-sonnet-20241022 --input 12000 --output 800
      finops-exporter ai price openai/gpt-4o --input 9000 --output 300 --cache-read 8000
        --cache-included --format json
      finops-exporter ai price claude-3-opus --input 9000 --output 300 --batch --at 2026-01-31
    """
    try:
        tokens = tokens_of(**counts, cache_included=cache_included)
    except ValueError as error:
        raise UsageError(str(error)) from None
    prices = PriceList(config.ai.prices, config.ai.unknown_model)
    on = datetime.combine(at, time(), UTC) if at else app.utc_now()
    found = prices.find(model, on)
    if found is None:
        raise FinopsError(_unknown(model, prices, on))
    if form == "json":
        click.echo(_as_json(found, model, on, tokens, batch=batch))
    else:
        _print(found, tokens, batch=batch)


def _print(found: Found, tokens: Tokens, *, batch: bool) -> None:
    rates = found.rates(batch=batch)
    prices, parts = rates.per_million(tokens), rates.parts(tokens)
    lines = [
        (kind.replace("_", " "), f"{count:,}", _usd(prices[kind]), _usd(parts[kind]))
        for kind in KINDS
        if (count := getattr(tokens, kind))
    ]
    if rates.call_usd:
        lines.append(("the call itself", "", "", _usd(rates.call_usd)))
    lines.append(("total", f"{tokens.total:,}", "", _usd(rates.cost(tokens))))
    printing.table(("kind", "tokens", "a million", "cost"), lines, numbers=(1, 2, 3))
    click.echo(f"price: {found.source}")


def _usd(amount: Decimal) -> str:
    return f"${money_text(amount)}"


def _as_json(found: Found, model: str, on: datetime, tokens: Tokens, *, batch: bool) -> str:
    """The same as one object; amounts are exact text."""
    rates = found.rates(batch=batch)
    used = {kind: count for kind in KINDS if (count := getattr(tokens, kind))}
    prices = rates.per_million(tokens)
    told = {
        "model": model,
        "at": on.isoformat(timespec="seconds"),
        "batch": batch,
        "tokens": used,
        "usd_per_million": {kind: money_text(prices[kind]) for kind in used},
        "usd_per_call": money_text(rates.call_usd),
        "cost_usd": money_text(rates.cost(tokens)),
        "price_source": found.source,
    }
    return json.dumps(told, indent=2, ensure_ascii=False)


def _unknown(model: str, prices: PriceList, on: datetime) -> str:
    """The sentence, with the nearest names that have a price."""
    names = list(dict.fromkeys(price_table().names()))
    wanted = dict.fromkeys((model.lower(), model.lower().rpartition("/")[2]))
    near = [name for one in wanted for name in difflib.get_close_matches(one, names, n=20)]
    priced = [repr(name) for name in dict.fromkeys(near) if prices.find(name, on)][:3]
    hint = f"; did you mean {' or '.join(priced)}?" if priced else ""
    return f"the tokens of {model!r} have no price{hint} (yours go to ai.prices)"
