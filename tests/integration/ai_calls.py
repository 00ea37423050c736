"""Makes AI budgets and calls in a ledger, and reads what the metrics say of them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from finops_exporter.ai_model import BudgetChange, Check, Terms, Tokens, Track
from finops_exporter.exposition.ai import AiBlock, AiSettings
from finops_exporter.store import ai_budgets
from finops_exporter.store.ledger import Asked, decide, sweep

if TYPE_CHECKING:
    from datetime import datetime

    from finops_exporter.store.database import Database
    from finops_exporter.store.ledger import Answer

Shown: TypeAlias = "dict[str, dict[tuple[str, ...], float]]"

OPUS, HAIKU = "claude-3-opus", "claude-3-haiku"
TERMS = Terms(hold=timedelta(minutes=10))


class Calls:
    """Budgets and calls of tenants in one ledger; amounts are US dollars as decimal text."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def put(self, tenant: str, limit: str, model: str = "*", **more: Any) -> None:
        """Set a budget."""
        change = BudgetChange(tenant, model, limit_usd=Decimal(limit), **more)
        with self.database.connection() as connection:
            ai_budgets.put(connection, change)

    def check(self, name: str, tenant: str, model: str, usd: str, now: datetime) -> Answer | None:
        """Ask whether a call may be made that costs up to so much."""
        return self._decide(
            Asked("check", Check(name, tenant, model, Decimal(usd), "question")), now
        )

    def track(
        self,
        name: str,
        tenant: str,
        model: str,
        usd: str,
        now: datetime,
        *,
        tokens: Tokens | None = None,
        **more: Any,
    ) -> Answer | None:
        """Report a call that has cost so much, and used one token if not said otherwise."""
        used = Tokens(input=1) if tokens is None else tokens
        call = Track(name, tenant, model, used, Decimal(usd), "test", "report", **more)
        return self._decide(Asked("track", call), now)

    def sweep(self, now: datetime) -> tuple[int, Decimal]:
        """Charge what nobody reported in time."""
        with self.database.connection() as connection:
            return sweep(connection, charge=True, most=100, now=now)

    def shown(self, now: datetime, settings: AiSettings | None = None) -> Shown:
        """The families of AI budgets as a process shows them that has just begun."""
        return read(self.block(settings), now)

    def block(self, settings: AiSettings | None = None) -> AiBlock:
        """A process that has read nothing yet."""
        return AiBlock(self.database, settings or AiSettings())

    def _decide(self, asked: Asked, now: datetime) -> Answer | None:
        with self.database.connection() as connection:
            return decide(connection, [asked], TERMS, now)[0]


def read(block: AiBlock, now: datetime) -> Shown:
    """The families of one process."""
    return {family.metric.name: dict(family.samples) for family in block.families(now)}
