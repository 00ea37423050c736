from __future__ import annotations

import sys
from pathlib import Path

import pytest

from finops_exporter.memory import give_back


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, which Linux has")
def test_what_was_freed_in_small_pieces_goes_back() -> None:
    pieces = [bytearray(600) for _ in range(100_000)]
    kept = pieces[::1000]  # so that the heap cannot shrink by itself
    full = resident_bytes()
    del pieces
    give_back()
    assert len(kept) == 100
    assert resident_bytes() < full - 30_000_000
