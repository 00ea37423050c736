"""Which series are shown one by one in a month: chosen by whoever comes first, then kept."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from finops_exporter.store.database import LOCK_SPACE, Connection, Database, rows, run

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

Member: TypeAlias = tuple[str, ...]
Choice: TypeAlias = dict[Member, bool]
"""Whether each member is shown; one that is missing has not been seen in the month yet."""


class Scope(NamedTuple):
    """What a choice holds for: a provider's billing month, the dimensions, and how many fit in."""

    provider: str
    month: date
    dimensions: str
    max_series: int


def chosen(database: Database, scope: Scope) -> Choice:
    """What was chosen so far; empty when nothing had to be. Raises StoreError."""
    with database.connection() as connection:
        return _read(connection, scope)


def choose(database: Database, scope: Scope, newcomers: Callable[[Choice], Choice]) -> Choice:
    """Add to what was chosen so far, one process after the other; raises StoreError.

    `newcomers` is given the choice so far and returns what it lacks.
    """
    with database.connection() as connection, connection.transaction():
        run(connection, "lock_members", {"space": LOCK_SPACE})
        known = _read(connection, scope)
        added = newcomers(known)
        columns = {
            "members": [json.dumps(member, ensure_ascii=False) for member in added],
            "shown": list(added.values()),
        }
        run(connection, "add_series_members", scope._asdict() | columns)
        run(connection, "forget_series_members", scope._asdict())
    return known | added


def _read(connection: Connection, scope: Scope) -> Choice:
    found = rows(connection, "series_members", scope._asdict())
    return {tuple(json.loads(member)): shown for member, shown in found}
