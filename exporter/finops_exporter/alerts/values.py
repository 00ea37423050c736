"""The values of /metrics as the recordings of the rules see them: grouped by some of the labels."""

from __future__ import annotations

from collections import defaultdict
from math import fsum
from typing import TYPE_CHECKING, TypeAlias

from finops_exporter.exposition.ai import AiBlock
from finops_exporter.exposition.catalogue import OWN_PREFIX
from finops_exporter.exposition.snapshot import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from finops_exporter.exposition.ai import AiSettings
    from finops_exporter.exposition.families import Settings
    from finops_exporter.exposition.metric import Family
    from finops_exporter.model import Budget
    from finops_exporter.store.database import Database

Vector: TypeAlias = "dict[tuple[str, ...], float]"
"""Values by those of some labels, in a given order."""


class Values:
    """Looks into families; a family that is absent has no values."""

    def __init__(self, families: Iterable[Family]) -> None:
        self._families = {family.metric.name: family for family in families}

    def lines(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        """Each sample of a family, its labels by their names."""
        family = self._families.get(name)
        if family is not None:
            for key, number in family.samples.items():
                yield dict(zip(family.metric.labels, key, strict=True)), number

    def by(
        self,
        name: str,
        labels: Iterable[str],
        gather: Callable[[Iterable[float]], float] = fsum,
        **only: str,
    ) -> Vector:
        """The samples whose labels are as `only` says, added up (or gathered) by `labels`."""
        return _gathered(self.lines(name), tuple(labels), gather, only)

    def of_providers(self, name: str, labels: Iterable[str], **only: str) -> Vector:
        """The sums of a cost family of all providers, by provider and `labels`."""
        return _gathered(self._of_providers(name), ("provider", *labels), fsum, only)

    def _of_providers(self, name: str) -> Iterator[tuple[Mapping[str, str], float]]:
        for provider in OWN_PREFIX:
            for labels, number in self.lines(f"{provider}_{name}"):
                yield {"provider": provider, **labels}, number
        yield from self.lines(f"other_{name}")


def read(
    database: Database,
    settings: Settings,
    ai: AiSettings | None,
    configured: Sequence[Budget],
    now: datetime,
) -> Values:
    """What /metrics of this store shows at `now` (aware UTC); writes nothing, raises StoreError.

    `ai` is None where AI budgets are not to be shown. Budgets that are `configured` count before
    they are stored.
    """
    snapshot = build(database, settings, now, keep=False, configured=configured)
    of_ai = AiBlock(database, ai).all_families(now) if ai else ()
    return Values([*snapshot.families, *of_ai])


def ratio(part: float | None, whole: float | None) -> float | None:
    """A part of a whole; unknown where one is, or where there is no whole to have parts."""
    return None if part is None or whole is None or whole <= 0 else part / whole


def named(labels: Iterable[str], key: Iterable[str]) -> dict[str, str]:
    """The labels that have a value: an empty one is none."""
    return {label: text for label, text in zip(labels, key, strict=True) if text}


def _gathered(
    lines: Iterable[tuple[Mapping[str, str], float]],
    labels: tuple[str, ...],
    gather: Callable[[Iterable[float]], float],
    only: Mapping[str, str],
) -> Vector:
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for given, number in lines:
        if only.items() <= given.items():
            groups[tuple(given[label] for label in labels)].append(number)
    return {key: gather(numbers) for key, numbers in groups.items()}
