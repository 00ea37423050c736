"""What series showed over time, kept as the points at which they changed."""

from __future__ import annotations

from array import array
from math import isnan, nan
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from finops_exporter.exposition.metric import Family, Metric

Key = tuple[str, ...]


class Run(NamedTuple):
    """The points [begin, end) at which a series has `value`."""

    begin: int
    end: int
    value: float


class Changes:
    """The values of one series where they change: sixteen bytes each; NaN where it is absent."""

    __slots__ = ("_places", "_values")

    def __init__(self) -> None:
        self._places = array("q")
        self._values = array("d")

    def put(self, place: int, value: float) -> None:
        """From this point on it is `value`; points come in order."""
        before = self._values[-1] if self._values else nan
        if value != before and not (isnan(value) and isnan(before)):
            self._places.append(place)
            self._values.append(value)

    def runs(self, count: int, visible: int) -> Iterator[Run]:
        """The runs among `count` points. The last `visible` points before a gap are left out.

        Prometheus shows a sample for minutes: beside what takes the place of its series it would be
        counted twice.
        """
        stop = count
        found = []
        for number in reversed(range(len(self._places))):
            begin = self._places[number]
            if isnan(self._values[number]):
                stop = begin - visible
            else:
                end = self._places[number + 1] if number + 1 < len(self._places) else count
                if begin < min(end, stop):
                    found.append(Run(begin, min(end, stop), self._values[number]))
        return reversed(found)


class Record:
    """Pages as they were at some points; what none of them says anew stays as it was."""

    def __init__(self) -> None:
        self._families: dict[str, tuple[Metric, dict[Key, Changes]]] = {}
        self._shown: dict[str, Mapping[Key, float]] = {}

    def put(self, place: int, families: Iterable[Family]) -> None:
        """A whole page, from this point on; points come in order."""
        page = {family.metric.name: family for family in families}
        for name in self._shown.keys() - page.keys():
            self._end(place, name, self._shown[name])
        for name, family in page.items():
            _, series = self._families.setdefault(name, (family.metric, {}))
            for key, value in family.samples.items():
                changes = series.get(key)
                if changes is None:
                    changes = series[key] = Changes()
                changes.put(place, value)
            self._end(place, name, self._shown.get(name, {}).keys() - family.samples.keys())
        self._shown = {name: family.samples for name, family in page.items()}

    def families(self) -> Iterator[tuple[Metric, list[tuple[Key, Changes]]]]:
        """All that was ever shown, families by name and series by their label values."""
        for _, (metric, series) in sorted(self._families.items()):
            yield metric, sorted(series.items())

    def _end(self, place: int, name: str, keys: Iterable[Key]) -> None:
        for key in keys:
            self._families[name][1][key].put(place, nan)
