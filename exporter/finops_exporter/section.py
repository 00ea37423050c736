"""What every section of the configuration is made of: its base, and the kinds of its values."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from finops_exporter import values
from finops_exporter.explain import without_empty
from finops_exporter.yaml_source import Whole

if TYPE_CHECKING:
    from collections.abc import Iterator


def looks_like(pattern: str, sentence: str) -> AfterValidator:
    """Text that matches the whole pattern, or else the sentence."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(sentence)
        return text

    return AfterValidator(check)


def account_id(value: object) -> object:
    """An id as it is written: 0042 is not 42."""
    return value.text if isinstance(value, Whole) else value


Duration = Annotated[timedelta, BeforeValidator(values.duration)]
Positive = Annotated[Duration, AfterValidator(values.at_least_a_second)]
Count = Annotated[int, BeforeValidator(values.whole_number)]
Name = Annotated[
    str, looks_like("[a-z0-9_-]+", "must consist of lower-case letters, digits, _ and -")
]
Text = Annotated[str, Field(min_length=1)]
Currency = Annotated[str, looks_like("[A-Z]{3}", "must be three capital letters such as EUR")]
Day = Annotated[date, BeforeValidator(values.day)]
AccountId = Annotated[Text, BeforeValidator(account_id)]


class Section(BaseModel):
    """A part of the configuration: frozen, without unknown keys; its repr shows no value."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, validate_by_name=True
    )

    @model_validator(mode="before")
    @classmethod
    def _empty_is_default(cls, data: Any) -> Any:
        """A key that is written down without a value means its default."""
        return without_empty(cls, data) if isinstance(data, dict) else data

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        """Names only: any value may come from `!env` or `!file`."""
        for name in sorted(self.model_fields_set):
            yield None, name
