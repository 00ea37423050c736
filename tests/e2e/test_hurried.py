"""In the hurried rules nothing but durations is another than in those that we ship."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING, Any

import promql_parser
import pytest
import yaml

from e2e.hurried import RULES, hurried, hurried_files, windows
from shared import tool

if TYPE_CHECKING:
    from pathlib import Path

FILES = sorted(RULES.glob("*.yaml"))
WAITS = {"for", "keep_firing_for"}


def without_durations(value: Any) -> Any:
    """A T for what reads as a duration in brackets or behind `offset`, and without what waits."""
    if isinstance(value, dict):
        return {key: without_durations(one) for key, one in value.items() if key not in WAITS}
    if isinstance(value, list):
        return [without_durations(one) for one in value]
    return re.sub(r"(\[|:|offset )[0-9]+(ms|[smhd])(?=[]:) \n]|$)", r"\1T", str(value))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_only_durations_change(file: Path) -> None:
    shipped = yaml.safe_load(file.read_text(encoding="utf-8"))
    short = hurried(shipped)
    for before, after in zip(shipped["groups"], short["groups"], strict=True):
        assert {*before} - {*after} <= {"interval"}
        assert before["name"] == after["name"]
        assert without_durations(after["rules"]) == without_durations(before["rules"])
        for old, new in zip(before["rules"], after["rules"], strict=True):
            assert {*old} == {*new}
            assert {new.get(wait, "1s") for wait in WAITS} == {"1s"}
            promql_parser.parse(new["expr"])
            assert ("[" in old["expr"]) == (new["expr"] != old["expr"])


def test_prometheus_takes_them(tmp_path: Path) -> None:
    promtool = tool("prometheus", "promtool")
    files = hurried_files(tmp_path / "rules")
    checked = subprocess.run(
        [promtool, "check", "rules", *files], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert [file.name for file in files] == [file.name for file in FILES]


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("x[30m]", "x[5000ms]"),
        ("x[30m] offset 330m > 7 * 86400", "x[5000ms] offset 55000ms > 7 * 86400"),
        ("x[7d:1h]", "x[1680000ms:10000ms]"),
        ("x[1d] unless x offset 1h30m", "x[240000ms] unless x offset 15000ms"),
        ('x{a="30m"} offset 5m', 'x{a="30m"} offset 833ms'),
    ],
)
def test_windows_have_a_floor_and_steps_have_none(text: str, short: str) -> None:
    assert windows(text, 360) == short
