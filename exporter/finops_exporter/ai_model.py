"""What the AI ledger is asked and what it answers: frozen values that its parts share.

Money is in US dollars. Times are aware. A period is a calendar month in a budget's time zone, named
by the date of its first day there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

ALL_MODELS = "*"
"""What stands for a tenant's budget over all models."""

MOST_TOKENS = 1_000_000_000
"""More tokens of a kind in one call are a mistake of whoever counts them."""

MOST_USD = 1_000_000_000
"""No call and no monthly limit is worth so much, in US dollars."""

LONGEST_ID = 200
"""How many characters the id of a request or tenant, or the name of a model, may have."""

FUTURE = timedelta(minutes=5)
"""How far another machine's clock may be ahead; what comes from beyond is refused."""

PAST = timedelta(days=35)
"""How old a call may be that is reported late."""

FailMode: TypeAlias = Literal["fail_closed", "fail_open"]
Reason: TypeAlias = Literal["exceeded", "busy", "unpriced", "unknown_tenant"]
Tier: TypeAlias = Literal["starter", "professional", "enterprise", "custom"]

TIER_LIMITS: Mapping[str, Decimal] = MappingProxyType(
    {"starter": Decimal(500), "professional": Decimal(2000), "enterprise": Decimal(10_000)}
)
"""What the tiers may spend in a month, in US dollars; a custom one has a limit of its own."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """The tokens of one call by kind; each token is of one kind only, so kinds add up.

    `input` are those that were neither read from a cache nor written to one; a cache is written for
    five minutes or for an hour, which cost differently.
    """

    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return (
            self.input + self.output + self.cache_read + self.cache_write_5m + self.cache_write_1h
        )


@dataclass(frozen=True, slots=True)
class Check:
    """May this call be made? `reserve_usd` is the most it can cost.

    `print` tells the content of the question: the same id with another print is another question.
    `at` is when it was asked, unless that is just now.
    """

    request_id: str
    tenant_id: str
    model: str
    reserve_usd: Decimal
    print: str
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Track:
    """This call was made and cost `cost_usd`; `at` is when, unless it was just now.

    `price_source` tells where the price comes from.
    """

    request_id: str
    tenant_id: str
    model: str
    tokens: Tokens
    cost_usd: Decimal
    price_source: str
    print: str
    report_type: str = ""
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Admission:
    """The call may be made: what is held for it, and until when.

    `share` is how much of its tightest limit is spent and held then, 0 to 1 and beyond (None:
    nothing limits it); `warns` whether that is a soft limit's worth. `shadow` says why it would
    have been refused, had the budget been enforced. `fail_open`: the ledger's database is away, and
    what was set aside beforehand is used.
    """

    request_id: str
    reserved_usd: Decimal
    expires_at: datetime
    share: Decimal | None
    warns: bool
    shadow: Reason | None = None
    fail_open: bool = False


@dataclass(frozen=True, slots=True)
class Refusal:
    """The call must not be made, and when to ask again.

    `model` names the budget in its way (ALL_MODELS: the tenant's own), whose state follows; None
    where no budget is.
    """

    request_id: str
    reason: Reason
    retry_after: timedelta
    model: str | None = None
    limit_usd: Decimal | None = None
    used_usd: Decimal | None = None
    reserved_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """What a call has cost is counted: once, however often it is told.

    `overrun_usd` is what it cost above what was held for it (0 without a check before);
    `share` and `warns` as in Admission.
    """

    request_id: str
    cost_usd: Decimal
    overrun_usd: Decimal
    share: Decimal | None
    warns: bool
    fail_open: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """The id belongs to another call, or to this one with another content."""

    request_id: str
    detail: str


@dataclass(frozen=True, slots=True)
class Terms:
    """What holds for every call, whoever makes it.

    `hold` is how long a call may take before it counts as lost; `enforce` off refuses nobody.
    """

    hold: timedelta = timedelta(minutes=10)
    deny_unknown: bool = False
    enforce: bool = True


@dataclass(frozen=True, slots=True)
class AiBudget:
    """A row of budgets: what a tenant may spend in a month on a model (or all, ALL_MODELS).

    `enforce` off: it decides and counts, and refuses nobody. `allowance_usd` is set aside for the
    time when the database is away, where `fail_mode` is fail_open.
    """

    tenant_id: str
    model: str
    limit_usd: Decimal
    soft_limit_ratio: Decimal
    timezone: str
    fail_mode: FailMode
    allowance_usd: Decimal
    enforce: bool
    tier: str
    owner: str
    critical: bool


@dataclass(frozen=True, slots=True)
class BudgetChange:
    """What to set of a budget; None leaves it as it is (of a new budget: the default)."""

    tenant_id: str
    model: str = ALL_MODELS
    limit_usd: Decimal | None = None
    soft_limit_ratio: Decimal | None = None
    timezone: str | None = None
    fail_mode: FailMode | None = None
    allowance_usd: Decimal | None = None
    enforce: bool | None = None
    tier: str | None = None
    owner: str | None = None
    critical: bool | None = None


@dataclass(frozen=True, slots=True)
class BudgetState:
    """How a budget stands in the period that `period_start` begins and `resets_at` ends.

    `hard_limit_reached`: a call was refused because of it, and neither was the limit raised nor has
    the period ended since.
    """

    budget: AiBudget
    period_start: date
    resets_at: datetime
    used_usd: Decimal
    reserved_usd: Decimal
    requests: int
    hard_limit_reached: bool

    @property
    def share(self) -> Decimal:
        """How much of the limit is spent, 0 to 1 and beyond; 1 of a limit of nothing."""
        limit = self.budget.limit_usd
        return self.used_usd / limit if limit else type(limit)(1)

    @property
    def soft_limit_reached(self) -> bool:
        """Whether a soft limit's worth is spent."""
        return self.share >= self.budget.soft_limit_ratio


class UsageRow(NamedTuple):
    """A call that was made elsewhere and is only counted here: a row of ai_token_usage.

    `time` is aware. A file may have millions of them: a tuple is made in a third of a data class'
    time.
    """

    request_id: str
    time: datetime
    tenant_id: str
    model: str
    tokens: Tokens
    cost_usd: Decimal
    price_source: str
    report_type: str = ""


@dataclass(frozen=True, slots=True)
class Consumer:
    """What a tenant has spent in its current period."""

    tenant_id: str
    used_usd: Decimal
    requests: int
    tokens: Tokens
