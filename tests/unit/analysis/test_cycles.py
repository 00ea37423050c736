from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest

from finops_exporter.analysis.cycles import calendar, recurring
from finops_exporter.analysis.forecast import forecast
from finops_exporter.model import Window

if TYPE_CHECKING:
    from collections.abc import Callable

FIRST = date(2025, 3, 1)
DAYS = [FIRST + timedelta(offset) for offset in range(720)]
MONTHS = [date(2026, month, 1) for month in range(1, 13)]


def next_month(day: date) -> date:
    return date(day.year + day.month // 12, day.month % 12 + 1, 1)


def is_last(day: date) -> bool:
    return day + timedelta(1) == next_month(day)


def is_last_working(day: date) -> bool:
    """No Monday to Friday of the same month follows."""
    left = range(1, (next_month(day) - day).days)
    return day.weekday() < 5 and all((day + timedelta(o)).weekday() >= 5 for o in left)


FEES: dict[str, Callable[[date], bool]] = {
    "first": lambda day: day.day == 1,
    "15th": lambda day: day.day == 15,
    "last": is_last,
    "last working": is_last_working,
}


@pytest.mark.parametrize("month", MONTHS, ids=lambda month: month.strftime("%B"))
@pytest.mark.parametrize("fee", FEES)
@pytest.mark.parametrize("day", [6, 24])
def test_a_fee_counts_once_in_each_month(fee: str, month: date, day: int) -> None:
    amounts = np.array([100.0 + 800 * FEES[fee](each) for each in DAYS])
    as_of = month.replace(day=day)
    ahead = Window(as_of + timedelta(1), as_of + timedelta(31))
    for period in (Window(month, next_month(month)), ahead):
        actual = amounts[[period.since <= each < period.until for each in DAYS]].sum()
        found = forecast(amounts[np.newaxis], FIRST, as_of, period)
        assert found.p50[0] == pytest.approx(actual, rel=0.03)  # a fee is 21 %


def told(lumps: dict[date, float], known_until: date, day: date) -> float:
    known = (known_until - FIRST).days + 1
    excess = np.zeros((1, known))
    for when, amount in lumps.items():
        excess[0, (when - FIRST).days] = amount
    found = recurring(excess, calendar(np.array(DAYS, dtype="datetime64[D]"), known))
    return float(found.to_come[0, (day - FIRST).days - known])


def test_a_fee_that_came_twice_comes_again() -> None:
    lumps = {date(2026, 5, 10): 50.0, date(2026, 6, 10): 60.0}
    for known_until in (date(2026, 6, 10), date(2026, 6, 30), date(2026, 7, 9)):
        assert told(lumps, known_until, date(2026, 7, 10)) == 50
        assert told(lumps, known_until, date(2026, 7, 11)) == 0
    once = {date(2026, 6, 10): 60.0}
    assert told(once, date(2026, 7, 9), date(2026, 7, 10)) == 0


def test_a_batch_of_two_weeks_that_has_come_twice() -> None:
    lumps = dict.fromkeys((date(2026, 5, 22), date(2026, 6, 5)), 30.0)
    assert told(lumps, date(2026, 6, 18), date(2026, 6, 19)) == 30
