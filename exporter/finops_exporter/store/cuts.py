"""Which cut of the same money answers a query: the one that knows the dimensions it needs.

A source may give its money in several cuts (model.FULL_CUT says how they are named), each of which
adds up to the provider's whole total; another source may give the one cut that knows everything.
Sums take, of every source and month, exactly one cut: money is neither counted twice nor left out.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import chain, combinations
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import date

Cuts: TypeAlias = tuple[str, ...]

ALL_TAGS = "tags"


class Given(NamedTuple):
    """A source gave a month of a provider's money in this cut; `month` is its first day."""

    provider: str
    month: date
    source: str
    cut: str


class NoCutError(FinopsError):
    """No cut of what is stored knows the dimensions that a query needs together."""

    exit_code = 2


def knows(cut: str, needed: Iterable[str]) -> bool:
    """Whether the rows of `cut` know all these dimensions ("account", "tag:team", ...)."""
    dimensions = cut.split(",")
    return all(
        dimension in dimensions or (dimension.startswith("tag:") and ALL_TAGS in dimensions)
        for dimension in needed
    )


def choose(given: Iterable[Given], needed: Iterable[str]) -> Cuts:
    """The cuts to add up: exactly one of each (source, month) that `given` lists of one provider.

    Prefers few and narrow cuts, which hold the fewest rows, and no tag unless it is needed: tags
    may be asked for less often. Raises NoCutError with what would help.
    """
    wanted = sorted(needed)
    held: dict[tuple[str, str, date], set[str]] = defaultdict(set)
    for one in given:
        held[one.provider, one.source, one.month].add(one.cut)
    for (provider, source, month), cuts in held.items():
        if not any(knows(cut, wanted) for cut in cuts):
            raise NoCutError(_lacking(provider, source, month, wanted, cuts))
    able = {cut for cuts in held.values() for cut in cuts if knows(cut, wanted)}
    narrow = sorted(able, key=lambda cut: ("tag:" in cut, cut.count(","), cut))
    for combination in _growing(narrow, most=len({frozenset(cuts) for cuts in held.values()})):
        if all(len(cuts.intersection(combination)) == 1 for cuts in held.values()):
            return combination
    provider = next(iter(held))[0]
    raise NoCutError(
        f"the sources of {provider} give {_words(wanted)} in different cuts, some of them twice; "
        "narrow the days, or group by fewer keys"
    )


def by_provider(given: Iterable[Given]) -> Mapping[str, list[Given]]:
    """What is given, apart for each provider."""
    found: dict[str, list[Given]] = defaultdict(list)
    for one in given:
        found[one.provider].append(one)
    return found


def _growing(cuts: list[str], most: int) -> Iterator[Cuts]:
    return chain.from_iterable(combinations(cuts, size) for size in range(most + 1))


def _lacking(provider: str, source: str, month: date, wanted: list[str], cuts: set[str]) -> str:
    known = "; ".join(_words(cut.split(",")) for cut in sorted(cuts))
    return (
        f"what {source!r} gave of {provider} for {month:%Y-%m} does not know {_words(wanted)} "
        f"together (it knows: {known}); group by fewer keys, or choose other days"
    )


def _words(dimensions: Iterable[str]) -> str:
    names = [dimension.removeprefix("tag:") for dimension in dimensions]
    return " and ".join(names) or "the total"
