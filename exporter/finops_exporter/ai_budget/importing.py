"""Imports calls from a file: all of them or none, and each of them once."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING

from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_budget.usage_file import read
from finops_exporter.ai_config import PriceOverride
from finops_exporter.store.ai_usage import stage

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from decimal import Decimal

    from finops_exporter.ai_budget.rates import Found
    from finops_exporter.ai_budget.usage_file import UsageFile
    from finops_exporter.model import Progress
    from finops_exporter.store.ai_usage import Added
    from finops_exporter.store.database import Database


def given_price(
    model: str, input_usd: Decimal, output_usd: Decimal
) -> Callable[[datetime], Found | None]:
    """A price that holds at any time, in US dollars for a million tokens."""
    ever = date(1, 1, 1)
    prices = PriceList(
        [PriceOverride(model=model, effective_from=ever, input=input_usd, output=output_usd)]
    )

    def price(on: datetime) -> Found | None:
        found = prices.find(model, on)
        return found and replace(found, source="given with the import")

    return price


def import_usage(
    database: Database,
    file: UsageFile,
    now: datetime,
    progress: Callable[[Progress], None],
    *,
    dry_run: bool = False,
) -> Added:
    """Store the calls of the file that are not stored yet, and count them in the ledger.

    With `dry_run` only what would come is told. Raises FinopsError for a file that is wrong, with
    nothing stored, and StoreError.
    """
    with database.connection() as connection, stage(connection) as staged:
        staged.add(read(file, now, progress))
        return staged.compare() if dry_run else staged.store()
