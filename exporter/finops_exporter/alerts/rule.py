"""An alert as data, and whether its condition holds: three answers, of which unknown is one.

How long it must hold is only told: the past is Prometheus' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isnan
from operator import eq, ge, gt
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from finops_exporter.alerts.values import Values

Comparison: TypeAlias = Literal[">", ">=", "=="]
Unit: TypeAlias = Literal["ratio", "times", "usd", "number", "seconds", "flag"]
State: TypeAlias = Literal["met", "not met", "unknown"]

_COMPARE: Final = {">": gt, ">=": ge, "==": eq}


@dataclass(frozen=True, slots=True)
class Limit:
    """One comparison of a condition: `what` (in words) against `number` of `unit`.

    `times` names what the number is multiplied with, where the threshold itself is a value. With
    `unless` the condition holds while this comparison does not, or cannot be made.
    """

    what: str
    compare: Comparison
    number: float
    unit: Unit
    times: str = ""
    unless: bool = False

    def test(self, value: float | None, base: float | None = None) -> Tested:
        """Compare `value`; `base` is what `times` names. Not a number is not known."""
        threshold = self.number if not self.times else _known(base)
        if self.times and threshold is not None:
            threshold *= self.number
        return Tested(self, _known(value), threshold)


@dataclass(frozen=True, slots=True)
class Tested:
    """A comparison with its values; None is not known."""

    limit: Limit
    value: float | None
    threshold: float | None

    @property
    def distance(self) -> float | None:
        """How far the value lies above the threshold; below it is negative."""
        if self.value is None or self.threshold is None:
            return None
        return self.value - self.threshold

    @property
    def met(self) -> bool | None:
        """Whether the condition's part holds now; None: unknown."""
        if self.value is None or self.threshold is None:
            return True if self.limit.unless else None
        return bool(_COMPARE[self.limit.compare](self.value, self.threshold)) != self.limit.unless


@dataclass(frozen=True, slots=True)
class Line:
    """The values of one label set: a value for each limit, and the bases of their thresholds.

    `beside` is not compared, but tells where the values come from: US dollars by their names.
    """

    labels: Mapping[str, str]
    values: Sequence[float | None]
    bases: Mapping[int, float | None]
    beside: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Decided:
    """One label set of an alert with its state now; `beside` are US dollars, None: unknown."""

    labels: Mapping[str, str]
    state: State
    tested: tuple[Tested, ...]
    beside: Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class Alert:
    """An alert that our own metrics decide; one of several severities is listed once for each.

    `hold` is how long the condition must hold, and `keep` how long the alert stays when it does not
    any more, as Prometheus writes durations. `any_of`: one of the limits is enough. `elsewhere` are
    further ways to meet the condition which only Prometheus sees.
    """

    name: str
    group: str
    severity: str
    limits: tuple[Limit, ...]
    lines: Callable[[Values, float], Iterable[Line]]
    hold: str
    keep: str = ""
    any_of: bool = False
    elsewhere: tuple[Limit, ...] = ()

    def decide(self, values: Values, now: float) -> list[Decided]:
        """Every label set at `now` (seconds since the epoch): met first, then not met, unknown."""
        found = [self._decided(line) for line in self.lines(values, now)]
        order: list[State] = ["met", "not met", "unknown"]
        return sorted(found, key=lambda one: (order.index(one.state), sorted(one.labels.items())))

    def _decided(self, line: Line) -> Decided:
        tested = tuple(
            limit.test(value, line.bases.get(place))
            for place, (limit, value) in enumerate(zip(self.limits, line.values, strict=True))
        )
        kept = {name: _known(usd) for name, usd in line.beside.items()}
        return Decided(line.labels, _state(tested, any_of=self.any_of), tested, kept)


@dataclass(frozen=True, slots=True)
class Undecided:
    """An alert that needs Prometheus, and why."""

    name: str
    group: str
    severity: str
    why: str


def _state(tested: Iterable[Tested], *, any_of: bool) -> State:
    """One part that decides alone goes before one that is not known."""
    met = [one.met for one in tested]
    if any_of in met:
        return "met" if any_of else "not met"
    if None in met:
        return "unknown"
    return "not met" if any_of else "met"


def _known(value: float | None) -> float | None:
    return None if value is None or isnan(value) else value
