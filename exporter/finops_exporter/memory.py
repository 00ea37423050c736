"""Gives memory back that a large piece of work has left behind."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return what is free to the system, where its C library can (glibc).

    After a run or a refresh most of what they held is free, but scattered: the heap keeps it, and
    a process that is idle for hours looks as large as it was at its busiest.
    """
    if sys.platform == "linux" and hasattr(library := ctypes.CDLL(None), "malloc_trim"):
        library.malloc_trim(0)
