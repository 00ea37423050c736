"""The files that Grafana reads are what the Python beside them makes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dashboards.__main__ import FOLDER, made

if TYPE_CHECKING:
    from pathlib import Path

MADE = list(made())


@pytest.mark.parametrize(("file", "text"), MADE, ids=lambda one: getattr(one, "stem", ""))
def test_a_file_is_what_its_builder_makes(file: Path, text: str) -> None:
    assert file.read_text(encoding="utf-8") == text, "run: make dashboards"


def test_every_file_has_a_builder() -> None:
    assert sorted(file for file, _ in MADE) == sorted(FOLDER.glob("*.json"))
