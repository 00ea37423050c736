"""Budgets: which days make up a period, which period is the current one, and how it stands.

Costs are stored by UTC days. A UTC day belongs to the period that its noon (UTC) lies in by the
budget's own clock, which is where most of its hours are. Amounts are Decimals of one currency.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import MAX_PREC, Decimal, localcontext
from typing import TYPE_CHECKING

from finops_exporter.model import Window, utc_midnight

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from zoneinfo import ZoneInfo

    from finops_exporter.model import Period

DAY = timedelta(days=1)
NOON = timedelta(hours=12)
MONTHS: Mapping[Period, int] = {"monthly": 1, "quarterly": 3, "yearly": 12}

UNSETTLED_DAYS = 2
"""So many of the newest complete days are no part of the burn rate: they still grow."""


@dataclass(frozen=True, slots=True)
class Spending:
    """What is known of one period: its UTC days, amounts by UTC day, and how far they reach.

    `as_of` is the newest day that is complete in all of the scope's providers; `known_since` the
    first day of the store's history. Days after `as_of` count as spent, but for no pace. `days` may
    hold other days too, and a whole month at its last day where none of these dates lies within it.
    """

    window: Window
    days: Mapping[date, Decimal]
    as_of: date
    known_since: date

    @property
    def spent(self) -> Decimal:
        """All that is stored of the period; credits make it smaller."""
        return self.through(self.window.last)

    @property
    def complete_days(self) -> int:
        """How many days of the period are complete."""
        return max(0, (min(self.as_of, self.window.last) - self.window.since).days + 1)

    @property
    def is_partly_known(self) -> bool:
        """Whether the history begins within the period, so that its sum lacks something."""
        return self.known_since > self.window.since

    def through(self, day: date) -> Decimal:
        """The exact sum from the first day of the period through `day`, within the period."""
        last = min(day, self.window.last)
        inside = (amount for on, amount in self.days.items() if self.window.since <= on <= last)
        with localcontext(prec=MAX_PREC):  # the usual context rounds to 28 digits
            return sum(inside, Decimal(0))


@dataclass(frozen=True, slots=True)
class Standing:
    """How a period of a budget stands; None where it is not known (yet).

    `consumed` is a share of the limit, `burn_rate` an amount a day, `exhausted_at` is UTC.
    """

    spent: Decimal
    remaining: Decimal
    consumed: Decimal
    burn_rate: Decimal | None
    exhausted_at: datetime | None
    is_on_track: bool | None


def period_start(day: date, period: Period) -> date:
    """The first day of the calendar period that holds `day`."""
    months = MONTHS[period]
    return date(day.year, (day.month - 1) // months * months + 1, 1)


def next_start(start: date, period: Period) -> date:
    """The first day of the period after the one that begins on `start`."""
    return period_start(start + 31 * MONTHS[period] * DAY, period)


def previous_start(start: date, period: Period) -> date:
    """The first day of the period before the one that begins on `start`."""
    return period_start(start - DAY, period)


def local_day(day: date, zone: ZoneInfo) -> date:
    """The date that the clock of `zone` shows at noon (UTC) of the UTC day."""
    return (utc_midnight(day) + NOON).astimezone(zone).date()


def days_of(start: date, period: Period, zone: ZoneInfo) -> Window:
    """The UTC days of the period that begins on `start` by the clock of `zone`."""
    return Window(_first_day(start, zone), _first_day(next_start(start, period), zone))


def _first_day(start: date, zone: ZoneInfo) -> date:
    """The first UTC day that falls on `start` or later; one before it east of UTC+12."""
    around = (start + offset * DAY for offset in range(-1, 3))
    return next(day for day in around if local_day(day, zone) >= start)


def current_start(
    newest: Iterable[date], now: datetime, period: Period, zone: ZoneInfo, hold: timedelta
) -> date:
    """The first day (by the clock of `zone`) of the period that is "current".

    It moves to the period of the clock when every provider has a complete day in it (`newest` are
    their newest ones, UTC days), and `hold` into it regardless. `now` is an aware datetime.
    """
    today = now.astimezone(zone).date()
    clock = period_start(today, period)
    days = [local_day(day, zone) for day in newest]
    if today - clock >= hold or (days and min(days) >= clock):
        return clock
    return previous_start(clock, period)


def is_closing(start: date, closing: Window, as_of: date, today: date, hold: timedelta) -> bool:
    """Whether `closing`, the period before the current one, is still to be watched.

    It is closed once its last day is complete and `hold` has passed since the current period began
    on `start`: providers add to the last days until then. `today` is by the budget's clock.
    """
    return today - start < hold or as_of < closing.last


def burn_rate(spending: Spending) -> Decimal | None:
    """What a settled day has cost on average; None before there is one."""
    last = min(spending.as_of - UNSETTLED_DAYS * DAY, spending.window.last)
    count = (last - max(spending.window.since, spending.known_since)).days + 1
    return spending.through(last) / count if count > 0 else None


def exhausted_at(limit: Decimal, spending: Spending) -> datetime | None:
    """When the limit will be reached at this burn rate, counted from the newest complete day.

    None once it is reached, and when the period ends before.
    """
    rate = burn_rate(spending)
    if rate is None or rate <= 0 or spending.spent >= limit:
        return None
    complete = min(spending.as_of, spending.window.last) + DAY
    days_left = (limit - spending.through(spending.as_of)) / rate
    if not 0 <= days_left < (spending.window.until - complete).days:
        return None
    return utc_midnight(complete) + timedelta(days=float(days_left))


def is_on_track(limit: Decimal, spending: Spending) -> bool | None:
    """Whether no larger share of the limit is used than of the days; None where it is unknown."""
    complete = spending.complete_days
    if not complete or spending.is_partly_known:
        return None
    total = (spending.window.until - spending.window.since).days
    return spending.through(spending.as_of) * total <= limit * complete


def standing(limit: Decimal, spending: Spending) -> Standing:
    """How the period stands against `limit`, which is more than zero."""
    spent = spending.spent
    return Standing(
        spent=spent,
        remaining=limit - spent,
        consumed=spent / limit,
        burn_rate=burn_rate(spending),
        exhausted_at=exhausted_at(limit, spending),
        is_on_track=is_on_track(limit, spending),
    )


def reached(limit: Decimal, spent: Decimal, thresholds: Iterable[Decimal]) -> set[Decimal]:
    """The thresholds (percents of `limit`) that `spent` has reached; exactly is reached."""
    with localcontext(prec=MAX_PREC):
        return {percent for percent in thresholds if spent * 100 >= limit * percent}


def history(limit: Decimal, spending: Spending, since: date) -> list[tuple[date, Standing]]:
    """How the period stood at the end of each complete day from `since` on, as known now."""
    first = max(spending.window.since, since)
    last = min(spending.as_of, spending.window.last)
    days = [first + offset * DAY for offset in range((last - first).days + 1)]
    return [(day, standing(limit, _until(spending, day))) for day in days]


def _until(spending: Spending, day: date) -> Spending:
    """What was known of it when `day` was the newest complete one."""
    known = {on: amount for on, amount in spending.days.items() if on <= day}
    return replace(spending, days=known, as_of=day)
