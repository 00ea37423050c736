"""Which days are complete and which month is the current one, judged by the data, not by the clock.

All days are UTC days.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from finops_exporter.model import Window

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

DAY = timedelta(days=1)


def newest_complete_day(covered_until: datetime, now: datetime, lag: timedelta) -> date:
    """The newest day that is over for `lag` and that the source's usage reaches to its end.

    Both instants are aware UTC datetimes.
    """
    return min(covered_until, now - lag).date() - DAY


def common_complete_day(days: Iterable[date], hold: timedelta) -> date:
    """The newest day that is complete in every source of a provider.

    A source that lags more than `hold` behind the foremost one (an archive, an account that was
    closed) no longer holds the others back. Raises ValueError without any day.
    """
    found = sorted(days)
    if not found:
        raise ValueError("a provider without sources has no complete day")
    return next(day for day in found if day >= found[-1] - hold)


def month_of(day: date) -> date:
    """The first day of the month of `day`."""
    return day.replace(day=1)


def previous_month(month: date) -> date:
    """The first day of the month before `month`."""
    return month_of(month - DAY)


def months_of_year(month: date) -> tuple[date, ...]:
    """The months (their first days) from January of its year through `month`."""
    return tuple(date(month.year, number, 1) for number in range(1, month.month + 1))


def billing_month(newest_complete: date, now: datetime, hold: timedelta) -> date:
    """The month whose spend is "current", by its first day.

    It is the month of the newest complete day, so that the last days of a month are watched until
    the first complete day of the next one; `hold` after midnight of the 1st it moves regardless. It
    never moves back.
    """
    clock = month_of(now.date())
    if now.date() - clock >= hold:
        return clock
    return min(max(month_of(newest_complete), previous_month(clock)), clock)


def trailing(newest_complete: date, days: int, back: int = 0) -> Window:
    """The `days` complete days that end at `newest_complete`; `back` moves it by whole windows."""
    until = newest_complete + DAY - timedelta(days=days) * back
    return Window(until - timedelta(days=days), until)


def offset_day(newest_complete: date, offset: int) -> date:
    """The day that `day_offset` names: 1 is the newest complete day, 2 the day before it."""
    return newest_complete - timedelta(days=offset - 1)
