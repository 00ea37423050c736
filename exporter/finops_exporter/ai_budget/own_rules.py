"""What is published of prices and names that genai-prices does not say, each with its source."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Rule:
    """What a provider charges from the day `since` (UTC) on, as a multiple of a known rate.

    `models` matches whole ids of genai-prices. `says` is what people read behind the source of a
    price, `source` where the rule was read.
    """

    provider: str
    models: str
    since: date
    times: Mapping[str, Decimal]
    says: str
    source: str

    def holds(self, provider: str, model: str, on: date) -> bool:
        """Whether it is about the model on the day `on` (UTC)."""
        is_about = provider == self.provider and re.fullmatch(self.models, model)
        return bool(is_about) and on >= self.since


def _claude_caches(provider: str, models: str, source: str) -> Rule:
    """Anthropic's rule for its caches, which those who sell its models have taken over."""
    return Rule(
        provider=provider,
        models=models,
        since=date(2024, 8, 14),
        times={"cache_write": Decimal("1.25"), "cache_write_1h": Decimal(2)},
        says="caches are written at 1.25 times input, for an hour at twice",
        source=source,
    )


CACHE_RULES = (
    _claude_caches(
        "openrouter",
        "~?(anthropic/)?claude-.+",
        "https://openrouter.ai/docs/guides/best-practices/prompt-caching",
    ),
    _claude_caches(
        "google",
        "claude-.+",
        "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/partner-models/claude/"
        "prompt-caching",
    ),
)
"""Multiples of the rate of input, where a kind has no price."""

BATCH_RULES = (
    # genai-prices has the batches of models that were sold on 2026-10-14, from that day on.
    # Anthropic has charged half for batches as long as there are any; Claude 2 and Claude 3 Sonnet
    # were never to be had in one.
    Rule(
        provider="anthropic",
        models="claude-(?!2|3-sonnet).+",
        since=date(2024, 10, 8),
        times={"batch": Decimal("0.5")},
        says="batches at half the price",
        source="https://docs.anthropic.com/en/docs/build-with-claude/batch-processing#pricing",
    ),
)
"""The share of every kind's standard rate, where a batch has no price."""

_BEDROCK = re.compile(r"(?:(?:us|us-gov|eu|apac|au|ca|in|jp|global)\.)?(?:amazon|anthropic)\.[a-z]")


def provider_of(name: str) -> str | None:
    """Whose name for a model this is by its form alone, in lower case; None where it tells nobody.

    Amazon Bedrock puts a vendor and a point before a model, and a region before that. Others do so
    too (Oracle has its own meta.llama-...), but nobody else with these two vendors:
    https://docs.aws.amazon.com/bedrock/latest/userguide/models-supported.html
    """
    return "aws" if _BEDROCK.match(name) else None
