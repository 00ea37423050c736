from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from finops_exporter import serving
from finops_exporter.config import load
from finops_exporter.store.database import Database

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("text", "expected"), [("ai: {}", True), ("ai: {enabled: false}", False)])
def test_ai_budgets_are_shown_unless_they_are_switched_off(
    tmp_path: Path, text: str, *, expected: bool
) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    database = Database("postgresql://nobody@127.0.0.1:1/none")
    parts = serving._parts(load(file, {}), database, [])  # noqa: SLF001 - what serve is made of
    assert parts.exposition.shows_ai is expected
