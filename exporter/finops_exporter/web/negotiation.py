"""What a client would rather have, by its Accept headers (RFC 9110, section 12.5). Pure.

Where nothing fits, the oldest form is right: exporters answer a scrape, they do not refuse it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXT = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_QUOTED = r'"(?:\\.|[^"\\])*\\?(?:"|\Z)'  # one that is not closed reaches to the end
_ITEM = re.compile(rf'(?:{_QUOTED}|[^,"])+', re.DOTALL)
_PARAMETER = re.compile(rf'(?:{_QUOTED}|[^;"])+', re.DOTALL)
_QUALITY = re.compile(r"(?:0(?:\.[0-9]*)?|1(?:\.0*)?)")
_TOLD_BY_THE_NAME = frozenset({"charset", "escaping"})
"""Parameters that every form of ours fits: UTF-8, and names that need no escaping."""


class _Item(NamedTuple):
    """One entry of such a header, in lower case; parameters behind q are no part of it."""

    name: str
    parameters: Mapping[str, str]
    quality: float


class _Fit(NamedTuple):
    """How well an offer fits; the greater fits better."""

    quality: float = 0.0
    specificity: int = 0
    earliness: int = 0


def prefers_openmetrics(accept: str) -> bool:
    """Whether an Accept header would rather have OpenMetrics 1.0.0 than the text format 0.0.4.

    Where both are as good, the one that is named more exactly wins, then the one named first; a
    range that means both (*/*) gets text.
    """
    items = list(_items(accept))
    openmetrics = _fit(items, "application/openmetrics-text", "1.0.0")
    return openmetrics.quality > 0 and openmetrics > _fit(items, "text/plain", "0.0.4")


def accepts_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header takes gzip, and likes it no less than what is not packed.

    q=0 refuses, and * stands for what is not named.
    """
    quality = {item.name: item.quality for item in _items(accept_encoding)}
    gzip = quality.get("gzip", quality.get("x-gzip", quality.get("*", 0.0)))
    return gzip > 0 and gzip >= quality.get("identity", 0.0)


def _items(header: str) -> Iterator[_Item]:
    for text in _ITEM.findall(header.lower()):
        name, *rest = (part.strip() for part in _PARAMETER.findall(text) or [""])
        parameters: dict[str, str] = {}
        quality = 1.0
        for parameter in rest:
            key, _, raw = (part.strip() for part in parameter.partition("="))
            if key == "q":
                quality = float(raw) if _QUALITY.fullmatch(raw) else 0.0
                break
            parameters[key] = re.sub(r"\\(.)", r"\1", raw[1:-1]) if raw[:1] == '"' else raw
        yield _Item(name, parameters, quality)


def _fit(items: list[_Item], media_type: str, version: str) -> _Fit:
    """How well the offer fits the most exact of the ranges that mean it."""
    found = [
        _Fit(item.quality, specificity, -place)
        for place, item in enumerate(items)
        if (specificity := _specificity(item, media_type, version))
    ]
    return max(found, key=lambda fit: (fit.specificity, fit.quality), default=_Fit())


def _specificity(item: _Item, media_type: str, version: str) -> int:
    """How exactly the range names the offer, from 1 (*/*); 0: it does not mean it."""
    if item.name == "*/*":
        return 1
    if item.name == f"{media_type.partition('/')[0]}/*":
        return 2
    named = {key: text for key, text in item.parameters.items() if key not in _TOLD_BY_THE_NAME}
    if item.name != media_type or named.items() - {("version", version)}:
        return 0
    return 4 if named else 3
