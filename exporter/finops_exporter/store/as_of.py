"""The store as it was at past moments, through what reads it as it is now."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from finops_exporter.store.database import rows, run, value

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from finops_exporter.store.budgets import Reached
    from finops_exporter.store.database import Connection, Database

BUCKETS_FOR = timedelta(days=9)
"""Usage by five minutes is kept as long as what is served looks back."""

_FORGET_EVERY = timedelta(days=1)


class Past:
    """Moves through the past: whoever reads `database` sees it as it was at the moment.

    One thread reads it, and all that it reads comes from one state of the store. Days that were not
    over at the moment are left out, and so is what nobody knows any more.

    `first_day` is the first stored day of costs, `first_call` when the oldest AI call was made that
    is kept; None: there is none.
    """

    def __init__(
        self,
        database: Database,
        connection: Connection,
        first_day: date | None,
        first_call: datetime | None,
    ) -> None:
        self.database = database
        self.first_day = first_day
        self.first_call = first_call
        self._connection = connection
        self._cut: date | None = None
        self._counted_until: datetime | None = None
        self._forgotten_at: datetime | None = None

    def move(self, at: datetime) -> None:
        """Be at a moment (aware UTC)."""
        run(self._connection, "set_as_of", {"at": at})
        if at.date() != self._cut:
            run(self._connection, "empty_past_months")
            run(self._connection, "fill_past_months")
            self._cut = at.date()

    def latch(self, reached: Sequence[Reached]) -> None:
        """Have thresholds stay reached at all later moments, as whoever was there would have."""
        columns = {
            "names": [one.name for one in reached],
            "starts": [one.period_start for one in reached],
            "thresholds": [one.threshold for one in reached],
        }
        if reached:
            run(self._connection, "latch_past_thresholds", columns)

    def move_ai(self, at: datetime) -> None:
        """Have AI budgets be at a moment (a multiple of five minutes), later than the last one."""
        if self._counted_until is None:
            run(self._connection, "create_past_ai")
        spans = {"since": self._counted_until, "until": at}
        run(self._connection, "add_past_calls", spans)
        self._counted_until = at
        if self._forgotten_at is None or at - self._forgotten_at >= _FORGET_EVERY:
            run(self._connection, "forget_past_calls", {"before": at - BUCKETS_FOR})
            self._forgotten_at = at


@contextmanager
def past(database: Database) -> Iterator[Past]:
    """Let `database` be read as it was; it does not change by that. Raises StoreError."""
    with database.consistent() as consistent, consistent.connection() as connection:
        first_day: date | None = rows(connection, "stored_days")[0][0]
        first_call: datetime | None = value(connection, "oldest_call")
        run(connection, "create_past")
        yield Past(consistent, connection, first_day, first_call)
