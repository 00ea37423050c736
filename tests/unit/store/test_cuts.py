from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.model import FULL_CUT, cut_of, tag_dimension
from finops_exporter.store.cuts import Given, NoCutError, choose, knows

NOVEMBER, OCTOBER = date(2026, 11, 1), date(2026, 10, 1)
CATEGORIES = cut_of("charge_category", "account")
REGIONS = cut_of("service", "account", "region")
TEAM = cut_of("account", tag_dimension("team"))
ALL = (CATEGORIES, REGIONS, TEAM)


def given_by(source: str, *cuts: str, month: date = NOVEMBER) -> list[Given]:
    return [Given("aws", month, source, cut) for cut in cuts]


def test_a_cut_knows_its_dimensions_and_all_tags_know_each() -> None:
    assert knows(REGIONS, ["account", "service"])
    assert not knows(REGIONS, ["account", "charge_category"])
    assert knows(TEAM, ["tag:team"])
    assert not knows(TEAM, ["tag:project"])
    assert knows(FULL_CUT, ["tag:project", "region", "charge_category"])


@pytest.mark.parametrize(
    ("needed", "cut"),
    [
        ([], CATEGORIES),
        (["account"], CATEGORIES),
        (["charge_category"], CATEGORIES),
        (["service"], REGIONS),
        (["account", "region"], REGIONS),
        (["tag:team"], TEAM),
        (["account", "tag:team"], TEAM),
    ],
)
def test_the_narrowest_cut_that_knows_answers(needed: list[str], cut: str) -> None:
    assert choose(given_by("ce", *ALL), needed) == (cut,)


def test_a_query_that_no_cut_can_answer_says_what_is_known() -> None:
    with pytest.raises(NoCutError) as caught:
        choose(given_by("ce", *ALL), ["service", "tag:team"])
    assert str(caught.value) == (
        "what 'ce' gave of aws for 2026-11 does not know service and team together (it knows: "
        "account and charge_category; account and region and service; account and team); group by "
        "fewer keys, or choose other days"
    )
    assert caught.value.exit_code == 2


def test_two_sources_are_added_up_each_in_one_cut() -> None:
    both = [*given_by("ce", *ALL), *given_by("export", FULL_CUT)]
    assert set(choose(both, ["service"])) == {REGIONS, FULL_CUT}
    assert set(choose(both, ["account"])) == {CATEGORIES, FULL_CUT}


def test_a_month_that_lacks_a_cut_is_not_left_out_silently() -> None:
    uneven = [*given_by("ce", *ALL), *given_by("ce", CATEGORIES, month=OCTOBER)]
    assert choose(uneven, ["account"]) == (CATEGORIES,)
    with pytest.raises(NoCutError, match="for 2026-10 does not know service together"):
        choose(uneven, ["service"])


def test_nothing_stored_needs_no_cut() -> None:
    assert choose([], ["service"]) == ()


DIMENSIONS = ["account", "service", "region", "charge_category", "tag:team", "tag:project"]
CUTS = st.sets(st.sampled_from(DIMENSIONS), min_size=1).map(lambda known: cut_of(*known))


@given(
    st.dictionaries(
        st.tuples(st.sampled_from(["a", "b"]), st.sampled_from([NOVEMBER, OCTOBER])),
        st.sets(CUTS, min_size=1, max_size=4),
        min_size=1,
    ),
    st.sets(st.sampled_from(DIMENSIONS), max_size=2),
)
def test_every_source_and_month_is_taken_exactly_once_in_a_cut_that_knows(
    held: dict[tuple[str, date], set[str]], needed: set[str]
) -> None:
    given_cuts = [
        Given("aws", month, source, cut) for (source, month), cuts in held.items() for cut in cuts
    ]
    able = [any(knows(cut, needed) for cut in cuts) for cuts in held.values()]
    try:
        chosen = choose(given_cuts, needed)
    except NoCutError:
        # Either somebody does not know it, or two cuts of the same money would be needed at once.
        assert not all(able) or len(held) > 1
        return
    assert all(able)
    assert all(knows(cut, needed) for cut in chosen)
    for cuts in held.values():
        assert len(cuts & set(chosen)) == 1
