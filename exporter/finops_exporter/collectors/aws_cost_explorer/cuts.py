"""The cuts that Cost Explorer can give: it groups by two keys at most. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.collectors.aws_cost_explorer import queries
from finops_exporter.model import cut_of, tag_dimension

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from finops_exporter.collectors.aws_cost_explorer.queries import GroupBy

MOST_KEYS = 2

CATEGORIES = cut_of("account", "charge_category")
REGIONS = cut_of("account", "region", "service")
SERVICES = cut_of("account", "charge_category", "service")


@dataclass(frozen=True, slots=True)
class TagCut:
    """A configured tag and the cost allocation tags that carry it, the preferred one first.

    With two of them nothing is left to group by: which account it was is then not known.
    """

    name: str
    keys: tuple[str, ...]

    @property
    def cut(self) -> str:
        """The name of the cut."""
        known = ("account",) if len(self.keys) < MOST_KEYS else ()
        return cut_of(*known, tag_dimension(self.name))

    @property
    def group_by(self) -> list[GroupBy]:
        """What a question for it is grouped by."""
        account = [queries.ACCOUNT] if len(self.keys) < MOST_KEYS else []
        return [*account, *(queries.tag(key) for key in self.keys)]

    def split(self, keys: Sequence[str]) -> list[str]:
        """The keys of a group without those of the tag, and the tag's value ("": not tagged)."""
        others = len(keys) - len(self.keys)
        values = [
            text.removeprefix(f"{key}$") for text, key in zip(keys[others:], self.keys, strict=True)
        ]
        return [*keys[:others], next(filter(None, values), "")]


def tag_cuts(
    configured: Mapping[str, Sequence[str]], chosen: Mapping[str, Sequence[str]] | None
) -> tuple[TagCut, ...]:
    """The tags to ask for; raises ValueError, with the remedy, for those that cannot be asked."""
    for name in chosen or ():
        if name not in configured:
            known = ", ".join(sorted(configured)) or "none"
            raise ValueError(f"tags.{name} is none of the configured tags ({known})")
    asked = configured if chosen is None else chosen
    for name, keys in asked.items():
        if len(keys) > MOST_KEYS:
            raise ValueError(
                f"the tag {name} has {len(keys)} keys, and Cost Explorer can look at "
                f"{MOST_KEYS} at once; name those to ask for in this source, as in "
                f"tags: {{{name}: [{keys[0]}]}}"
            )
    return tuple(TagCut(name, tuple(keys)) for name, keys in asked.items())
