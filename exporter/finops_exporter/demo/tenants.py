"""Who uses AI in the demo: customers of the invented company, and what they have made for them.

All of it is data. Amounts are US dollars.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from finops_exporter.ai_model import Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from finops_exporter.ai_model import Tier

OFFICE = (0, 0, 0, 0, 0, 0, 1, 3, 8, 10, 10, 9, 7, 9, 10, 9, 8, 6, 3, 2, 1, 1, 0, 0)
"""How the use of a day falls on its hours, by the tenant's clock: while people work."""

NIGHT = (6, 8, 10, 10, 8, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4)
MORNING = (0, 0, 0, 0, 0, 6, 10, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
ALL_DAY = (2, 1, 1, 1, 1, 2, 3, 4, 5, 5, 5, 5, 5, 5, 5, 5, 5, 5, 4, 4, 3, 3, 2, 2)

SATURDAY = 5


@dataclass(frozen=True, slots=True)
class Use:
    """A kind of report: the model that makes it, the tokens of a usual call, and calls a day.

    `weekend` is what a Saturday or Sunday needs compared with another day.
    """

    report: str
    model: str
    calls: int
    tokens: Tokens
    hours: tuple[int, ...]
    weekend: float = 1.0

    def at(self, local: datetime) -> float:
        """How many calls an hour has that begins then."""
        calls = self.calls * self.hours[local.hour] / sum(self.hours)
        return calls * self.weekend if local.weekday() >= SATURDAY else calls


@dataclass(frozen=True, slots=True)
class DemoTenant:
    """A customer; `shows` how near its limit it comes, whatever it would need otherwise."""

    id: str
    owner: str
    tier: Tier
    zone: str
    uses: tuple[Use, ...]
    shows: Literal["", "warning", "exceeded"] = ""


def _assistant(model: str, calls: int) -> Use:
    tokens = Tokens(36_000, 3_600, cache_read=80_000, cache_write_5m=16_000)
    return Use("assistant", model, calls, tokens, OFFICE, weekend=0.3)


def _daily(model: str, calls: int) -> Use:
    return Use("daily_report", model, calls, Tokens(60_000, 5_000), MORNING)


def _review(
    model: str, calls: int, size: int = 1, *, hours: tuple[int, ...] = OFFICE, weekend: float = 0.2
) -> Use:
    tokens = Tokens(80_000 * size, 15_000 * size, 300_000 * size, cache_write_1h=30_000 * size)
    return Use("fleet_review", model, calls, tokens, hours, weekend)


def _tagging(model: str, calls: int) -> Use:
    return Use("photo_tagging", model, calls, Tokens(220_000, 12_000), NIGHT)


def _support(model: str, calls: int) -> Use:
    return Use("support_chat", model, calls, Tokens(30_000, 2_500), ALL_DAY, weekend=0.7)


TENANTS = (
    DemoTenant(
        "global-fleet",
        "key accounts",
        "enterprise",
        "UTC",
        (
            _review("claude-opus-4-5", 25, 3),
            _assistant("claude-sonnet-4-5", 12),
            _tagging("gemini-2.5-flash", 6),
        ),
    ),
    DemoTenant(
        "city-of-lakewood",
        "public sector",
        "enterprise",
        "America/Chicago",
        (
            _review("claude-opus-4-5", 20, 4),
            _daily("gpt-4o", 8),
            _support("gpt-4o-mini", 8),
        ),
    ),
    DemoTenant(
        "velo-couriers",
        "sales",
        "professional",
        "Europe/Berlin",
        (
            _review("claude-opus-4-5", 15, 2, hours=ALL_DAY, weekend=0.6),
            _support("claude-haiku-4-5", 6),
        ),
        shows="warning",
    ),
    DemoTenant(
        "metro-bikeshare",
        "sales",
        "professional",
        "America/New_York",
        (
            _review("claude-sonnet-4-5", 15),
            _daily("gpt-4o", 6),
            _tagging("gemini-2.5-flash", 6),
        ),
    ),
    DemoTenant(
        "harbor-rentals",
        "self-service",
        "starter",
        "UTC",
        (_daily("claude-opus-4-5", 10), _assistant("claude-haiku-4-5", 2)),
        shows="exceeded",
    ),
    DemoTenant(
        "alpine-tours",
        "self-service",
        "starter",
        "Europe/Vienna",
        (_daily("gpt-4o", 10), _assistant("gemini-2.5-flash", 4), _support("gpt-4o-mini", 4)),
    ),
)

MODEL_BUDGETS: Mapping[tuple[str, str], Decimal] = {
    ("global-fleet", "claude-opus-4-5"): Decimal(4_000)
}
"""Limits of single models: the dearest one must not eat up what the others need."""
