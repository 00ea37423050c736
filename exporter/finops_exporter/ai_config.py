"""The section `ai` of the configuration: budgets of AI tokens, their API, and what tokens cost."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, StrictBool, Tag

from finops_exporter import values
from finops_exporter.ai_model import LONGEST_ID
from finops_exporter.section import Count, Day, Positive, Section, Text

PerMillion = Annotated[Decimal, Field(ge=0, le=1_000_000, max_digits=20)]


class Price(Section):
    """What a million tokens of each kind cost, in US dollars.

    A cache without a price of its own costs what input costs, an hour in it what five minutes cost;
    a batch costs `batch` times as much.
    """

    input: PerMillion
    output: PerMillion
    cache_read: PerMillion | None = None
    cache_write: PerMillion | None = None
    cache_write_1h: PerMillion | None = None
    batch: Annotated[Decimal, Field(gt=0, le=1, max_digits=10)] = Decimal(1)


class PriceOverride(Price):
    """The price of a model from a day (UTC) on, which goes before the built-in one.

    The model is named exactly, or by how its name begins, with a * behind.
    """

    model: Annotated[Text, Field(max_length=LONGEST_ID), AfterValidator(values.model_name)]
    effective_from: Day


def _not_free(price: Price) -> Price:
    if not (price.input and price.output):
        raise ValueError("cannot be free: input and output must be greater than 0")
    return price


def _word(value: object) -> object:
    if value != "deny":
        raise ValueError("must be deny, or a price with input and output")
    return value


UnknownModel = Annotated[
    Annotated[Price, AfterValidator(_not_free), Tag("price")]
    | Annotated[Literal["deny"], BeforeValidator(_word), Tag("word")],
    # What is wrong with a price is told, and not that it is no word.
    Discriminator(lambda value: "price" if isinstance(value, dict | Price) else "word"),
]


class Ai(Section):
    """How AI calls are priced, admitted and remembered."""

    enabled: StrictBool = True
    listen: Annotated[str, BeforeValidator(values.listen_address)] = "0.0.0.0:3010"
    enforce: StrictBool = True
    unknown_tenant: Literal["allow", "deny"] = "allow"
    unknown_model: UnknownModel = "deny"
    prices: tuple[PriceOverride, ...] = ()
    default_max_output_tokens: Count = Field(default=4096, ge=1, le=10_000_000)
    hold: Positive = timedelta(minutes=10)
    orphans: Literal["charge", "release"] = "charge"
    journal_dir: Path | None = None
    max_tenants: Count = Field(default=1000, ge=1)
    requests_per_second: Count | None = Field(default=None, ge=1)
    usage_retention: Positive | None = None

    @property
    def address(self) -> tuple[str, int]:
        """Host (an IPv6 address without its brackets) and port (0: any free one)."""
        return values.host_and_port(self.listen)
