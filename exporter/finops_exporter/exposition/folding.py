"""Folding: where a family has too many series, the smallest are summed into one called __other__.

Families with the same dimensions fold the same members, for a whole billing month: who is shown is
chosen once, by size, and written down. A tenth of the room is left for members that come later.
"""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.exposition.catalogue import COST_METRICS, cost_metric
from finops_exporter.store.members import Choice, Member, Scope, choose, chosen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from finops_exporter.exposition.families import Families, Sums
    from finops_exporter.store.database import Database

OTHER = "__other__"
RESERVE = 10
"""One part in so many is left for members that come later in the month."""


class Part(NamedTuple):
    """Series of one family that fold together: all, or those of one of its `tags` tags."""

    provider: str
    family: str
    dimensions: str
    places: tuple[int, ...]
    keys: tuple[tuple[str, ...], ...]
    tags: int = 1

    def member(self, key: tuple[str, ...]) -> Member:
        """Which member a series belongs to."""
        return tuple(key[place] for place in self.places)

    def folded(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """The labels of the series that takes its place."""
        return tuple(OTHER if place in self.places else text for place, text in enumerate(key))


def fold(
    database: Database,
    families: Families,
    max_series: int,
    *,
    keep: bool = True,
    choices: dict[Scope, Choice] | None = None,
) -> None:
    """Fold the sums of `families` where they have more series than `max_series`.

    Who is shown is written down, unless `keep` is false. With `choices` these hold, and get what
    is chosen anew, instead of what is written down. Raises StoreError when the choice cannot be
    read or written down.
    """
    by_choice: dict[tuple[str, str], list[Part]] = defaultdict(list)
    for part in _parts(families):
        by_choice[part.provider, part.dimensions].append(part)
    dropped: dict[str, int] = defaultdict(int)
    for (provider, dimensions), parts in by_choice.items():
        month = families.times[provider].month
        scope = Scope(provider, month, dimensions, max_series)
        room = _room(parts, max_series)
        sizes = _sizes(parts, families)
        if choices is None:
            shown = _shown(database, scope, sizes, room, keep=keep)
        else:
            shown = _remembered(choices, scope, sizes, room)
        for part in parts:
            name = cost_metric(part.family, provider)[0].name
            dropped[name] += 0 if shown is None else _fold(part, families, shown)
    for name, count in dropped.items():
        families.add("finops_series_dropped_to_other", [name], count)


def newcomers(sizes: Mapping[Member, Decimal], known: Choice, room: int) -> Choice:
    """Whether each member that is not in `known` is shown: the largest, while there is room."""
    free = room - sum(known.values()) if known else room - room // RESERVE
    unknown = sorted(sizes.keys() - known.keys(), key=lambda member: (-sizes[member], member))
    return {member: place < free for place, member in enumerate(unknown)}


def _parts(families: Families) -> Iterator[Part]:
    for (provider, name), sums in families.sums.items():
        metric = COST_METRICS[name]
        if not metric.folds:
            continue
        places = tuple(metric.labels.index(label) for label in metric.folds)
        if "tag" not in metric.labels:
            yield Part(provider, name, ",".join(metric.folds), places, tuple(sums))
            continue
        tag = metric.labels.index("tag")
        tags = sorted({key[tag] for key in sums})
        for value in tags:
            keys = tuple(key for key in sums if key[tag] == value)
            yield Part(provider, name, f"tag:{value}", places, keys, len(tags))


def _room(parts: list[Part], max_series: int) -> int:
    """How many members fit in, beside __other__, into the family that has most of them."""
    series = (COST_METRICS[part.family].variants * part.tags for part in parts)
    return max(0, max_series // max(series) - 1)


def _sizes(parts: list[Part], families: Families) -> dict[Member, Decimal]:
    sizes: dict[Member, Decimal] = defaultdict(Decimal)
    for part in parts:
        sums = families.sums[part.provider, part.family]
        for key in part.keys:
            sizes[part.member(key)] += abs(sums[key])
    return sizes


def _shown(
    database: Database, scope: Scope, sizes: Mapping[Member, Decimal], room: int, *, keep: bool
) -> Choice | None:
    """Who is shown; None: all."""
    known = chosen(database, scope)
    if not known and len(sizes) <= room:
        return None
    if sizes.keys() <= known.keys():
        return known
    if not keep:
        return known | newcomers(sizes, known, room)
    return choose(database, scope, lambda latest: newcomers(sizes, latest, room))


def _remembered(
    choices: dict[Scope, Choice], scope: Scope, sizes: Mapping[Member, Decimal], room: int
) -> Choice | None:
    """The same where nothing is written down."""
    known = choices.get(scope, {})
    if not known and len(sizes) <= room:
        return None
    choices[scope] = known | newcomers(sizes, known, room)
    return choices[scope]


def _fold(part: Part, families: Families, shown: Choice) -> int:
    """Sum up what is not shown, and return how many series that was."""
    sums = families.sums[part.provider, part.family]
    hidden = [key for key in part.keys if not shown[part.member(key)]]
    other: Sums = {}
    for key in hidden:
        folded = part.folded(key)
        other[folded] = other.get(folded, Decimal(0)) + sums.pop(key)
    sums.update(other)
    return len(hidden)
