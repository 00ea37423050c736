"""When a source is to be run again, judged by what is stored of its runs: pure, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

RETRY = timedelta(seconds=30)
"""The first wait after a failed run."""


@dataclass(frozen=True, slots=True)
class LastRun:
    """The newest run of a source (aware UTC); `failures` have come since one stored something."""

    started_at: datetime
    finished_at: datetime | None
    outcome: str
    failures: int


def pause(interval: timedelta, failures: int) -> timedelta:
    """How long to wait after so many failures in a row: doubled each time, up to the interval."""
    if failures == 0:
        return interval
    # Beyond a day of doubling nothing changes any more, and the number stays small.
    return min(interval, RETRY * (1 << min(failures - 1, 12)))


def due_at(last: LastRun | None, interval: timedelta, now: datetime) -> datetime:
    """The instant of the next run; one that has passed stands for all that were missed since.

    A run that seems to lie more than an interval ahead of `now` was written by a clock that was
    wrong: it does not hold the next one back.
    """
    if last is None or last.started_at > now + interval:
        return now
    if last.failures == 0:
        return last.started_at + interval
    return (last.finished_at or last.started_at) + pause(interval, last.failures)
