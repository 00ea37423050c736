"""The reading process: it comes to its end with, and never instead of, the one that started it."""

from __future__ import annotations

import importlib.util
import os
import select
import signal
import subprocess
import sys
import tempfile
from itertools import chain
from typing import TYPE_CHECKING, Any

import duckdb
import pytest

from collectors.focus.support import (
    TAGS,
    TASK,
    ask,
    collector,
    csv_text,
    items_of,
    rejection_in,
    rows_in,
)
from finops_exporter.collectors import collector_class
from finops_exporter.collectors.focus import collector as focus
from finops_exporter.errors import CollectError
from finops_exporter.model import Complete, Progress, Rejected

if TYPE_CHECKING:
    from pathlib import Path

Child = subprocess.Popen[str]


@pytest.fixture
def spools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the reading process gets its private folder."""
    folder = tmp_path / "spools"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def children(monkeypatch: pytest.MonkeyPatch) -> list[Child]:
    """The reading processes that were started so far."""
    started: list[Child] = []
    popen = subprocess.Popen

    def record(*args: Any, **kwargs: Any) -> Child:
        child: Child = popen(*args, **kwargs)
        started.append(child)
        return child

    monkeypatch.setattr(subprocess, "Popen", record)
    return started


def files(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).write_text(csv_text({}))
    return [folder / name for name in names]


def test_one_process_reads_all_files(tmp_path: Path, spools: Path, children: list[Child]) -> None:
    assert len(rows_in(items_of(*files(tmp_path, "a.csv", "b.csv", "c.csv")))) == 3
    assert [child.returncode is not None for child in children] == [True]
    assert list(spools.iterdir()) == []


def test_a_killed_process_costs_one_file(
    tmp_path: Path, spools: Path, children: list[Child]
) -> None:
    source = collector(files(tmp_path, "a.csv", "b.csv"))
    items = source.collect(TASK, source.plan(TASK, ask), ask)
    first = next(items)
    children[0].kill()
    rest = list(items)
    (rejected,) = [item for item in rest if isinstance(item, Rejected)]
    assert first == Progress(rejected.part, 0, (tmp_path / "a.csv").stat().st_size)
    assert rejected == Rejected(
        str(tmp_path / "a.csv"),
        "reader_died",
        "the reading process was killed by SIGKILL; if memory ran short, give the container more"
        " or lower memory_limit (now 150MB)",
    )
    (complete,) = [item for item in rest if isinstance(item, Complete)]
    assert complete.part == str(tmp_path / "b.csv")
    assert [child.returncode is not None for child in children] == [True, True]
    assert list(spools.iterdir()) == []


def test_a_process_that_cannot_start_says_why(
    tmp_path: Path, spools: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(focus, "_READER", "finops_exporter.no_such_module")
    found = rejection_in(items_of(*files(tmp_path, "a.csv")))
    assert found.reason == "reader_died"
    assert "ended with status 1" in found.message
    assert "No module named finops_exporter.no_such_module" in found.message
    assert list(spools.iterdir()) == []


@pytest.mark.parametrize("error", [GeneratorExit, KeyboardInterrupt, RuntimeError])
def test_leaving_early_leaves_nothing_behind(
    tmp_path: Path, spools: Path, children: list[Child], error: type[BaseException]
) -> None:
    source = collector(files(tmp_path, "a.csv", "b.csv"))
    items = source.collect(TASK, source.plan(TASK, ask), ask)
    next(items)
    with pytest.raises(error):
        items.throw(error())  # type: ignore[attr-defined]
    assert [child.returncode for child in children] == [-signal.SIGKILL]
    assert list(spools.iterdir()) == []


def test_interrupts_are_left_to_the_parent(tmp_path: Path, children: list[Child]) -> None:
    source = collector(files(tmp_path, "a.csv"))
    items = source.collect(TASK, source.plan(TASK, ask), ask)
    first = next(items)
    children[0].send_signal(signal.SIGINT)
    assert len(rows_in(chain([first], items))) == 1


PARENT = """
import sys
from datetime import UTC, datetime
from finops_exporter.model import Task
from finops_exporter.collectors.focus import collector as focus
source = focus.FocusCollector("f", focus.FocusCollector.Config(paths=[sys.argv[1]]), {})
popen = focus.subprocess.Popen
def record(*args, **kwargs):
    child = popen(*args, **kwargs)
    print(child.pid, flush=True)
    return child
focus.subprocess.Popen = record
task = Task(datetime.now(UTC))
items = source.collect(task, source.plan(task, None), None)
next(items)
print("reading", flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="needs Linux to watch a foreign process")
@pytest.mark.parametrize("size", [1, 300_000])
def test_a_killed_parent_leaves_no_child(tmp_path: Path, size: int) -> None:
    """With many rows the child is in the middle of a query when its parent dies."""
    path, temporary = tmp_path / "cost.csv", tmp_path / "tmp"
    temporary.mkdir()
    header, row = csv_text({"SubAccountId": "#"}).splitlines()
    rows = f"SELECT replace('{row}', '#', i::VARCHAR) AS \"{header}\" FROM range({size}) t(i)"
    with duckdb.connect() as database:
        database.execute(f"COPY ({rows}) TO '{path}' (HEADER false, QUOTE '', DELIMITER '\t')")
    path.write_text(header + "\n" + path.read_text())
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"TMPDIR": str(temporary)},
    ) as parent:
        assert parent.stdout is not None
        watched = os.pidfd_open(int(parent.stdout.readline()))
        try:
            assert parent.stdout.readline() == b"reading\n"
            parent.kill()
            ended, _, _ = select.select([watched], [], [], 60)
        finally:
            os.close(watched)
    assert ended == [watched]
    assert list(temporary.iterdir()) == []


def test_text_of_any_script_whatever_the_locale(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    name = 'Caf\u00e9 \u8ca8 \U0001f600 \u2028 "x" \\'
    path = tmp_path / "a.csv"
    path.write_text(csv_text({"SubAccountId": name, "Tags": '{"team": "a\\nb\u8ca8"}'}), "utf-8")
    (row,) = rows_in(items_of(path))
    assert (row.account_id, row.tags) == (name, {"team": "a\nb\u8ca8"})


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "a.csv")
    source = collector([path])
    items = source.collect(TASK, source.plan(TASK, ask), ask)
    next(items)
    with path.open("a") as file:
        file.write(csv_text({}).splitlines()[1] + "\r\n")
    *_, last = items
    assert last == Rejected(
        str(path), "changed_while_read", "changed while it was read; it is read again next time"
    )


def test_a_file_that_vanishes_before_it_is_read(tmp_path: Path) -> None:
    paths = files(tmp_path, "a.csv", "b.csv")
    source = collector(paths)
    plan = source.plan(TASK, ask)
    paths[0].unlink()
    ends = [
        item for item in source.collect(TASK, plan, ask) if isinstance(item, Rejected | Complete)
    ]
    assert ends[0] == Rejected(
        str(paths[0]), "changed_while_read", "changed while it was read; it is read again next time"
    )
    assert isinstance(ends[1], Complete)


def test_too_little_memory(tmp_path: Path) -> None:
    found = rejection_in(items_of(*files(tmp_path, "a.csv"), memory_limit="1MB"))
    assert found.reason == "out_of_memory"
    assert "memory_limit = 1MB" in found.message


def test_what_changes_a_fingerprint(tmp_path: Path) -> None:
    (path,) = files(tmp_path, "a.csv")

    def fingerprint(tags: Any = None, **options: Any) -> str:
        (part,) = collector([path], tags, **options).plan(TASK, ask).parts
        return part.fingerprint

    first = fingerprint()
    assert fingerprint(memory_limit="1GB", missing_files="keep") == first
    assert fingerprint(TAGS | {"owner": ["owner"]}) != first
    assert fingerprint(defaults={"currency": "EUR"}) != first
    os.utime(path, ns=(1, 1))
    assert fingerprint() != first


def test_without_duckdb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(CollectError, match=r"'files' needs DuckDB: .*finops-exporter\[focus\]"):
        items_of(*files(tmp_path, "a.csv"))


def test_it_is_built_in() -> None:
    assert collector_class("focus") is focus.FocusCollector
