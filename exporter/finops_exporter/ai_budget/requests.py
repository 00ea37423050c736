"""What the API is asked: the fields of each request, and what they may be."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal, TypeAlias

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from finops_exporter import values
from finops_exporter.ai_model import ALL_MODELS, LONGEST_ID, MOST_TOKENS, MOST_USD, FailMode
from finops_exporter.web.api.route import Asked, Parameters

Tier: TypeAlias = Literal["starter", "professional", "enterprise", "custom"]

_INSTANT = re.compile(
    "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]+)?"
    "([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_PLAIN = r"^[^\s\x00-\x1f\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f])?$"
"""Nearly what `_label` takes, for descriptions: which characters are printable fits no pattern."""


def _label(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise ValueError("must be printable characters without blanks around them")
    return text


def _one_model(name: str) -> str:
    if name == ALL_MODELS:
        raise ValueError(f"must be the name of a model; {ALL_MODELS} stands for budgets over all")
    return name


def _instant(value: object) -> datetime:
    try:
        if isinstance(value, str) and _INSTANT.fullmatch(value):
            return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise ValueError("must be a time with its zone such as 2026-01-31T12:00:00Z")


def _currency(code: str) -> str:
    if code != "USD":
        raise ValueError("must be USD: budgets are in US dollars, because models are priced so")
    return code


def _amount(value: object) -> Decimal:
    """Only a number of JSON: text may look like one and mean another."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004 - pydantic wants a ValueError
    return Decimal(str(value))


def _digits(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch("-?[0-9]{1,9}", value):
        raise ValueError("must be a whole number")
    return value


Label = Annotated[
    str,
    Field(min_length=1, max_length=LONGEST_ID),
    AfterValidator(_label),
    WithJsonSchema({"type": "string", "minLength": 1, "maxLength": LONGEST_ID, "pattern": _PLAIN}),
]
Note = Annotated[
    str,
    Field(max_length=LONGEST_ID),
    AfterValidator(_label),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_ID}),
]
"""The same, where nothing is something too."""

Model = Annotated[Label, AfterValidator(_one_model)]
Count = Annotated[int, Field(ge=0, le=MOST_TOKENS)]
Usd = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(ge=0, le=MOST_USD, max_digits=15),
    WithJsonSchema({"type": "number", "minimum": 0, "maximum": MOST_USD}),
]
Ratio = Annotated[
    Decimal,
    BeforeValidator(_amount),
    Field(gt=0, le=1, max_digits=9),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": 1}),
]
Instant = Annotated[
    datetime,
    BeforeValidator(_instant),
    WithJsonSchema({"type": "string", "format": "date-time"}),
]
Zone = Annotated[
    str,
    Field(max_length=LONGEST_ID),
    AfterValidator(values.time_zone),
    WithJsonSchema({"type": "string", "maxLength": LONGEST_ID, "examples": ["Europe/Berlin"]}),
]
Currency = Annotated[str, AfterValidator(_currency), WithJsonSchema({"const": "USD"})]


class Call(Asked):
    """What is told of an AI call before and after it is made."""

    request_id: Label = Field(description="of the call: the same in check and track, never reused")
    tenant_id: Label
    model: Model = Field(description="as the provider names it")
    input_tokens: Count
    cache_read_tokens: Count = 0
    cache_write_tokens: Count = Field(default=0, description="written for five minutes")
    cache_write_1h_tokens: Count = Field(default=0, description="written for an hour")
    cache_included: bool | None = Field(
        default=None,
        description=(
            "whether input_tokens counts those of caches too (OpenAI, OpenTelemetry: true; "
            "Anthropic: false); required when there are any"
        ),
    )
    batch: bool = False

    @property
    def uses_a_cache(self) -> bool:
        """Whether any token was read from a cache or written to one."""
        return bool(self.cache_read_tokens or self.cache_write_tokens or self.cache_write_1h_tokens)

    def print(self) -> str:
        """A short mark of everything but the id, the same for requests that mean the same.

        Defaults leave no mark, so that a field which is added one day changes none.
        """
        fields = type(self).model_fields
        content = {
            name: value
            for name, value in self.__dict__.items()
            if value != fields[name].default and name != "request_id"
        }
        if not self.uses_a_cache:
            content.pop("cache_included", None)
        text = orjson.dumps(content, option=orjson.OPT_SORT_KEYS)
        return hashlib.blake2b(text, digest_size=16).hexdigest()


class CheckRequest(Call):
    """May this call be made?"""

    max_output_tokens: Count | None = Field(
        default=None, description="at most so many are answered; default as configured"
    )


class TrackRequest(Call):
    """This call was made."""

    output_tokens: Count
    report_type: Note = Field(default="", description="what the call was for, in reports")
    time: Instant | None = Field(default=None, description="when it was made; default now")


class SetRequest(Asked):
    """What of a budget is to be changed; what is left out stays, or is the default."""

    tenant_id: Label
    model: Label = Field(default=ALL_MODELS, description=f"{ALL_MODELS}: all models together")
    monthly_limit_usd: Usd | None = Field(
        default=None, description="in US dollars; a new budget needs it, or a tier"
    )
    currency: Currency = "USD"
    soft_limit_ratio: Ratio | None = Field(
        default=None, description="of the limit: from there on it is warned; default 0.8"
    )
    timezone: Zone | None = Field(default=None, description="whose months count; default UTC")
    fail_mode: FailMode | None = Field(
        default=None, description="while the database is away; default fail_closed"
    )
    allowance_usd: Usd | None = Field(
        default=None, description="set aside for that time, with fail_open"
    )
    enforce: bool | None = Field(default=None, description="false: count, and refuse nobody")
    tier: Tier | None = Field(
        default=None,
        description="starter is $500 a month, professional $2,000, enterprise $10,000",
    )
    owner: Note | None = Field(default=None, description="who answers for it")
    critical: bool | None = None


class OneTenant(Parameters):
    """A tenant."""

    id: Label


class Top(Parameters):
    """How many of the greatest."""

    limit: Annotated[int, Field(ge=1, le=100), BeforeValidator(_digits)] = 10


class Nothing(Parameters):
    """Nothing is asked."""
