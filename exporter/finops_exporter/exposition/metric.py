"""What a metric is, and a family of its samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Kind: TypeAlias = Literal["gauge", "counter", "histogram"]

UNITS = frozenset({"usd", "seconds", "bytes"})
"""What the last word of a name may be that is the unit of its values."""


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric: `name` as it is exposed, `labels` in the order in which values are given.

    `folds` are the labels that become __other__ where there are too many series (none: never), and
    `variants` how many series there are for each of their values.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    folds: tuple[str, ...] = ()
    variants: int = 1

    @property
    def unit(self) -> str | None:
        """The unit that ends the name (of a counter, before _total); None when it names none."""
        word = self.name.removesuffix("_total").rpartition("_")[2]
        return word if word in UNITS else None


@dataclass(slots=True)
class Family:
    """A metric and its samples; a sample's key holds the values of the metric's labels."""

    metric: Metric
    samples: dict[tuple[str, ...], float] = field(default_factory=dict)
