"""Where the shared real data lies; tests that need it skip with a reason where it does not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def shared_data(relative: str) -> Path:
    """The path of a file or folder below the shared data, or a skip that says how to get it."""
    base = Path(os.environ.get("FINOPS_SHARED_DATA", "../shared/data"))
    path = (base if base.is_absolute() else ROOT / base) / relative
    if not path.exists():
        pytest.skip(f"needs {relative} of the shared data; set FINOPS_SHARED_DATA to its folder")
    return path


def tool(package: str, program: str) -> Path:
    """A program that `make tools` unpacks, or one on PATH; a skip that says how to get it."""
    unpacked = ROOT / ".cache" / "tools" / package / "usr" / "bin" / program
    if unpacked.exists():
        return unpacked
    if found := shutil.which(program):
        return Path(found)
    reason = f"needs {program}: run `make tools` where apt exists, or put {program} on PATH"
    if os.environ.get("FINOPS_REQUIRE_TOOLS"):
        pytest.fail(reason)
    pytest.skip(reason)
