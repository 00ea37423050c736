"""The named statements of queries.sql: SQL lives in .sql files, Python only calls it by name."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

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
    """All statements of queries.sql by name."""
    return parse(files(__package__).joinpath("queries.sql").read_text(encoding="utf-8"))


def sql(name: str) -> bytes:
    """The statement called `name`; raises KeyError when there is none."""
    return statements()[name]
