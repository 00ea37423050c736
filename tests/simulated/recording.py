"""What /metrics has shown over days, as series that Prometheus' promtool reads."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

TICK = timedelta(minutes=30)
"""Rules are evaluated so often: alerts read their recordings over 30 minutes, which is just met."""

_NAME = re.compile(r"[a-z_:0-9]+")
_WORD = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")

Point: TypeAlias = "tuple[int, float | None]"
"""From a tick on a series has a value, or is gone."""

GONE = None


class Recording:
    """The values of each series of a replica, by the tick at which they changed.

    It knows nothing of the times in which it was `away`: then nobody answered.
    """

    def __init__(self, start: datetime, ticks: int) -> None:
        self.start, self.ticks = start, ticks
        self._points: dict[str, list[Point]] = {}
        self._away: list[tuple[int, int]] = []

    def take(self, now: datetime, page: str) -> None:
        """The page holds from `now` (aware) on, until another is taken."""
        tick = self.tick(now)
        shown = set()
        for line in page.splitlines():
            if line.startswith("#"):
                continue
            series, _, text = line.rpartition(" ")
            shown.add(series)
            value = float(text)
            if _NAME.match(series)[0].endswith("_timestamp_seconds"):  # type: ignore[index]
                value -= self.start.timestamp()
            self._point(series, tick, value)
        for series in self._points.keys() - shown:
            self._point(series, tick, GONE)

    def away(self, since: datetime, until: datetime) -> None:
        """Nobody answered in this time."""
        self._away.append((self.tick(since), self.tick(until)))

    def tick(self, now: datetime) -> int:
        """The first tick at or after it, counted from the start."""
        return -int((self.start - now) // TICK)

    def _point(self, series: str, tick: int, value: float | None) -> None:
        points = self._points.setdefault(series, [])
        if not points and value is GONE:
            return
        if points and points[-1][0] == tick:
            points.pop()
        if not points or points[-1][1] != value:
            points.append((tick, value))

    def series(self, names: set[str], instance: str, late: int = 0) -> Iterator[tuple[str, str]]:
        """Each series of these names with its values in promtool's notation.

        A replica that is `late` by some ticks learns of everything so much later.
        """
        at = f'job="finops",instance="{instance}"'
        if "finops_snapshot_timestamp_seconds" in names:
            step = int(TICK.total_seconds())
            stamps = f"finops_snapshot_timestamp_seconds{{{at}}}"
            yield stamps, " ".join(self._stamps(step, late))
        for key, points in self._points.items():
            name = _NAME.match(key)[0]  # type: ignore[index]
            if name in names and name != "finops_snapshot_timestamp_seconds":
                labels = key[len(name) + 1 : -1]
                yield f"{name}{{{labels}{',' if labels else ''}{at}}}", self._values(points, late)

    def _stamps(self, step: int, late: int) -> Iterator[str]:
        """A replica's clock; the one that is late is always the older one."""
        begin = 0
        for first, end in [*sorted(self._away), (self.ticks, self.ticks)]:
            if first > begin:
                yield f"{begin * step - 10 * late}+{step}x{first - begin - 1}"
            if end > first:
                yield f"stale _x{end - first - 1}" if end - first > 1 else "stale"
            begin = end

    def _values(self, points: list[Point], late: int) -> str:
        found, at = [], 0
        moved = [(min(tick + late, self.ticks) if tick else 0, value) for tick, value in points]
        for first, end in self._away:
            moved = _cut(moved, first, end)
        for (tick, value), (until, _) in zip(moved, [*moved[1:], (self.ticks, GONE)], strict=True):
            if tick > at:
                found.append(f"_x{tick - at}")
            if until > tick:
                found.append(_run(value, until - tick))
            at = max(at, until)
        return " ".join(found)


def _cut(points: list[Point], first: int, end: int) -> list[Point]:
    """The same with nothing in these ticks."""
    before = [one for one in points if one[0] < first]
    until = [one for one in points if one[0] <= end]
    after = [one for one in points if one[0] > end]
    if not until:
        return after
    return [*before, (first, GONE), (end, until[-1][1]), *after]


def _run(value: float | None, count: int) -> str:
    if value is GONE:
        return f"stale _x{count - 1}" if count > 1 else "stale"
    text = f"{value:.9f}".rstrip("0").rstrip(".")
    return f"{text}x{count - 1}"


def words(text: str) -> set[str]:
    """All words of a text of rules or expressions: names of metrics are among them."""
    return set(_WORD.findall(text))
