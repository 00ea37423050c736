from __future__ import annotations

import pytest

from finops_exporter.collectors.aws_cost_explorer.cuts import TagCut, tag_cuts

CONFIGURED = {"team": ["team"], "environment": ["environment", "env"], "app": ["a", "b", "c"]}


def test_one_key_leaves_room_for_the_account_and_two_do_not() -> None:
    (team, environment) = tag_cuts({"team": ["team"], "environment": ["environment", "env"]}, None)
    assert team.cut == "account,tag:team"
    assert team.group_by == [("DIMENSION", "LINKED_ACCOUNT"), ("TAG", "team")]
    assert environment.cut == "tag:environment"
    assert environment.group_by == [("TAG", "environment"), ("TAG", "env")]


def test_three_keys_are_refused_until_the_source_names_fewer() -> None:
    with pytest.raises(ValueError, match=r"the tag app has 3 keys.*tags: \{app: \[a\]\}"):
        tag_cuts(CONFIGURED, None)
    assert tag_cuts(CONFIGURED, {"app": ["b"]}) == (TagCut("app", ("b",)),)
    assert tag_cuts(CONFIGURED, {}) == ()


def test_a_tag_that_is_not_configured_is_refused() -> None:
    with pytest.raises(ValueError, match=r"tags\.squad is none of the configured tags"):
        tag_cuts(CONFIGURED, {"squad": ["squad"]})


@pytest.mark.parametrize(
    ("cut", "keys", "expected"),
    [
        (TagCut("team", ("team",)), ["1", "team$web"], ["1", "web"]),
        (TagCut("team", ("team",)), ["1", "team$"], ["1", ""]),
        (TagCut("team", ("te$am",)), ["1", "te$am$a$b"], ["1", "a$b"]),
        (TagCut("e", ("x", "y")), ["x$", "y$prod"], ["prod"]),
        (TagCut("e", ("x", "y")), ["x$dev", "y$prod"], ["dev"]),
        (TagCut("e", ("x", "y")), ["x$", "y$"], [""]),
    ],
)
def test_a_groups_keys_hold_the_tags_value(
    cut: TagCut, keys: list[str], expected: list[str]
) -> None:
    assert cut.split(keys) == expected
