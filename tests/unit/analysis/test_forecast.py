from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_exporter.analysis import forecast as module
from finops_exporter.analysis.forecast import METHODS, Forecast, Method, Options, forecast
from finops_exporter.model import Window
from unit.analysis.test_anomalies import noisy

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST = date(2023, 12, 1)
DAYS = 250
JUNE = Window(date(2024, 6, 1), date(2024, 7, 1))
NAN = float("nan")


def place(day: date) -> int:
    return (day - FIRST).days


def of(amounts: NDArray[np.float64], day: int, method: Method = "weekday_profile") -> Forecast:
    """June, as of one of its days."""
    matrix = np.atleast_2d(amounts)
    return forecast(matrix, FIRST, date(2024, 6, day), JUNE, method=method)


def weekends(working: float, weekend: float) -> NDArray[np.float64]:
    days = [(FIRST + timedelta(offset)).weekday() for offset in range(DAYS)]
    return np.where(np.array(days) < 5, working, weekend)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("day", [5, 10, 15, 20, 30])
def test_what_never_changes_is_forecast_exactly(method: Method, day: int) -> None:
    found = of(np.full(DAYS, 7.0), day, method)
    assert found.settled[0] == 7 * (day - 2)
    assert found.p50[0] == pytest.approx(7 * 30)


def test_weekends_are_known() -> None:
    # June 2024 has 20 working days and 10 days of weekends, of which the first two are its first.
    found = of(weekends(100, 40), 5)
    assert found.settled[0] == 40 + 40 + 100
    assert found.p50[0] == pytest.approx(20 * 100 + 10 * 40, rel=0.005)
    linear = of(weekends(100, 40), 5, "linear")
    # The straight line goes on with 60 a day; of its first two days 100 each are stored.
    assert linear.p50[0] == pytest.approx(180 + 100 + 100 + 180 / 3 * 25)


@pytest.mark.parametrize("fee_day", [1, 4, 17, 30])
@pytest.mark.parametrize("as_of", [5, 20])
def test_a_monthly_fee_counts_once(fee_day: int, as_of: int) -> None:
    amounts = np.full(DAYS, 10.0)
    for month in range(1, 8):
        last = (date(2024, month + 1, 1) - timedelta(1)).day
        amounts[place(date(2024, month, min(fee_day, last)))] += 500
    assert of(amounts, as_of).p50[0] == pytest.approx(30 * 10 + 500, rel=0.03)


def test_a_monthly_credit_counts_once() -> None:
    amounts = np.full(DAYS, 10.0)
    for month in range(1, 8):
        amounts[place(date(2024, month, 20))] -= 200
    assert of(amounts, 10).p50[0] == pytest.approx(30 * 10 - 200, rel=0.06)


def test_a_lone_spike_does_not_go_on_and_a_new_level_does() -> None:
    rng = np.random.default_rng(1)
    spike = 100 * (1 + 0.02 * rng.standard_normal(DAYS))
    level = spike.copy()
    spike[place(date(2024, 6, 7))] += 900
    level[place(date(2024, 5, 25)) :] *= 2
    assert of(spike, 10).p50[0] == pytest.approx(3_000 + 900, rel=0.03)
    assert of(level, 10).p50[0] == pytest.approx(6_000, rel=0.03)


@pytest.mark.parametrize("back", [60, 100, 180])
def test_a_purchase_long_ago_is_no_reason_to_expect_more(back: int) -> None:
    amounts = 100 * (1 + 0.03 * np.random.default_rng(3).standard_normal(DAYS))
    bought = amounts.copy()
    bought[place(date(2024, 6, 6)) - back] += 20_000
    assert of(bought, 6).p50[0] == pytest.approx(of(amounts, 6).p50[0], rel=0.01)


@pytest.mark.parametrize("method", METHODS)
def test_no_forecast_before_three_days_of_the_month_are_settled(method: Method) -> None:
    for day in range(1, 5):
        found = of(np.full(DAYS, 7.0), day, method)
        assert found.settled[0] == 7 * max(0, day - 2)
        assert all(np.isnan(array[0]) for array in found[1:])
    assert np.isfinite(of(np.full(DAYS, 7.0), 5, method).p50[0])


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), day=st.integers(5, 30))
@settings(max_examples=15)
def test_later_days_are_not_looked_at(method: Method, seed: int, day: int) -> None:
    amounts = noisy(seed, days=DAYS)
    changed = amounts.copy()
    changed[:, place(date(2024, 6, day)) + 1 :] = np.random.default_rng(seed).choice([0, 1e6, NAN])
    for one, other in zip(of(amounts, day, method), of(changed, day, method), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("stored", "counted"), [(NAN, 7), (0, 7), (6, 7), (9, 9), (-50, 7)])
def test_an_unsettled_day_costs_what_is_stored_or_expected(
    method: Method, stored: float, counted: float
) -> None:
    amounts = np.full(DAYS, 7.0)
    amounts[place(date(2024, 6, 9))] = stored
    assert of(amounts, 10, method).p50[0] == pytest.approx(29 * 7 + counted)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("bought", [9, 10])
def test_what_was_bought_yesterday_is_spent(method: Method, bought: int) -> None:
    amounts = np.full(DAYS, 100.0)
    amounts[place(date(2024, 6, bought))] += 20_000
    found, without = of(amounts, 10, method), of(np.full(DAYS, 100.0), 10, method)
    assert found.settled[0] == 800
    assert found.p50[0] == pytest.approx(30 * 100 + 20_000)
    assert found.lower95[0] >= 10 * 100 + 20_000
    # It is no trend: the days to come are as certain as before, and the days ahead as cheap.
    assert found.p90[0] - found.p50[0] == pytest.approx(without.p90[0] - without.p50[0])
    ahead = Window(date(2024, 6, 11), date(2024, 7, 11))
    june = forecast(amounts[np.newaxis], FIRST, date(2024, 6, 10), ahead, method=method)
    assert june.p50[0] == pytest.approx(3_000)


def test_a_credit_that_is_expected_is_believed_once_and_may_bring_the_sum_down() -> None:
    amounts = np.full(DAYS, 10.0)
    for month in range(1, 8):
        amounts[place(date(2024, month, 20))] -= 200
    assert of(amounts, 21).p50[0] == pytest.approx(30 * 10 - 200, abs=12)
    assert of(amounts, 19).p10[0] < 19 * 10


@pytest.mark.parametrize("method", METHODS)
@given(
    seed=st.integers(0, 10_000),
    day=st.integers(1, 30),
    newest=st.lists(st.floats(0, 1e9), min_size=2, max_size=2),
)
@settings(max_examples=15)
def test_never_below_what_is_stored_when_nothing_is_negative(
    method: Method, seed: int, day: int, newest: list[float]
) -> None:
    amounts, last = np.abs(noisy(seed, days=DAYS)), place(date(2024, 6, day))
    amounts[:, last - 1 : last + 1] = newest
    stored = np.nansum(amounts[:, place(JUNE.since) : last + 1], axis=1)
    for estimate in of(amounts, day, method)[1:]:
        there = np.isfinite(estimate)
        # Summed in another order, the last digit may differ.
        assert (estimate[there] >= stored[there] * (1 - 1e-14)).all()


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), day=st.integers(5, 30))
@settings(max_examples=15)
def test_quantiles_are_in_order_and_nothing_spent_comes_back(
    method: Method, seed: int, day: int
) -> None:
    found = of(np.abs(noisy(seed, days=DAYS)), day, method)
    assert (found.lower95 <= found.p10).all()
    assert (found.p10 <= found.p50).all()
    assert (found.p50 <= found.p90).all()
    assert (found.p90 <= found.upper95).all()
    assert (found.lower95 >= found.settled - 1e-6 * np.abs(found.settled)).all()


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_the_order_of_series_and_the_blocks_do_not_matter(seed: int) -> None:
    amounts = noisy(seed, days=DAYS)
    order = np.random.default_rng(seed).permutation(len(amounts))
    whole, moved = of(amounts, 12), of(amounts[order], 12)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_SERIES", 2)
        parts = of(amounts, 12)
    for one, other, third in zip(whole, moved, parts, strict=True):
        np.testing.assert_allclose(one[order], other)
        np.testing.assert_allclose(one, third)


def test_the_middle_of_a_series_stands_for_itself() -> None:
    amounts = noisy(4, days=DAYS)
    together = of(amounts, 12)
    for row in range(len(amounts)):
        np.testing.assert_allclose(of(amounts[row], 12).p50[0], together.p50[row])


def test_twice_the_money_is_twice_the_forecast() -> None:
    amounts = 1_000 + np.abs(noisy(4, days=DAYS))
    for one, other in zip(of(amounts, 12), of(2 * amounts, 12), strict=True):
        np.testing.assert_allclose(2 * one, other, rtol=0.01)


def test_a_period_that_is_over_is_what_it_cost() -> None:
    amounts = np.full((1, DAYS), 3.0)
    found = forecast(amounts, FIRST, date(2024, 7, 10), JUNE)
    assert [float(array[0]) for array in found] == [90.0] * 6


def test_days_ahead_and_a_quarter_are_periods_as_well() -> None:
    amounts = np.full((1, DAYS), 3.0)
    as_of = date(2024, 6, 10)
    ahead = forecast(amounts, FIRST, as_of, Window(date(2024, 6, 11), date(2024, 7, 11)))
    assert ahead.settled[0] == 0
    assert ahead.p50[0] == pytest.approx(90)
    quarter = forecast(amounts, FIRST, as_of, Window(date(2024, 4, 1), date(2024, 7, 1)))
    assert quarter.settled[0] == 3 * (30 + 31 + 8)
    assert quarter.p50[0] == pytest.approx(3 * 91)


def test_who_settles_at_once_says_so() -> None:
    found = forecast(
        np.full((1, DAYS), 3.0), FIRST, date(2024, 6, 5), JUNE, options=Options(unsettled_days=0)
    )
    assert found.settled[0] == 15


def test_series_that_begin_end_or_were_never_there() -> None:
    begins, ends, never, zero = (np.full(DAYS, 10.0) for _ in range(4))
    begins[: place(date(2024, 6, 4))] = NAN
    ends[place(date(2024, 4, 1)) :] = NAN
    never[:] = NAN
    zero[:] = 0
    found = of(np.array([begins, ends, never, zero]), 10)
    assert found.p50[0] == pytest.approx(27 * 10, rel=0.01)
    assert found.p50[1] == 0
    assert np.isnan(found.p50[2])
    assert found.p50[3] == 0


@pytest.mark.parametrize("method", METHODS)
def test_a_short_history_and_none(method: Method) -> None:
    amounts = np.full((1, 8), 10.0)
    first = date(2024, 6, 1)
    found = forecast(amounts, first, date(2024, 6, 8), JUNE, method=method)
    assert found.p50[0] == pytest.approx(300)
    assert found.p10[0] < 300 < found.p90[0]
    assert forecast(np.empty((0, 8)), first, date(2024, 6, 8), JUNE, method=method).p50.size == 0
    before = forecast(amounts, first, date(2024, 5, 1), JUNE, method=method)
    assert np.isnan(before.p50[0])
