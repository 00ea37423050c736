"""Which months of which cuts are asked for again: pure, judged by what is stored of them.

One part is one calendar month (UTC) in one cut. Its fingerprint says when it was read, whether the
month was closed by then, and how many requests it took.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from finops_exporter.analysis.billing_time import month_of, previous_month
from finops_exporter.model import Window

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

FRESH = timedelta(minutes=30)
"""Cost Explorer's own data changes a few times a day: asking sooner is paid and says nothing new.

What a run that failed or was killed had stored is not asked again at once either.
"""

_AT_ONCE_FIRST, _AT_ONCE = 2, 3
"""So many months are asked for together: first those that still change, then the history."""

MISSING = timedelta(days=1)
"""History that AWS does not have is asked for once a day: a new account gets it within days."""

State = Literal["open", "closed", "missing"]
_STATES: Mapping[str, State] = {"open": "open", "closed": "closed", "missing": "missing"}
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
    costs, where that was asked. A month is `closed` when it will not change any more, and `missing`
    when AWS did not have it (yet).
    """

    read_at: datetime
    settings: str
    requests: int = 1
    regions: int | None = None
    state: State = "open"

    def fingerprint(self, part: Part) -> str:
        """As one line; no two parts have the same."""
        regions = "-" if self.regions is None else self.regions
        read_at = f"{self.read_at:{_TIME}}"
        words = (self.state, read_at, self.settings, self.requests, regions, part.key)
        return " ".join(str(word) for word in words)

    @classmethod
    def of(cls, fingerprint: str | None) -> Reading | None:
        """What a fingerprint says; None when it is none of ours (another version's, say)."""
        try:
            state, read_at, settings, requests, regions, _key = (fingerprint or "").split(" ", 5)
            return cls(
                read_at=datetime.strptime(read_at, _TIME).replace(tzinfo=UTC),
                settings=settings,
                requests=int(requests),
                regions=None if regions == "-" else int(regions),
                state=_STATES[state],
            )
        except (ValueError, KeyError):
            return None

    def is_due(self, now: datetime, settings: str, cadence: timedelta = FRESH) -> bool:
        """Whether the part is to be read again; what was read in the future is (a clock jumped)."""
        if self.settings != settings:
            return True
        if self.state == "closed":
            return False
        pause = MISSING if self.state == "missing" else max(cadence, FRESH)
        return not timedelta() <= now - self.read_at < pause


def open_months(stored: Mapping[str, str]) -> set[date]:
    """The stored months that may still change."""
    return {
        part.month
        for key, fingerprint in stored.items()
        if (part := Part.of(key))
        and (reading := Reading.of(fingerprint))
        and reading.state == "open"
    }


def newest(stored: Mapping[str, str], cut: str) -> Reading | None:
    """What is stored of the newest month of `cut`."""
    readings = {
        part.month: reading
        for key, fingerprint in stored.items()
        if (part := Part.of(key))
        and part.cut == cut
        and (reading := Reading.of(fingerprint))
        and reading.state != "missing"
    }
    return readings[max(readings)] if readings else None


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


def chunks(months: Iterable[date], now: datetime, still_open: Container[date]) -> list[list[date]]:
    """The months that are asked for together, newest first.

    First come all that may still change: a day must not seem complete because a newer month was
    read. Then comes the history, by quarters that are always the same, whatever else is due.
    """
    found: dict[int, list[date]] = defaultdict(list)
    for month in sorted(set(months), reverse=True):
        ago = (now.year - month.year) * 12 + now.month - month.month
        changes = ago < _AT_ONCE_FIRST or month in still_open
        found[0 if changes else 1 + (ago - _AT_ONCE_FIRST) // _AT_ONCE].append(month)
    return [found[place] for place in sorted(found)]


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
