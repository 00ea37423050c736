"""What a year has cost so far, from the rollups of its months: no day is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.store.cuts import NoCutError
from finops_exporter.store.database import rows
from finops_exporter.store.reads import Cost

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from finops_exporter.store.reads import SnapshotReader


class _Run(NamedTuple):
    """Months in a row, first and last, of which one cut is read."""

    provider: str
    cut: str
    first: date
    last: date


def costs_of_months(
    reader: SnapshotReader, spans: Sequence[tuple[str, Sequence[date]]]
) -> list[Cost]:
    """Sums by (account,) over the months of each (provider, months); raises StoreError.

    `months` follow each other. `when` is the first of them in which the account has costs. A
    provider is left out where no cut knows the accounts of one of its months: the sum would be too
    small.
    """
    runs = [run for provider, months in spans for run in _runs(reader, provider, months)]
    parameters = {
        "providers": [run.provider for run in runs],
        "cuts": [run.cut for run in runs],
        "first": [run.first for run in runs],
        "last": [run.last for run in runs],
    }
    found = rows(reader.connection, "account_costs_of_months", parameters)
    return [
        Cost(provider, first, (account,), currency, billed, effective)
        for provider, first, account, currency, billed, effective in found
    ]


def _runs(reader: SnapshotReader, provider: str, months: Sequence[date]) -> list[_Run]:
    """What is read of a provider: as few runs as there are, for each is joined with all series."""
    ended: list[_Run] = []
    running: dict[str, _Run] = {}
    for month in months:
        try:
            cuts = reader.cuts(provider, [month], ["account"])
        except NoCutError:
            return []
        ended += [run for cut, run in running.items() if cut not in cuts]
        running = {
            cut: running.get(cut, _Run(provider, cut, month, month))._replace(last=month)
            for cut in cuts
        }
    return [*ended, *running.values()]
