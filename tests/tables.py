"""Tables of tests, which are printed when all is done: what workers print themselves is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import pytest

Record: TypeAlias = "Callable[[str, object], None]"
"""pytest's fixture `record_property`."""

_TABLE, _ROW = "table", "row"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their longest text."""
    lines = [head, *rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def show(record: Record, title: str, text: str) -> None:
    """Have the table printed at the end."""
    record(_TABLE, f"{title}\n{text}")


def show_row(record: Record, title: str, head: Sequence[str], row: Sequence[str]) -> None:
    """Have the row printed at the end, in one table with those of other tests."""
    record(_ROW, "\n".join("\t".join(cells) for cells in ([title], head, row)))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the tables of all tests, whichever worker has run them."""
    told = [
        (name, str(text))
        for report in terminalreporter.stats.get("", ())  # those of setups and teardowns
        if report.when == "teardown"
        for name, text in report.user_properties
    ]
    found = [text.split("\n", 1) for name, text in told if name == _TABLE]
    for title, text in [*found, *_joined([text for name, text in told if name == _ROW])]:
        terminalreporter.section(title)
        terminalreporter.write_line(text)


def _joined(rows: Iterable[str]) -> list[tuple[str, str]]:
    tables: dict[tuple[str, str], list[list[str]]] = {}
    for one in rows:
        title, head, row = one.split("\n")
        tables.setdefault((title, head), []).append(row.split("\t"))
    return [
        (title, table(head.split("\t"), sorted(found))) for (title, head), found in tables.items()
    ]
