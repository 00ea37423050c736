"""The time by the clock of the database's server, which all replicas share.

What replicas say is compared: whose values are freshest, when a source was read last. A machine
whose clock is wrong must not win, nor look as if it stood still.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from finops_exporter.errors import StoreError
from finops_exporter.store.checks import server_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from finops_exporter.store.database import Database

log = structlog.get_logger()

AGREED = timedelta(seconds=2)
"""Clocks that are no further apart agree: nothing that is compared depends on less."""


class ServerClock:
    """Gives the time (aware UTC) by `ours`, put right by what `look` has seen last."""

    def __init__(self, database: Database, ours: Callable[[], datetime]) -> None:
        self._database = database
        self._ours = ours
        self._ahead = timedelta(0)

    def __call__(self) -> datetime:
        """The time now; asks nobody."""
        return self._ours() - self._ahead

    def look(self) -> None:
        """Compare the two clocks; blocks. While the server does not answer, the last look holds."""
        try:
            with self._database.connection() as connection:
                began = self._ours()
                theirs = server_clock(connection)
                ended = self._ours()
        except StoreError:
            return
        ahead = began + (ended - began) / 2 - theirs
        # The server may have told it at the beginning or at the end of a long answer, and ours may
        # have been set meanwhile: what it could be as well is no news.
        doubt = abs(ended - began) / 2
        if abs(ahead - self._ahead) <= doubt:
            return
        if abs(ahead) <= AGREED + doubt:
            ahead = timedelta(0)
        before, self._ahead = self._ahead, ahead
        if abs(ahead - before) <= AGREED:
            return
        if ahead:
            log.warning(
                "this machine's clock is wrong, or the database's; the database's counts: set both "
                "by NTP",
                ahead_seconds=round(ahead.total_seconds()),
            )
        else:
            log.info("this machine's clock and the database's agree again")
