"""What the commands `ai ...` have in common to ask for: amounts, names, time zones."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING

import click

from finops_exporter import values
from finops_exporter.ai_model import ALL_MODELS, LONGEST_ID

if TYPE_CHECKING:
    from collections.abc import Callable

NOTHING = "nothing is stored yet; run: finops-exporter migrate --config FILE"
"""What is said where the database has no schema."""

_PLAIN = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?", re.ASCII)


class Number(click.ParamType[Decimal]):
    """An amount as people write it, such as 12.50: neither nan nor 1e9 is one."""

    name = "number"

    def __init__(self, least: Decimal | int, most: Decimal | int, *, above: bool = False) -> None:
        self._least, self._most, self._above = least, most, above

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Decimal:
        """Read the number; fails with what would be right."""
        if isinstance(value, Decimal):
            return value
        found = Decimal(str(value)) if _PLAIN.fullmatch(str(value)) else None
        if (
            found is None
            or not self._least <= found <= self._most
            or (self._above and found == self._least)
        ):
            begin = (
                f"above {self._least:,} and at most" if self._above else f"from {self._least:,} to"
            )
            self.fail(
                f"must be a number {begin} {self._most:,}, such as 12.50, not {value!r}", param, ctx
            )
        return found


class Checked(click.ParamType[str]):
    """Text that a check of `values` lets pass."""

    def __init__(self, name: str, check: Callable[[str], str], longest: int = LONGEST_ID) -> None:
        self.name = name
        self._check, self._longest = check, longest

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """Check the text; fails with what would be right."""
        text = str(value)
        if len(text) > self._longest:
            self.fail(f"must have {self._longest} or fewer characters", param, ctx)
        try:
            return self._check(text)
        except ValueError as error:
            self.fail(f"{error}, not {text!r}", param, ctx)


def _name(text: str) -> str:
    if not text:
        raise ValueError("must not be empty")
    return values.label(text)


def _one_model(text: str) -> str:
    if ALL_MODELS in text:
        raise ValueError("must be the name of one model")
    return _name(text)


NAME = Checked("name", _name)
LABEL = Checked("text", values.label)
ONE_MODEL = Checked("model", _one_model)
TIME_ZONE = Checked("zone", values.time_zone)
