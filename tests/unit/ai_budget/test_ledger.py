"""What the ledger does while its database is away."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, cast

import pytest
from prometheus_client import CollectorRegistry

from finops_exporter.ai_budget.ledger import Ledger
from finops_exporter.ai_budget.meters import Meters
from finops_exporter.ai_model import Check, Terms
from finops_exporter.errors import StoreError, UnavailableError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from finops_exporter.store.database import Connection, Database


class Away:
    """A database that is away; counts who wants a connection."""

    def __init__(self) -> None:
        self.tries = 0

    def connection(self) -> AbstractContextManager[Connection]:
        self.tries += 1
        raise StoreError("the database is unreachable")


def test_what_is_known_to_be_away_is_tried_once() -> None:
    away = Away()

    async def ask() -> list[int]:
        ledger = Ledger(cast("Database", away), Terms(), Meters(CollectorRegistry()))
        tries = []
        for number in range(3):
            with pytest.raises(UnavailableError, match="unreachable"):
                await ledger.check(Check(str(number), "acme", "small", Decimal(1), ""))
            tries.append(away.tries)
        await asyncio.to_thread(ledger.stop)
        return tries

    # At first a connection of the pool may be broken, so that another one is worth a try.
    assert asyncio.run(ask()) == [2, 3, 4]
