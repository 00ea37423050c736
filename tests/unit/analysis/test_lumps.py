from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from finops_exporter.analysis.lumps import expected_lumps, months_before

FIRST = date(2024, 1, 1)
DAYS = 200


def expected_on(lumps: dict[date, float], day: date, begins: int = 0) -> float:
    excess = np.zeros((1, DAYS))
    for when, amount in lumps.items():
        excess[0, (when - FIRST).days] = amount
    return float(expected_lumps(excess, np.array([begins]), FIRST)[0, (day - FIRST).days])


def test_the_31st_of_a_shorter_month_is_its_last_day() -> None:
    found = months_before(FIRST, 121, 1)
    for offset, place in enumerate(found):
        day, earlier = FIRST + timedelta(offset), FIRST + timedelta(int(place))
        last = day.replace(day=1) - timedelta(1)
        assert earlier == last.replace(day=min(day.day, last.day))


@pytest.mark.parametrize(
    ("amounts", "expected"),
    [
        ((50, 52, 51), 51),  # two of the last three are at least as large
        ((50, 0, 52), 50),  # one was missed
        ((0, 0, 52), 0),  # it came once
        ((900, 50, 52), 52),  # one was something else
    ],
)
def test_a_fee_is_expected_on_its_day(amounts: tuple[float, ...], expected: float) -> None:
    days = (date(2024, 1, 15), date(2024, 2, 15), date(2024, 3, 15))
    lumps = dict(zip(days, amounts, strict=True))
    assert expected_on(lumps, date(2024, 4, 15)) == expected


def test_a_fee_may_move_around_a_weekend_but_not_by_a_week() -> None:
    lumps = {date(2024, 2, 14): 50.0, date(2024, 3, 17): 50.0}
    assert expected_on(lumps, date(2024, 4, 15)) == 50
    assert expected_on(lumps, date(2024, 4, 24)) == 0


def test_a_single_one_is_enough_where_no_more_can_be_known() -> None:
    lumps = {date(2024, 1, 31): 80.0}
    assert expected_on(lumps, date(2024, 2, 29)) == 80  # a leap day, and the end of its month
    lumps = {date(2024, 3, 20): 80.0}
    assert expected_on(lumps, date(2024, 4, 20)) == 0
    assert expected_on(lumps, date(2024, 4, 20), begins=70) == 80


def test_every_other_week() -> None:
    lumps = {date(2024, 5, 3): 30.0, date(2024, 5, 17): 30.0}
    assert expected_on(lumps, date(2024, 5, 31)) == 30


def test_the_future_is_not_looked_at() -> None:
    lumps = {date(2024, 4, 15): 50.0, date(2024, 4, 16): 50.0, date(2024, 5, 15): 50.0}
    assert expected_on(lumps, date(2024, 4, 15)) == 0
