"""Asks genai-prices itself what calls cost; a process of its own, because of what it imports.

From standard input a JSON list of [provider, model, ISO time, tokens by kind, is it a batch], where
an empty provider is to be told from the model's name; to standard output a list of totals as text,
null where there is no such model or its tokens have no price.
"""

from __future__ import annotations

import json
import sys
from datetime import datetime
from typing import Any

from genai_prices import Usage, calc_price


def asked(provider: str, model: str, at: str, tokens: dict[str, int], *, batch: bool) -> str | None:
    written = tokens["cache_write_5m"] + tokens["cache_write_1h"]
    usage = Usage(
        input_tokens=tokens["input"] + tokens["cache_read"] + written,
        output_tokens=tokens["output"],
        cache_read_tokens=tokens["cache_read"],
        cache_write_tokens=written,
        cache_write_5m_tokens=tokens["cache_write_5m"],
        cache_write_1h_tokens=tokens["cache_write_1h"],
    )
    try:
        found = calc_price(
            usage,
            model,
            provider_id=provider,
            genai_request_timestamp=datetime.fromisoformat(at),
            price_context={"processing": "batch"} if batch else None,
        )
    except LookupError:
        return None
    return None if found.model_price.input_mtok is None else str(found.total_price)


if __name__ == "__main__":
    questions: list[Any] = json.load(sys.stdin)
    totals = [
        asked(provider or "litellm", model, at, tokens, batch=batch)
        for provider, model, at, tokens, batch in questions
    ]
    json.dump(totals, sys.stdout)
