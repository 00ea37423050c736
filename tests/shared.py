"""Where the shared real data lies; tests that need it skip with a reason where it does not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local_stack.installed import ROOT, program_of

__all__ = ["NO_AWS", "ROOT", "program_of", "shared_data", "tool"]

NO_AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
"""Variables with credentials that open nothing."""


def shared_data(relative: str) -> Path:
    """The path of a file or folder below the shared data, or a skip that says how to get it."""
    base = Path(os.environ.get("FINOPS_SHARED_DATA", "../shared/data"))
    path = (base if base.is_absolute() else ROOT / base) / relative
    if not path.exists():
        pytest.skip(f"needs {relative} of the shared data; set FINOPS_SHARED_DATA to its folder")
    return path


def tool(package: str, program: str) -> Path:
    """A program that `make tools` unpacks, or one on PATH; a skip that says how to get it."""
    if found := program_of(package, program):
        return found
    reason = f"needs {program}: run `make tools` where apt exists, or put {program} on PATH"
    if os.environ.get("FINOPS_REQUIRE_TOOLS"):
        pytest.fail(reason)
    pytest.skip(reason)
