"""The named statements of our .sql files: SQL lives there, Python only calls it by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_FILES = (
    "queries.sql",
    "ai_gauges.sql",
    "ai_usage.sql",
    "anomalies.sql",
    "as_of.sql",
    "budgets.sql",
    "checks.sql",
    "ledger.sql",
    "tokens.sql",
    "wal.sql",
)
_NAME = re.compile(r"^-- name: (\w+)$", re.MULTILINE)


def parse(text: str) -> dict[str, bytes]:
    """Split a file at its `-- name: NAME` lines; raises ValueError at a name that comes twice."""
    pieces = _NAME.split(text)
    statements: dict[str, bytes] = {}
    for name, body in zip(pieces[1::2], pieces[2::2], strict=True):
        if name in statements:
            raise ValueError(f"two statements are called {name!r}")
        statements[name] = body.strip().encode()
    return statements


@cache
def statements() -> dict[str, bytes]:
    """All statements by name; raises ValueError at a name that two files have."""
    found: dict[str, bytes] = {}
    for file in _FILES:
        # Each by itself: what a file begins with is not the end of the one before.
        own = parse(files(__package__).joinpath(file).read_text(encoding="utf-8"))
        if twice := found.keys() & own.keys():
            raise ValueError(f"two statements are called {min(twice)!r}")
        found |= own
    return found


def sql(name: str) -> bytes:
    """The statement called `name`; raises KeyError when there is none."""
    return statements()[name]
