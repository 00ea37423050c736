"""Writes answers as JSON: amounts as exact numbers with all their digits, times in UTC."""

from __future__ import annotations

from decimal import Decimal

import orjson

from finops_exporter.model import money_text


def to_json(value: object) -> bytes:
    """The value as JSON: dataclasses are objects, a Decimal is a number without an exponent.

    Raises orjson.JSONEncodeError (a TypeError) for what has no such form, NaN included.
    """
    return orjson.dumps(value, default=_exact, option=orjson.OPT_UTC_Z)


def _exact(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(money_text(value).encode())
    raise TypeError(f"{value!r} has no form in JSON")
