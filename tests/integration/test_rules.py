"""Prometheus' own promtool on rules/: syntax and lint, and tests/rules/*_test.yaml file by file.

It is Debian's 2.42, the oldest that the rules are for, and the promtool on PATH, if there is one: a
new one shows whether the newest Prometheus agrees.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from shared import ROOT, program_of, tool

RULES = sorted((ROOT / "rules").glob("*.yaml"))
TESTS = sorted((ROOT / "tests/rules").glob("*_test.yaml"))


def promtools() -> list[Path | None]:
    """Those that are here, each once; None where there is none, which skips or fails."""
    on_path = shutil.which("promtool")
    found = [program_of("prometheus", "promtool"), Path(on_path) if on_path else None]
    return list(dict.fromkeys(one.resolve() for one in found if one)) or [None]


PROMTOOLS = promtools()
each_promtool = pytest.mark.parametrize(
    "promtool", PROMTOOLS, ids=["default", "on_path"][: len(PROMTOOLS)]
)


def run(promtool: Path | None, *arguments: str | Path) -> None:
    program = promtool or tool("prometheus", "promtool")
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@each_promtool
def test_the_rules_are_loaded_and_have_no_lint(promtool: Path | None) -> None:
    run(promtool, "check", "rules", "--lint-fatal", *RULES)


@each_promtool
@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.stem.removesuffix("_test"))
def test_rules(promtool: Path | None, file: Path) -> None:
    run(promtool, "test", "rules", file)
