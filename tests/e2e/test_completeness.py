"""No alert is left without a real cause."""

from __future__ import annotations

import ast
from pathlib import Path

import yaml

from e2e.hurried import RULES

STORIES = sorted(Path(__file__).parent.glob("test_*.py"))


def shipped() -> set[str]:
    files = (yaml.safe_load(file.read_text(encoding="utf-8")) for file in RULES.glob("*.yaml"))
    return {
        rule["alert"]
        for file in files
        for group in file["groups"]
        for rule in group["rules"]
        if "alert" in rule
    }


def told() -> set[str]:
    """What stories and scenes are about: their first arguments."""
    found = set()
    for file in STORIES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            match node:
                case ast.Call(func=ast.Name("story" | "Scene"), args=[ast.Constant(str(name)), *_]):
                    found.add(name)
    return found


def test_every_alert_has_a_story_and_every_story_an_alert() -> None:
    # It fires from the start, and is told to a dead man's switch alone.
    assert told() | {"FinOpsWatchdog"} == shipped()
    assert len(shipped()) == 32
