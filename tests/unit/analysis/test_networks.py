from __future__ import annotations

import numpy as np
import pytest

from finops_exporter.analysis.networks import select, select_each, steps

COUNTS = range(1, 17)


@pytest.mark.parametrize("count", COUNTS)
def test_every_rank_is_what_sorting_gives(count: int) -> None:
    values = np.random.default_rng(count).integers(0, 9, (count, 300)).astype(np.float32)
    for rank in range(count):
        np.testing.assert_array_equal(select(list(values), rank), np.sort(values, axis=0)[rank])


@pytest.mark.parametrize("count", COUNTS)
def test_a_network_that_sorts_all_zeros_and_ones_sorts_anything(count: int) -> None:
    bits = (np.arange(2**count) >> np.arange(count)[:, np.newaxis] & 1).astype(np.float32)
    for rank in (0, count // 2, count - 1):
        np.testing.assert_array_equal(select(list(bits), rank), np.sort(bits, axis=0)[rank])


def test_each_place_may_have_a_rank_of_its_own() -> None:
    rng = np.random.default_rng(1)
    values, ranks = rng.random((12, 200)).astype(np.float32), rng.integers(0, 12, 200)
    expected = np.sort(values, axis=0)[ranks, np.arange(200)]
    np.testing.assert_array_equal(select_each(list(values), ranks), expected)


def test_a_rank_costs_fewer_comparisons_than_sorting_and_changes_no_argument() -> None:
    assert len(steps(14, 7)) < len(steps(14, None))
    values = [np.array([2.0], np.float32), np.array([1.0], np.float32)]
    select(values, 0)
    assert [value[0] for value in values] == [2, 1]
