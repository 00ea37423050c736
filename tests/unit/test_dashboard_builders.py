"""The files that Grafana reads are what the Python beside them makes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from dashboards.__main__ import FOLDER, made

if TYPE_CHECKING:
    from pathlib import Path

MADE = list(made())


@pytest.mark.parametrize(("file", "text"), MADE, ids=lambda one: getattr(one, "stem", ""))
def test_a_file_is_what_its_builder_makes(file: Path, text: str) -> None:
    assert file.read_text(encoding="utf-8") == text, "run: make dashboards"


def test_every_file_has_a_builder() -> None:
    assert sorted(file for file, _ in MADE) == sorted(FOLDER.glob("*.json"))


def test_what_the_linter_shall_not_ask_has_a_reason_and_is_there() -> None:
    exclusions = yaml.safe_load((FOLDER / ".lint").read_text(encoding="utf-8"))["exclusions"]
    boards = [json.loads(text) for _, text in MADE]
    titles = {board["title"]: {panel["title"] for panel in board["panels"]} for board in boards}
    for rule, about in exclusions.items():
        assert rule.endswith("-rule")
        assert len(about["reason"]) > 20
        for entry in about.get("entries", []):
            panels = titles[entry["dashboard"]]
            assert entry.get("panel", min(panels)) in panels
