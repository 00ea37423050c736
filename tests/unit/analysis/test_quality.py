"""The measured quality does not sink: limits a little below what `python -m tests.bench` reports.

On few series of the tuning seeds, so that the judging seeds stay unseen.
"""

from __future__ import annotations

import numpy as np
import pytest

from bench.series.batch import DAYS, Batch, Event
from bench.series.judging import judge_flags, judge_forecasts
from bench.series.made import JUDGING, TUNING, as_known_on, make
from bench.series.measuring import accuracy, flags_of, months, quality


@pytest.fixture(scope="module")
def batches() -> list[Batch]:
    return [make(TUNING[0], 240)]


def test_seeds_for_tuning_are_not_those_for_judging() -> None:
    assert not set(TUNING) & set(JUDGING)


def test_the_same_seed_makes_the_same_series() -> None:
    one, other = make(1, 9), make(1, 9)
    np.testing.assert_array_equal(one.usage, other.usage)
    assert one.events == other.events


def test_anomalies_of_usage(batches: list[Batch]) -> None:
    found = quality(batches, flags_of("weekday_median"), lambda batch: batch.usage)
    assert found.f1 > 0.9
    assert found.precision > 0.93
    assert found.recall > 0.86
    assert found.false_per_month < 0.007
    assert found.delay < 1.7


def test_anomalies_of_billed_totals(batches: list[Batch]) -> None:
    found = quality(batches, flags_of("weekday_median"), lambda batch: batch.total)
    assert found.f1 > 0.8


@pytest.mark.parametrize(("as_of", "mape"), [(5, 0.09), (10, 0.07), (15, 0.053), (20, 0.038)])
def test_forecasts(batches: list[Batch], as_of: int, mape: float) -> None:
    found = accuracy(batches, "weekday_profile", as_of)
    assert found.mape < mape
    assert abs(found.bias) < 0.02
    assert 0.75 < found.covered80 < 0.87
    assert 0.92 < found.covered95 < 0.98
    assert found.mape < 0.8 * accuracy(batches, "linear", as_of).mape


def test_events_are_found_by_hand() -> None:
    flagged = np.zeros((2, 60), dtype=np.bool_)
    flagged[0, [10, 11, 14, 30]] = True
    flagged[1, 5] = True
    events = [Event(0, "spike", 9, 9), Event(1, "step", 20, 33)]
    found = judge_flags(flagged, events)
    # Days 10 to 14 are one alarm that begins in the grace of the spike; day 30 and the other
    # series' day 5 belong to nothing; the step was missed.
    assert (found.events, found.found, found.false_alarms, found.delays) == (2, 1, 2, 1)
    assert found.precision == pytest.approx(1 / 3)
    assert found.recall == 0.5
    assert found.f1 == pytest.approx(0.4)
    assert found.false_per_month == pytest.approx(2 / (2 * 60 / 30.44))


def test_forecasts_are_judged_by_hand() -> None:
    actual = np.array([100.0, 200.0, 10.0, 50.0])
    found = np.array([110.0, 180.0, 99.0, np.nan])
    band = (np.array([100.0, 0, 0, 0]), np.array([120.0, 190, 0, 0]))
    wide = (np.zeros(4), np.full(4, 1e9))
    assert judge_forecasts(found, [band, wide], actual) == pytest.approx((0.1, 0.0, 0.5, 1.0, 2))


def test_what_is_known_on_a_day_lacks_a_part_of_the_newest_two(batches: list[Batch]) -> None:
    usage = batches[0].usage
    known = as_known_on(usage, 100, TUNING[0])
    assert known.shape == (240, 101)
    np.testing.assert_array_equal(known[:, :99], usage[:, :99])
    less = np.nan_to_num(usage[:, 99:101] - known[:, 99:])
    assert (less >= 0).all()
    assert (less[:, 1] > 0).any()


def test_whole_months_are_forecast() -> None:
    found = list(months())
    assert (found[0].since.isoformat(), found[-1].until.isoformat()) == ("2024-03-01", "2025-01-01")
    assert len(found) == 10
    assert DAYS == 400
