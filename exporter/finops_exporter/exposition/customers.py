"""The number of customers, for the cost of one."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from finops_exporter.store.customers import counts

if TYPE_CHECKING:
    from datetime import datetime

    from finops_exporter.exposition.families import Families
    from finops_exporter.store.reads import SnapshotReader

LONGEST = timedelta(days=7)
"""An answer whose days ended longer ago does not tell of the current ones any more."""


def add_customers(reader: SnapshotReader, families: Families, now: datetime) -> None:
    """Add what is known at `now` (aware UTC), and whether the newest question was answered."""
    known = counts(reader.connection)
    for one in known:
        if one.customers is not None and one.until and now.date() - one.until <= LONGEST:
            families.add("finops_customers", [one.window], float(one.customers))
    if known:
        failed = any(one.error for one in known)
        families.add("finops_customers_success", [], float(not failed))
