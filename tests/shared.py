"""Where the shared real data lies; tests that need it skip with a reason where it does not."""

from __future__ import annotations

import os
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
