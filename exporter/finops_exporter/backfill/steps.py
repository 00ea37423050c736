"""The points in time of a history, and those at which what is shown may change.

Instants are aware UTC datetimes; points are whole seconds since the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING, Final

from finops_exporter.errors import UsageError
from finops_exporter.model import duration_text, utc_midnight

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from zoneinfo import ZoneInfo

DAY: Final = timedelta(days=1)
HOUR: Final = timedelta(hours=1)
SHORTEST: Final = timedelta(minutes=1)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Steps:
    """`count` points, `every` seconds apart, from `first` on; all are multiples of `every`."""

    first: int
    every: int
    count: int

    @property
    def last(self) -> int:
        """The last point; there is at least one."""
        return self.first + (self.count - 1) * self.every

    def at(self, place: int) -> datetime:
        """The instant of a point."""
        return datetime.fromtimestamp(self.first + place * self.every, UTC)

    def place(self, instant: datetime) -> int:
        """The first point that is not before the instant; 0 for what is before all of them."""
        return max(0, -((self.at(0) - instant) // timedelta(seconds=self.every)))


def check_every(every: timedelta) -> None:
    """Raise UsageError where points would not meet hours and midnights."""
    divides = every > timedelta(0) and not DAY % every and (not HOUR % every or not every % HOUR)
    if every < SHORTEST or not divides:
        raise UsageError(
            "--every: must divide an hour or a day into equal parts of a minute or more, such as "
            f"5m, 1h or 6h, not {duration_text(every)}"
        )


def steps(since: datetime, until: datetime, every: timedelta) -> Steps | None:
    """The points from `since` through `until`; None where there is none."""
    first, last = -((_EPOCH - since) // every), (until - _EPOCH) // every
    seconds = every // timedelta(seconds=1)
    return Steps(first * seconds, seconds, last - first + 1) if last >= first else None


def bounds(
    days: int, since: date | None, until: date | None, now: datetime
) -> tuple[datetime, datetime]:
    """From when until when is asked for; days are UTC and `until` is the last one.

    Raises UsageError for days that are not in order, or still to come.
    """
    if until is not None and until > now.date():
        raise UsageError(f"--until {until} is still to come")
    end = now if until is None else min(now, utc_midnight(until + DAY) - timedelta(seconds=1))
    if since is None:
        return end - days * DAY, end
    if since > end.date():
        raise UsageError(f"--since {since} is after --until {until or now.date()}")
    return utc_midnight(since), end


def clock_places(
    points: Steps, begin: int, lags: Iterable[timedelta], zones: Iterable[ZoneInfo]
) -> list[int]:
    """At which points, from `begin` on, what is shown of costs may differ from the point before.

    Days are over at midnight UTC, complete a source's lag later, and periods of budgets begin at
    midnights of their own.
    """
    first, last = points.at(begin), points.at(points.count - 1)
    offsets = {lag % DAY for lag in (timedelta(0), *lags)}
    found = {begin}
    for day in _days(first.date() - DAY, last.date() + DAY):
        instants = [utc_midnight(day) + offset for offset in offsets]
        instants += [datetime.combine(day, time(), zone).astimezone(UTC) for zone in zones]
        found.update(points.place(one) for one in instants if first <= one <= last)
    return sorted(place for place in found if place < points.count)


def hour_places(points: Steps, begin: datetime) -> list[int]:
    """The points at whole hours from `begin` on; all, where they are further apart."""
    stride = max(1, HOUR // timedelta(seconds=points.every))
    start = points.place(begin)
    hour = points.place(points.at(start) + -(points.at(start) - _EPOCH) % HOUR)
    return list(range(hour, points.count, stride))


def _days(first: date, last: date) -> Iterator[date]:
    day = first
    while day <= last:
        yield day
        day += DAY
