from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finops_exporter.analysis import anomalies
from finops_exporter.analysis.anomalies import METHODS, Method, judge
from finops_exporter.analysis.judged import Judged, Kind, Options

if TYPE_CHECKING:
    from numpy.typing import NDArray

FIRST = date(2023, 12, 4)  # a Monday; 29 February 2024 is day 87
NAN = float("nan")


def noisy(seed: int, series: int = 6, days: int = 150) -> NDArray[np.float64]:
    """Series of several sizes with weekends, gaps, zeros, jumps and credits: nothing is spared."""
    rng = np.random.default_rng(seed)
    week = np.where(np.arange(days) % 7 < 5, 1.0, rng.uniform(0.3, 1.2, (series, 1)))
    level = 10 ** rng.uniform(-1, 5, (series, 1))
    amounts = level * week * rng.lognormal(0, rng.uniform(0.01, 0.4, (series, 1)), (series, days))
    amounts *= np.where(rng.random((series, days)) < 0.02, rng.uniform(0, 9, (series, days)), 1)
    amounts[rng.random((series, days)) < 0.03] = NAN
    amounts[rng.random((series, days)) < 0.01] = -level[0, 0]
    return amounts


def same(one: Judged, other: Judged) -> None:
    for left, right in zip(one, other, strict=True):
        np.testing.assert_array_equal(left, right)


def steady(days: int, usd: float = 100.0, scatter: float = 0.03) -> NDArray[np.float64]:
    """100 % on working days and 50 % on weekends, with a scatter of 3 % that is always the same."""
    week = np.where(np.arange(days) % 7 < 5, 1.0, 0.5)
    return usd * week * (1 + scatter * np.random.default_rng(7).standard_normal(days))


def flags(amounts: NDArray[np.float64], method: Method = "weekday_median") -> list[int]:
    found = judge(amounts[np.newaxis], FIRST, range(len(amounts)), method=method)
    return [int(day) for day in np.flatnonzero(found.flagged[0])]


@pytest.mark.parametrize("method", METHODS)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 149))
@settings(max_examples=15)
def test_the_future_changes_nothing(method: Method, seed: int, cut: int) -> None:
    amounts = noisy(seed)
    changed = amounts.copy()
    rng = np.random.default_rng(seed)
    changed[:, cut:] = rng.permuted(amounts[:, cut:], axis=1) * rng.choice([0, 1, 50, NAN])
    days = range(cut)
    same(judge(amounts, FIRST, days, method=method), judge(changed, FIRST, days, method=method))


@pytest.mark.parametrize("method", METHODS)
def test_many_days_at_once_are_judged_as_each_alone(method: Method) -> None:
    amounts = noisy(3)
    whole = judge(amounts, FIRST, range(150), method=method)
    assert whole.flagged.any()
    for day in range(150):
        alone = judge(amounts, FIRST, range(day, day + 1), method=method)
        for one, all_days in zip(alone, whole, strict=True):
            np.testing.assert_array_equal(np.asarray(one)[:, 0], np.asarray(all_days)[:, day])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=10)
def test_series_do_not_know_each_other(seed: int) -> None:
    amounts = noisy(seed)
    order = np.random.default_rng(seed).permutation(len(amounts))
    whole = judge(amounts, FIRST, range(150))
    moved = judge(amounts[order], FIRST, range(150))
    for left, right in zip(whole, moved, strict=True):
        np.testing.assert_array_equal(np.asarray(left)[order], right)


def test_blocks_give_what_the_whole_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    amounts = noisy(5, series=7)
    whole = judge(amounts, FIRST, range(150))
    monkeypatch.setattr(anomalies, "BLOCK_SERIES", 2)
    same(whole, judge(amounts, FIRST, range(150)))


@pytest.mark.parametrize("scale", [8.0, 1024.0])
def test_a_thousand_times_the_money_is_as_remarkable(scale: float) -> None:
    """Above a few dollars a day, where the half dollar that is added to each day counts no more."""
    amounts = steady(120, usd=5_000)
    amounts[100] *= 1.9
    one = judge(amounts[np.newaxis], FIRST, range(120))
    other = judge(scale * amounts[np.newaxis], FIRST, range(120))
    np.testing.assert_array_equal(one.flagged, other.flagged)
    np.testing.assert_allclose(one.score, other.score, rtol=0.01, atol=0.01)


def test_what_is_flagged_is_upward_large_and_explained() -> None:
    for seed in range(20):
        amounts = noisy(seed)
        found = judge(amounts, FIRST, range(150))
        told = found.flagged
        assert (amounts[told] > found.expected[told] * 1.2).all()
        assert (found.excess[told] > 2).all()
        assert (found.score[told] > 4).all()
        np.testing.assert_allclose(found.excess[told], amounts[told] - found.expected[told])
        assert set(found.kind[told]) <= {Kind.SPIKE, Kind.RAMP}
        assert not set(found.kind[~told]) & {Kind.SPIKE, Kind.RAMP}


def test_a_spike_is_told_on_its_day_with_what_was_expected() -> None:
    amounts = steady(120)
    amounts[99] = 300  # 99 % 7 == 1: a Tuesday
    found = judge(amounts[np.newaxis], FIRST, range(120))
    assert list(np.flatnonzero(found.flagged[0])) == [99]
    assert found.kind[0, 99] == Kind.SPIKE
    assert found.expected[0, 99] == pytest.approx(100, rel=0.05)
    assert found.excess[0, 99] == pytest.approx(200, rel=0.03)


def test_a_weekend_like_a_working_day_is_a_spike_and_a_working_day_is_not() -> None:
    amounts = steady(120)
    amounts[103] = 100  # 103 % 7 == 5: a Saturday
    assert flags(amounts) == [103]


def test_a_level_that_stays_is_told_at_once_and_then_forgotten() -> None:
    amounts = steady(150)
    amounts[100:] *= 1.6
    told = flags(amounts)
    assert told[0] == 100
    assert told[-1] < 115


def test_a_ramp_is_told_though_no_day_is_a_spike() -> None:
    amounts = steady(150, scatter=0.08)
    amounts[100:] *= np.minimum(1.6, 1 + 0.03 * np.arange(1, 51))
    found = judge(amounts[np.newaxis], FIRST, range(150))
    told = np.flatnonzero(found.flagged[0])
    assert set(found.kind[0, told]) == {Kind.RAMP}
    assert 107 < told[0] < 120
    assert told[-1] < 130


def test_drops_gaps_and_their_ends_are_no_anomalies() -> None:
    down, pause, gap, ended = (steady(170) for _ in range(4))
    down[100:] *= 0.5
    pause[100:112] = 0
    gap[100:112] = NAN
    ended[100:] = NAN
    for amounts in (down, pause, gap, ended):
        assert flags(amounts) == []


def test_a_fee_is_told_only_until_it_has_come_again() -> None:
    amounts = steady(300)
    days = [FIRST + timedelta(offset) for offset in range(300)]
    fees = [offset for offset, day in enumerate(days) if day.day == 15 and offset > 100]
    amounts[fees] += 400
    assert flags(amounts) == fees[:2]


def test_a_fee_that_was_always_there_is_never_told() -> None:
    amounts = steady(300)
    for offset in range(300):
        if (FIRST + timedelta(offset + 1)).day == 1:  # the last day of each month
            amounts[offset] += 400
    assert flags(amounts) == []


def test_growth_that_goes_on_is_no_ramp() -> None:
    growth = 1.1 ** (np.arange(300) / 30.44)  # 10 % a month
    assert flags(steady(300) * growth) == []


def test_cents_are_not_worth_a_report() -> None:
    amounts = steady(120, usd=0.5)
    amounts[100] = 2.4
    assert flags(amounts) == []
    amounts[100] = 20
    assert flags(amounts) == [100]


def test_a_new_series_is_news_and_silent_for_a_month() -> None:
    amounts = np.full(150, NAN)
    amounts[60:] = steady(90)
    amounts[80] = 1_000
    amounts[130] = 1_000
    found = judge(amounts[np.newaxis], FIRST, range(150))
    assert list(np.flatnonzero(found.kind[0] == Kind.NEW)) == [60]
    assert not found.flagged[0, 60]
    assert np.isnan(found.score[0, : 60 + Options().silent_days]).all()
    assert list(np.flatnonzero(found.flagged[0])) == [130]


def test_a_series_that_was_there_on_the_first_days_is_not_called_new() -> None:
    found = judge(steady(60)[np.newaxis], FIRST, range(60))
    assert not (found.kind == Kind.NEW).any()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("amount", [0.0, NAN, -50.0, 0.001])
def test_without_costs_there_is_nothing_to_judge(method: Method, amount: float) -> None:
    found = judge(np.full((2, 100), amount), FIRST, range(100), method=method)
    assert np.isnan(found.score).all()
    assert not found.flagged.any()


@pytest.mark.parametrize("method", METHODS)
def test_nothing_is_judged_of_nothing(method: Method) -> None:
    assert judge(np.empty((0, 50)), FIRST, range(50), method=method).score.shape == (0, 50)
    assert judge(steady(50)[np.newaxis], FIRST, range(0), method=method).score.shape == (1, 0)
    one = judge(np.array([[5.0]]), FIRST, range(1), method=method)
    assert np.isnan(one.score).all()


def test_days_that_are_not_there_cannot_be_judged() -> None:
    for days in (range(51), range(-1, 5), range(0, 10, 2)):
        with pytest.raises(ValueError, match="cannot judge"):
            judge(steady(50)[np.newaxis], FIRST, days)


def test_the_zscore_by_hand() -> None:
    amounts = np.tile([10.0, 12.0, 14.0], 15)  # of any 30: mean 12, squares 80 / 29
    amounts[40] = 20.0
    found = judge(amounts[np.newaxis], FIRST, range(45), method="zscore")
    assert found.expected[0, 40] == pytest.approx(12)
    assert found.score[0, 40] == pytest.approx(8 / (80 / 29) ** 0.5)
    assert list(np.flatnonzero(found.flagged[0])) == [40]


def test_the_quartiles_by_hand() -> None:
    amounts = np.tile([10.0, 12.0, 14.0], 15)  # quartiles 10, 12, 14: the outer fence is at 26
    amounts[40], amounts[42] = 26.0, 26.5
    found = judge(amounts[np.newaxis], FIRST, range(45), method="iqr")
    assert found.expected[0, 40] == 12
    assert found.score[0, 40] == pytest.approx(14 / (4 / 1.349))
    assert list(np.flatnonzero(found.flagged[0])) == [42]
