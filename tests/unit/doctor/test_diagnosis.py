from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter import collectors
from finops_exporter.config import load
from finops_exporter.doctor.diagnosis import diagnose

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_a_library_that_a_source_lacks_is_named_without_being_imported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def find(name: str) -> None:
        asked.append(name)

    monkeypatch.setattr(collectors, "find_spec", find)
    file = tmp_path / "config.yaml"
    file.write_text(
        f"database: {{data_dir: {tmp_path}/none}}\n"
        "collectors:\n"
        "  - {type: focus, name: one, paths: [a.csv]}\n"
        "  - {type: focus, name: two, paths: [b.csv]}\n"
    )
    found = diagnose(load(file, {}), {}, quick=False)
    assert [one.message for one in found if one.check == "configuration"] == [
        "focus needs duckdb: pip install 'finops-exporter[focus]'"
    ]
    assert asked == ["duckdb"]
