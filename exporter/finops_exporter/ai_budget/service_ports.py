"""What the API needs of the ledger and of the prices: the seam to both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from finops_exporter.ai_model import (
        Admission,
        BudgetChange,
        BudgetState,
        Check,
        Conflict,
        Consumer,
        Refusal,
        Settlement,
        Tokens,
        Track,
    )


class Ledger(Protocol):
    """Keeps what is spent and held; every method may raise UnavailableError."""

    @property
    def is_up(self) -> bool:
        """Whether its database answered when it was asked last; asks nobody."""
        ...

    def refused_unpriced(self) -> None:
        """Count a check that was refused because its model has no price."""
        ...

    async def check(self, check: Check) -> Admission | Refusal | Conflict:
        """Hold what the call can cost at most, if that is left."""
        ...

    async def track(self, track: Track) -> Settlement | Refusal | Conflict:
        """Count what the call has cost; refuses only tenants that are unknown."""
        ...

    async def status(self, tenant_id: str) -> list[BudgetState]:
        """How the tenant's budgets stand; none: the tenant is unknown."""
        ...

    async def put(self, change: BudgetChange) -> BudgetState:
        """Set a budget; one that is new has a limit."""
        ...

    async def top_consumers(self, limit: int) -> list[Consumer]:
        """The tenants that have spent the most in their current period, the greatest first."""
        ...


class Found(Protocol):
    """The price of a model at a time."""

    @property
    def source(self) -> str:
        """Where it comes from."""
        ...

    def cost(self, tokens: Tokens, *, batch: bool = False) -> Decimal:
        """What the tokens cost, in US dollars."""
        ...


class PriceList(Protocol):
    """What models cost."""

    def find(self, model: str, on: datetime) -> Found | None:
        """The price of the model at that time; None: it has none."""
        ...


class TokensOf(Protocol):
    """Sorts the counts of a call by kind: pricing.tokens_of."""

    def __call__(
        self,
        *,
        input_tokens: int,
        output_tokens: int,
        cache_read: int,
        cache_write_5m: int,
        cache_write_1h: int,
        cache_included: bool,
    ) -> Tokens:
        """The tokens by kind; raises ValueError where the counts contradict each other."""
        ...
