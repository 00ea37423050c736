"""Print the prices of the installed genai-prices as one small table: `make prices`.

Only this and tests import genai-prices; the exporter reads what is printed here, line by line
(docs/adr/0008-prices-are-a-committed-table.md).
"""

from __future__ import annotations

import json
import sys
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genai_prices import types
from genai_prices.data import providers

if TYPE_CHECKING:
    from collections.abc import Iterator

KINDS = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "requests_kcount": "thousand_requests",
}
"""What we can count, by their names for it. Searches, audio, images and pages are left out."""

CONTEXTS = {"service_tier", "speed", "route", "search_type"}
"""What else a price may depend on: the standard one is taken, as where a call does not say."""

WORDS = {
    types.ClauseEquals: ("is", "equals"),
    types.ClauseStartsWith: ("starts", "starts_with"),
    types.ClauseEndsWith: ("ends", "ends_with"),
    types.ClauseContains: ("contains", "contains"),
}


def clause(found: Any) -> dict[str, list[Any]]:
    """What a name must be like: any one of the lists' entries, which are in lower case."""
    for kind, (word, field) in WORDS.items():
        if isinstance(found, kind):
            return {word: [getattr(found, field).lower()]}
    if isinstance(found, types.ClauseRegex):
        return {"regex": [found.regex]}
    if isinstance(found, types.ClauseAnd):
        return {"all": [[clause(one) for one in found.and_]]}
    if isinstance(found, types.ClauseOr):
        merged: dict[str, list[Any]] = {}
        for one in map(clause, found.or_):
            for word, texts in one.items():
                merged[word] = merged.get(word, []) + texts
        return merged
    raise TypeError(f"cannot write down how a name is matched: {found!r}")


def condition(found: Any) -> str | None:
    """From which day a price holds, or between which times of day; UTC, whole minutes."""
    if found is None:
        return None
    if isinstance(found, types.StartDateConstraint):
        return found.start_date.isoformat()
    if isinstance(found, types.TimeOfDateConstraint):
        times = found.start_time, found.end_time
        if not any(time.utcoffset() or time.second or time.microsecond for time in times):
            return "-".join(f"{time:%H:%M}" for time in times)
    raise TypeError(f"cannot write down when a price holds: {found!r}")


def price(found: Any) -> Any:
    """A price as text, or with what it is above so many input tokens: ["3", 200000, "6", ...]."""
    if not isinstance(found, types.TieredPrices):
        return format(found, "f")
    steps = [part for tier in found.tiers for part in (tier.start, format(tier.price, "f"))]
    return [format(found.base, "f"), *steps]


def prices(found: types.ModelPrice) -> dict[str, Any]:
    """The prices by kind, of those that we can count."""
    return {
        kind: price(value)
        for name, kind in KINDS.items()
        if (value := getattr(found, name)) is not None
    }


def batches(model: types.ModelInfo) -> list[list[Any]]:
    """What differs in a batch, and when."""
    kept = []
    for variant in model.price_variants or ():
        if set(variant.when) <= CONTEXTS:
            continue
        if variant.when != {"processing": "batch"}:
            raise TypeError(f"{model.id}: cannot write down a price for {variant.when!r}")
        if changed := prices(variant.prices):
            kept.append([condition(variant.constraint), changed])
    return kept


def lines() -> Iterator[str]:
    """The file: where it comes from, then each provider, with its models below, one a line.

    A provider is [[id, names of models it answers to, names of its own, who stands in for it]], a
    model [id, its names, [[when, prices], ...], [[when, prices in a batch], ...]]. Of several
    models that match a name the first counts.
    """
    installed = distribution("genai-prices")
    (licence,) = (path for path in installed.files or () if path.name == "LICENSE")
    yield _json(
        {
            "about": "What AI tokens cost, in US dollars a million; written by `make prices`.",
            "source": "https://github.com/pydantic/genai-prices",
            "version": installed.version,
            "licence": Path(str(licence.locate())).read_text(encoding="utf-8"),
        }
    )
    for one in providers:
        names = [match and clause(match) for match in (one.model_match, one.provider_match)]
        yield _json([[one.id, *names, one.fallback_model_providers or []]])
        for model in one.models:
            standard = model.prices
            if isinstance(standard, types.ModelPrice):
                standard = [types.ConditionalPrice(prices=standard)]
            dated = [[condition(each.constraint), prices(each.prices)] for each in standard]
            yield _json([model.id, clause(model.match), dated, batches(model)])


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


if __name__ == "__main__":
    sys.stdout.writelines(f"{line}\n" for line in lines())
