"""What a year has cost so far, from the rollups of its months: no day is read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter.store.cuts import NoCutError
from finops_exporter.store.database import rows
from finops_exporter.store.reads import Cost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from finops_exporter.store.reads import SnapshotReader


def costs_of_months(
    reader: SnapshotReader, spans: Sequence[tuple[str, Sequence[date]]]
) -> list[Cost]:
    """Sums by (account,) over the months of each (provider, months); raises StoreError.

    `when` is the first of the months in which the account has costs. A provider is left out where
    no cut knows the accounts of one of its months: the sum would be too small.
    """
    lines = [line for provider, months in spans for line in _lines(reader, provider, months)]
    parameters = {
        "providers": [provider for provider, _, _ in lines],
        "months": [month for _, month, _ in lines],
        "cuts": [cut for _, _, cut in lines],
    }
    found = rows(reader.connection, "account_costs_of_months", parameters)
    return [
        Cost(provider, first, (account,), currency, billed, effective)
        for provider, first, account, currency, billed, effective in found
    ]


def _lines(
    reader: SnapshotReader, provider: str, months: Sequence[date]
) -> list[tuple[str, date, str]]:
    try:
        return [
            (provider, month, cut)
            for month in months
            for cut in reader.cuts(provider, [month], ["account"])
        ]
    except NoCutError:
        return []
