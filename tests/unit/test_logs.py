from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import structlog

from finops_exporter import logs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def written(capsys: pytest.CaptureFixture[str]) -> list[str]:
    log = structlog.get_logger()
    for level in ("debug", "info", "warning", "error"):
        getattr(log, level)("something happened", level_given=level)
    return capsys.readouterr().err.splitlines()


@pytest.mark.parametrize(
    ("level", "quiet", "lines"),
    [
        ("debug", False, 4),
        ("info", False, 3),
        ("warning", False, 2),
        ("error", False, 1),
        ("debug", True, 2),
        ("error", True, 1),
    ],
)
def test_what_is_below_the_level_is_not_written(
    level: str,
    quiet: bool,  # noqa: FBT001 -- a table's column
    lines: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    logs.configure(level=level, quiet=quiet)
    assert len(written(capsys)) == lines


def test_away_from_a_terminal_lines_are_json(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure()
    for line in written(capsys):
        entry = json.loads(line)
        assert entry["event"] == "something happened"
        assert entry["level"] == entry["level_given"]
        assert entry["timestamp"].endswith("Z")


def test_logfmt_has_time_level_and_event_first(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form="logfmt")
    line, *_ = written(capsys)
    assert [pair.partition("=")[0] for pair in line.split()][:3] == ["timestamp", "level", "event"]
    assert 'level=info event="something happened" level_given=info' in line


def test_console_can_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form="console")
    assert all(line[0] != "{" and "something happened" in line for line in written(capsys))


@pytest.mark.parametrize("form", ["json", "logfmt", "console"])
def test_tracebacks_show_no_variables(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(form=form)
    secret = "-".join(["hidden", "in", "a", "variable"])  # noqa: FLY002 -- not in the source line
    try:
        int(secret[:0])
    except ValueError:
        structlog.get_logger().exception("it went wrong")
    said = capsys.readouterr().err
    assert "ValueError" in said
    assert "hidden-in-a-variable" not in said
