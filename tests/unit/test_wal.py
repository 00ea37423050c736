"""A counter made of positions never falls, and counts nothing that was not seen to be written."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.store.wal import Position
from finops_exporter.wal import Growth

LINES = st.tuples(st.sampled_from([7, 8]), st.sampled_from([1, 2]))
POSITIONS = st.builds(
    lambda line, written: Position(line[0], line[1], written), LINES, st.integers(0, 2**63)
)


def counters(*seen: tuple[int, int, int]) -> list[int]:
    growth = Growth()
    return [growth.at(Position(*one)) for one in seen]


def test_it_begins_with_the_position_and_grows_with_it() -> None:
    assert counters((7, 1, 5), (7, 1, 5), (7, 1, 9)) == [5, 5, 9]


def test_a_standby_that_starts_anew_is_no_reset() -> None:
    assert counters((7, 1, 40), (7, 1, 32), (7, 1, 41)) == [40, 40, 41]


def test_of_another_server_or_timeline_only_what_it_writes_from_then_on_counts() -> None:
    seen = [(7, 1, 40), (8, 1, 900), (8, 1, 903), (8, 2, 500), (8, 2, 501)]
    assert counters(*seen) == [40, 40, 43, 43, 44]


@given(st.lists(POSITIONS, min_size=1))
def test_it_never_falls_and_grows_by_no_more_than_the_log(seen: list[Position]) -> None:
    found = counters(*seen)
    assert found[0] == seen[0].written
    for (was, before), (now, after) in pairwise(zip(seen, found, strict=True)):
        written = max(0, now.written - was.written) if was[:2] == now[:2] else 0
        assert 0 <= after - before <= written
