from __future__ import annotations

import numpy as np
import pytest

from finops_exporter.analysis.alerting import alarms, anomalies, floor, growth, spikes
from finops_exporter.analysis.judged import Judged

NAN = float("nan")


def test_a_spike_is_above_yesterday_and_last_week() -> None:
    weeks = np.tile([100.0] * 5 + [40.0] * 2, 3)  # each Monday is 2.5 times its Sunday
    assert not spikes(weeks[np.newaxis], 0.2, 25).any()
    weeks[15] = 150
    assert list(np.flatnonzero(spikes(weeks[np.newaxis], 0.2, 25)[0])) == [15]
    assert not spikes(weeks[np.newaxis], 0.5, 25).any()  # exactly half as much again
    assert not spikes(weeks[np.newaxis], 0.2, 50).any()  # exactly the floor


def test_nothing_fires_on_or_beside_a_day_that_is_not_known() -> None:
    amounts = np.full((1, 20), 100.0)
    amounts[0, [10, 13]] = NAN, 900
    amounts[0, 11] = 900  # the day before is unknown
    amounts[0, 17] = NAN
    assert list(np.flatnonzero(spikes(amounts, 0.2, 0)[0])) == [13]
    assert not spikes(np.zeros((1, 20)), 0.2, 0).any()


def test_the_floor_is_25_dollars_or_half_a_percent_of_a_mean_day() -> None:
    small, large = np.full(40, 1_000.0), np.full(40, 50_000.0)
    found = floor(np.array([small, large]))
    assert (found[0] == 25).all()
    assert found[1, 39] == pytest.approx(250)
    assert found[1, 10] == 25  # no month is known yet


def test_growth_compares_thirty_days_with_the_thirty_before() -> None:
    total = np.concatenate([np.full(30, 100.0), np.full(30, 121.0)])[np.newaxis]
    assert list(np.flatnonzero(growth(total, 0.2)[0])) == [59]
    assert not growth(total, 0.21).any()
    assert not growth(total[:, :29], 0.0).any()


def test_anomalies_stand_above_the_floor() -> None:
    found = Judged.unknown(1, 3)
    found.flagged[:] = True
    found.expected[:] = 100
    found.excess[0] = [20, 30, 30]
    assert list(anomalies(found, np.array([[0, 0, 30.0]]))[0]) == [False, True, False]


def test_days_in_a_row_are_one_alarm() -> None:
    fired = np.array([[True, True, False, True], [False] * 4])
    assert list(alarms(fired)) == [2, 0]
