from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.web.api.rate import Rates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_second_worth_may_be_asked_at_once_and_then_as_time_passes() -> None:
    clock = Clock()
    rates = Rates(4, clock)
    assert [rates.admits("a") for _ in range(6)] == [True] * 4 + [False] * 2
    clock.now = 0.25
    assert [rates.admits("a") for _ in range(2)] == [True, False]
    clock.now = 100.0
    assert [rates.admits("a") for _ in range(6)] == [True] * 4 + [False] * 2


def test_each_token_has_a_bucket_of_its_own() -> None:
    rates = Rates(1, Clock())
    assert [rates.admits(name) for name in "abab"] == [True, True, False, False]


def test_without_a_rate_all_may_ask() -> None:
    rates = Rates(None, Clock())
    assert all(rates.admits("a") for _ in range(1000))


@given(
    st.integers(1, 50),
    st.lists(st.integers(0, 64), max_size=200),
)
def test_never_more_than_the_rate_and_one_second_worth(rate: int, steps: list[int]) -> None:
    # Steps are 64ths of a second, which floats hold exactly.
    clock = Clock()
    rates = Rates(rate, clock)
    admitted = 0
    for step in steps:
        clock.now += step / 64
        admitted += rates.admits("a")
        assert admitted <= rate + clock.now * rate + 1e-6
