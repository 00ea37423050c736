"""How long each alert took from its cause to its first message, as a table at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tables import show_row

if TYPE_CHECKING:
    from tables import Record

TITLE = "from cause to message"
HEAD = ("alert", "cause", "s to firing", "s to resolved", "told to")


@dataclass
class Delay:
    """Seconds from the cause, and from its end; None where that was not looked at."""

    alert: str
    cause: str
    firing: float | None = None
    resolved: float | None = None
    receivers: tuple[str, ...] = ()

    def show(self, record: Record) -> None:
        """Have it printed at the end."""
        seconds = ["-" if one is None else f"{one:.1f}" for one in (self.firing, self.resolved)]
        row = [self.alert, self.cause, *seconds, ", ".join(self.receivers)]
        show_row(record, TITLE, HEAD, row)
