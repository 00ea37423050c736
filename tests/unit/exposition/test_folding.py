from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.exposition.folding import newcomers

if TYPE_CHECKING:
    from finops_exporter.store.members import Choice, Member

members = st.tuples(st.text("abc", min_size=1, max_size=3))
sizes = st.dictionaries(members, st.decimals(0, 100, places=2), max_size=30)


def test_the_largest_are_shown_and_a_tenth_of_the_room_is_kept() -> None:
    given_sizes: dict[Member, Decimal] = {
        (f"s{number:02}",): Decimal(number) for number in range(40)
    }
    first = newcomers(given_sizes, {}, 20)
    assert [member for member, shown in first.items() if shown] == [
        (f"s{number:02}",) for number in range(39, 21, -1)
    ]
    later = newcomers({**given_sizes, ("new",): Decimal(1), ("newer",): Decimal(2)}, first, 20)
    assert later == {("new",): True, ("newer",): True}
    assert newcomers({("last",): Decimal(1000)}, first | later, 20) == {("last",): False}


def test_equal_sizes_are_told_apart_by_name() -> None:
    same: dict[Member, Decimal] = {(name,): Decimal(1) for name in "cab"}
    assert newcomers(same, {}, 2) == {("a",): True, ("b",): True, ("c",): False}


@given(st.lists(sizes, max_size=5), st.integers(0, 20))
def test_nobody_who_was_chosen_changes_and_the_room_is_kept(
    refreshes: list[dict[Member, Decimal]], room: int
) -> None:
    known: Choice = {}
    for found in refreshes:
        added = newcomers(found, known, room)
        assert added.keys() == found.keys() - known.keys()
        known |= added
        assert sum(known.values()) <= room
