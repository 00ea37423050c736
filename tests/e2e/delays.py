"""How long each alert took from its cause to its first message, as a table at the end of a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

PROPERTY = "delay"
HEAD = ("alert", "cause", "s to firing", "s to resolved", "told to")


@dataclass
class Delay:
    """Seconds from the cause, and from its end; None where that was not looked at."""

    alert: str
    cause: str
    firing: float | None = None
    resolved: float | None = None
    receivers: tuple[str, ...] = ()

    @property
    def row(self) -> str:
        """Its cells, as pytest carries them from one process to another."""
        seconds = ["-" if one is None else f"{one:.1f}" for one in (self.firing, self.resolved)]
        return "\t".join([self.alert, self.cause, *seconds, ", ".join(self.receivers)])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what was measured."""
    reports = terminalreporter.stats.get("", [])  # where those of setup and teardown are
    found = [
        str(text).split("\t")
        for report in reports
        for name, text in report.user_properties
        if name == PROPERTY
    ]
    if not found:
        return
    rows = [list(HEAD), *sorted(found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    terminalreporter.section("from cause to message")
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        terminalreporter.write_line("  ".join(cells).rstrip())
