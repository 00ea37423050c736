"""Recordings are split so that each file needs only what those before it record."""

from __future__ import annotations

import runpy
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
import yaml

from rule_files import FILES, RECORDINGS, groups, selectors
from shared import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TOOL = runpy.run_path(str(ROOT / "tools" / "rules_in_order.py"))
NAMES = {rule.name for rule in RECORDINGS}


def test_all_recordings_are_there_once_and_after_what_they_need(tmp_path: Path) -> None:
    TOOL["main"](tmp_path / "ordered", FILES)
    known: set[str] = set()
    found = []
    for file in sorted((tmp_path / "ordered").iterdir()):
        level = [
            (group["name"], rule)
            for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
            for rule in group["rules"]
        ]
        for _, rule in level:
            assert {one.name for one in selectors(rule["expr"])} & NAMES <= known
        known |= {rule["record"] for _, rule in level}
        found += level
    given = [(name, rule) for name, rules in groups().items() for rule in rules if "record" in rule]
    assert sorted(found, key=str) == sorted(given, key=str)


def test_a_group_keeps_how_often_it_is_evaluated() -> None:
    group = {"name": "g", "interval": "5m", "rules": [{"record": "a:b", "expr": "c"}]}
    assert TOOL["in_order"]([group]) == [[group]]


def test_recordings_that_need_each_other_cannot_be_made() -> None:
    circle = {"name": "g", "rules": [{"record": "a:b", "expr": "a:b + 1"}]}
    with pytest.raises(ValueError, match="need each other"):
        TOOL["in_order"]([circle])


def test_without_recordings_there_is_nothing() -> None:
    assert TOOL["in_order"]([{"name": "g", "rules": [{"alert": "A", "expr": "b"}]}]) == []


def test_more_than_nine_levels_are_in_the_order_of_a_shell(tmp_path: Path) -> None:
    rules = [{"record": f"a:b{level}", "expr": f"a:b{level - 1}"} for level in range(11)]
    file = tmp_path / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]}), encoding="utf-8")
    TOOL["main"](tmp_path / "ordered", [file])
    texts = [one.read_text(encoding="utf-8") for one in sorted((tmp_path / "ordered").iterdir())]
    assert [f"a:b{level}\n" in text for level, text in enumerate(texts)] == [True] * 11


def test_without_files_it_says_what_it_needs() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "tools" / "rules_in_order.py"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "usage: rules_in_order.py FOLDER FILE...\n")
