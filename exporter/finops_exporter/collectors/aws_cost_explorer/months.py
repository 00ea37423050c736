"""Which months of which cuts are asked for again: pure, judged by what is stored of them.

One part is one calendar month (UTC) in one cut. Its fingerprint says when it was read, whether the
month was closed by then, and how many requests it took.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from finops_exporter.analysis.billing_time import month_of, previous_month
from finops_exporter.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

FRESH = timedelta(minutes=30)
"""Cost Explorer's own data changes a few times a day: asking sooner is paid and says nothing new.

What a run that failed or was killed had stored is not asked again at once either.
"""

_AT_ONCE_FIRST, _AT_ONCE = 2, 3
"""So many months are asked for together: first those that still change, then the history."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True, slots=True)
class Part:
    """A month (its first day) in a cut."""

    month: date
    cut: str

    @property
    def key(self) -> str:
        """The part's name, such as "2026-11 account,region,service"."""
        return f"{self.month:%Y-%m} {self.cut}"

    @classmethod
    def of(cls, key: str) -> Part | None:
        """The part called `key`; None when it is none of ours."""
        month, _, cut = key.partition(" ")
        try:
            return cls(date.fromisoformat(f"{month}-01"), cut)
        except ValueError:
            return None


@dataclass(frozen=True, slots=True)
class Reading:
    """What was stored of a part: when it was read (aware UTC), how, and for how many requests.

    `settings` stands for the options that it was read with; `regions` is how many regions had
    costs, where that was asked.
    """

    read_at: datetime
    settings: str
    requests: int = 1
    regions: int | None = None
    is_closed: bool = False

    def fingerprint(self, part: Part) -> str:
        """As one line; no two parts have the same."""
        state = "closed" if self.is_closed else "open"
        regions = "-" if self.regions is None else self.regions
        words = (state, f"{self.read_at:{_TIME}}", self.settings, self.requests, regions, part.key)
        return " ".join(str(word) for word in words)

    @classmethod
    def of(cls, fingerprint: str) -> Reading | None:
        """What a fingerprint says; None when it is none of ours (another version's, say)."""
        try:
            state, read_at, settings, requests, regions, _key = fingerprint.split(" ", 5)
            return cls(
                read_at=datetime.strptime(read_at, _TIME).replace(tzinfo=UTC),
                settings=settings,
                requests=int(requests),
                regions=None if regions == "-" else int(regions),
                is_closed=state == "closed",
            )
        except ValueError:
            return None

    def is_due(self, now: datetime, cadence: timedelta) -> bool:
        """Whether the part is to be read again; what was read in the future is (a clock jumped)."""
        if self.is_closed:
            return False
        return not timedelta() <= now - self.read_at < max(cadence, FRESH)


def is_due(
    fingerprint: str | None, now: datetime, settings: str, cadence: timedelta = FRESH
) -> bool:
    """Whether a part is to be read, by its stored fingerprint (None: never read)."""
    reading = Reading.of(fingerprint) if fingerprint else None
    return reading is None or reading.settings != settings or reading.is_due(now, cadence)


def newest(stored: Mapping[str, str], cut: str) -> Reading | None:
    """What is stored of the newest month of `cut`."""
    months = {part.month: key for key in stored if (part := Part.of(key)) and part.cut == cut}
    return Reading.of(stored[months[max(months)]]) if months else None


def history(now: datetime, months: int) -> list[date]:
    """The current month (UTC) and so many before it, newest first."""
    found = [month_of(now.date())]
    for _ in range(months):
        found.append(previous_month(found[-1]))
    return found


def touched(window: Window, now: datetime) -> list[date]:
    """The months that the window touches, none of them in the future, newest first."""
    month, oldest = month_of(min(window.last, now.date())), month_of(window.since)
    found = []
    while month >= oldest:
        found.append(month)
        month = previous_month(month)
    return found


def chunks(months: Iterable[date], now: datetime) -> list[list[date]]:
    """The months that are asked for together, newest first: whatever is due, always the same ones.

    First come those that still change, then the history.
    """
    found: dict[int, list[date]] = defaultdict(list)
    for month in sorted(set(months), reverse=True):
        ago = (now.year - month.year) * 12 + now.month - month.month
        found[0 if ago < _AT_ONCE_FIRST else 1 + (ago - _AT_ONCE_FIRST) // _AT_ONCE].append(month)
    return list(found.values())


def span(months: Sequence[date], now: datetime) -> Window:
    """The days of these months, the current day (UTC) included and none after it.

    It always holds a day: on the 1st, the 1st itself.
    """
    return Window(min(months), min(end_of(max(months)), now.date() + timedelta(days=1)))


def end_of(month: date) -> date:
    """The first day of the month after `month`."""
    return month_of(month + timedelta(days=31))


def is_closed(month: date, now: datetime, closed_after_days: int, *, estimated: bool) -> bool:
    """Whether the month will not change any more: over for long enough, and nothing estimated."""
    return not estimated and now.date() - end_of(month) >= timedelta(days=closed_after_days)
