from __future__ import annotations

from statistics import median_high
from typing import TYPE_CHECKING

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from finops_exporter.analysis.windows import (
    before,
    held_weekly_median,
    rolling_max,
    rolling_median,
    weekly_median,
    weekly_top,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

NAN = float("nan")
# Whole numbers: single precision holds them exactly.
values = arrays(
    np.float64,
    st.tuples(st.integers(1, 3), st.integers(1, 60)),
    elements=st.one_of(st.integers(-99, 99).map(float), st.just(NAN)),
)


def by_hand(
    found: NDArray[np.float64], lags: range, least: int, choose: Callable[[list[float]], float]
) -> NDArray[np.float64]:
    """One window at a time, with Python's own lists."""
    expected = np.full(found.shape, NAN)
    for series, day in np.ndindex(found.shape):
        window = [found[series, day - lag] for lag in lags if day >= lag]
        known = [value for value in window if value == value]  # noqa: PLR0124 -- NaN is not itself
        if len(known) >= least:
            expected[series, day] = choose(known)
    return expected


@given(values, st.integers(1, 14), st.integers(1, 7))
def test_medians_are_those_of_the_known_days(
    found: NDArray[np.float64], days: int, least: int
) -> None:
    rolling = by_hand(found, range(days), least, median_high)
    np.testing.assert_array_equal(rolling_median(found, days, least=least), rolling)
    weekly = by_hand(found, range(3, 3 + 7 * 6, 7), least, median_high)
    np.testing.assert_array_equal(weekly_median(found, 6, first=3, least=least), weekly)


@given(values, st.integers(0, 20))
def test_what_is_held_is_that_of_the_first_day_of_its_week(
    found: NDArray[np.float64], first: int
) -> None:
    daily = weekly_median(found, 6, first=first, least=2)
    held = held_weekly_median(found, 6, first=first, least=2)
    for day in range(found.shape[1]):
        np.testing.assert_array_equal(held[:, day], daily[:, day - day % 7])


@given(values, st.integers(1, 5))
def test_the_top_is_the_smallest_where_fewer_are_known(
    found: NDArray[np.float64], place: int
) -> None:
    def top(known: list[float]) -> float:
        return sorted(known, reverse=True)[min(place, len(known)) - 1]

    expected = by_hand(found, range(0, 7 * 12, 7), 1, top)
    np.testing.assert_array_equal(weekly_top(found, 12, place), expected)


@given(values, st.integers(1, 9))
def test_the_largest_of_some_days(found: NDArray[np.float64], days: int) -> None:
    np.testing.assert_array_equal(rolling_max(found, days), by_hand(found, range(days), 1, max))


@given(values, st.integers(-70, 70))
def test_days_before_the_first_and_after_the_last_are_unknown(
    found: NDArray[np.float64], back: int
) -> None:
    moved = before(found, back)
    for day in range(found.shape[1]):
        inside = 0 <= day - back < found.shape[1]
        expected = found[:, day - back] if inside else np.full(len(found), NAN)
        np.testing.assert_array_equal(moved[:, day], expected)
