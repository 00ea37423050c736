"""The plan: which files there are, each once, and whether all places could be looked into."""

from __future__ import annotations

import gzip
import os
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from collectors.focus.support import TASK, ask, collector, csv_text, items_of, rows_in
from finops_exporter.model import Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.model import Plan


def write(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = csv_text({}).encode()
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def planned(folder: Path, *patterns: str) -> tuple[list[str], Plan]:
    """The keys of the plan, relative to the folder, and the plan."""
    plan = collector([folder / pattern for pattern in patterns]).plan(TASK, ask)
    return [str(Path(part.key).relative_to(folder)) for part in plan.parts], plan


def closed(folder: Path) -> Rejected:
    return Rejected(
        str(folder),
        "unreadable",
        "cannot be listed: Permission denied; allow the exporter to read and enter this folder,"
        " or narrow the pattern",
    )


def test_the_plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "b.csv", "a.csv", "deep/er/c.CSV")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COSTS", "deep")
    monkeypatch.setenv("HOME", str(tmp_path))
    plan = collector(["*.csv", "a.csv", "$COSTS/**/*.CSV", "~/b.csv"]).plan(TASK, ask)
    assert plan.unreadable == ()
    names = ["a.csv", "b.csv", "deep/er/c.CSV"]
    assert [part.key for part in plan.parts] == [str(tmp_path / name) for name in names]
    assert {part.size_bytes for part in plan.parts} == {len(csv_text({}))}
    assert (plan.requests, plan.cost_usd) == ({}, Decimal(0))
    assert (plan.whole, plan.withdraws) == (True, True)
    assert not collector(["a.csv"], missing_files="keep").plan(TASK, ask).withdraws


def test_a_file_that_is_none_of_ours(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("x")
    (tmp_path / "folder.csv").mkdir()
    keys, plan = planned(tmp_path, "*")
    assert (keys, plan.whole) == ([], True)
    assert plan.unreadable == (
        Rejected(
            str(tmp_path / "readme.txt"),
            "unsupported_format",
            "only .csv, .csv.gz, .parquet can be read; narrow the pattern",
        ),
    )


def test_a_pattern_without_a_file(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    pattern = str(tmp_path / "*.parquet")
    keys, plan = planned(tmp_path, "*.csv", "*.parquet")
    assert (keys, plan.whole) == (["a.csv"], False)
    message = "no file matches; correct the pattern, or export the files"
    assert plan.unreadable == (Rejected(pattern, "no_match", message),)


def test_a_file_without_a_state(tmp_path: Path) -> None:
    write(tmp_path, "a.csv")
    (tmp_path / "b.csv").symlink_to("gone.csv")
    keys, plan = planned(tmp_path, "*.csv")
    assert (keys, plan.whole) == (["a.csv"], False)
    message = "cannot be read: No such file or directory"
    assert plan.unreadable == (Rejected(str(tmp_path / "b.csv"), "unreadable", message),)


REACHING = ["**/*.csv", "**", "*/*.csv", "**/shut/*.csv", "[os]*/x*"]
BLIND = ["open/*.csv", "o*/*.csv", "*.csv", "*pen/**/*.csv"]


@pytest.fixture
def shut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that nobody may list, beside one that has files."""
    folder = tmp_path / "shut"
    write(tmp_path, "top.csv", "open/x.csv", "shut/x.csv", "shut/deep/x.csv")
    scandir = os.scandir

    def refuse(path: Any) -> Iterator[Any]:
        if Path(path) == folder:
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    return folder


@pytest.mark.parametrize("pattern", REACHING)
def test_a_folder_that_cannot_be_listed(shut: Path, pattern: str) -> None:
    _, plan = planned(shut.parent, "top.csv", pattern)
    assert [each for each in plan.unreadable if each.reason != "no_match"] == [closed(shut)]
    assert not plan.whole
    assert str(shut.parent / "top.csv") in {part.key for part in plan.parts}


@pytest.mark.parametrize("pattern", BLIND)
def test_a_pattern_that_does_not_lead_there(shut: Path, pattern: str) -> None:
    _, plan = planned(shut.parent, pattern)
    assert (plan.unreadable, plan.whole) == ((), True)
    assert plan.parts


def test_a_known_name_in_a_folder_that_cannot_be_listed(shut: Path) -> None:
    keys, plan = planned(shut.parent, "*/x.csv")
    assert (keys, plan.whole) == (["open/x.csv", "shut/x.csv"], True)


def test_patterns_from_the_working_directory(shut: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shut.parent)
    plan = collector(["**/x.csv"]).plan(TASK, ask)
    assert plan.unreadable == (closed(shut),)


def test_the_folder_of_root_on_a_volume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a.csv")
    (tmp_path / "lost+found").mkdir()
    scandir = os.scandir

    def refuse(path: Any) -> Iterator[Any]:
        if Path(path).name == "lost+found":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    keys, plan = planned(tmp_path, "**/*.csv")
    assert (keys, plan.unreadable, plan.whole) == (["a.csv"], (), True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
@pytest.mark.parametrize("mode", [0o000, 0o400, 0o100])
@pytest.mark.parametrize("pattern", ["**/*.csv", "*/*/x.csv", "**"])
def test_a_folder_without_rights(tmp_path: Path, pattern: str, mode: int) -> None:
    write(tmp_path, "open/deep/x.csv", "shut/deep/x.csv")
    folder = tmp_path / "shut"
    folder.chmod(mode)
    try:
        keys, plan = planned(tmp_path, pattern)
    finally:
        folder.chmod(0o700)
    assert (keys, plan.whole) == (["open/deep/x.csv"], False)
    # Where names are seen but may not be looked up, `**` cannot tell folders from files.
    found = [each for each in plan.unreadable if each.reason == "unreadable"]
    assert found == [closed(folder)]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may enter every folder")
def test_a_known_name_in_a_folder_without_rights(tmp_path: Path) -> None:
    write(tmp_path, "open/x.csv", "shut/x.csv")
    folder = tmp_path / "shut"
    folder.chmod(0)
    try:
        keys, plan = planned(tmp_path, "*/x.csv")
    finally:
        folder.chmod(0o700)
    assert (keys, plan.unreadable, plan.whole) == (["open/x.csv"], (closed(folder),), False)


@pytest.mark.parametrize("link", ["2026-00.csv", "latest.csv"])
def test_a_link_is_the_file_that_it_names(tmp_path: Path, link: str) -> None:
    write(tmp_path, "2026-10.csv", "2026-11.csv")
    (tmp_path / link).symlink_to("2026-11.csv")
    keys, plan = planned(tmp_path, "*.csv")
    assert (keys, plan.unreadable, plan.whole) == (["2026-10.csv", "2026-11.csv"], (), True)
    assert sum(row.billed for row in rows_in(items_of(tmp_path / "*.csv"))) == Decimal("2.50")
    assert planned(tmp_path, link)[0] == [link]


def test_a_link_to_a_folder_below_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/b/x.csv")
    (tmp_path / "real" / "a").symlink_to("b")
    (tmp_path / "data").symlink_to("real")
    keys, plan = planned(tmp_path, "data/*/*.csv")
    assert (keys, plan.unreadable, plan.whole) == (["data/b/x.csv"], (), True)


def test_two_names_of_one_file(tmp_path: Path) -> None:
    write(tmp_path, "b.csv")
    (tmp_path / "a.csv").hardlink_to(tmp_path / "b.csv")
    keys, plan = planned(tmp_path, "*.csv")
    assert (keys, plan.unreadable, plan.whole) == (["a.csv"], (), True)


def test_a_file_beside_its_compressed_self(tmp_path: Path) -> None:
    write(tmp_path, "a.csv.gz", "b.CSV", "b.CSV.GZ", "c.csv", "d/c.csv.gz")
    (tmp_path / "latest.csv").symlink_to("b.CSV")
    (tmp_path / "latest.csv.gz").symlink_to("b.CSV.GZ")
    keys, plan = planned(tmp_path, "**")
    assert (keys, plan.whole) == (["a.csv.gz", "b.CSV", "c.csv", "d/c.csv.gz"], True)
    message = (
        f"is {tmp_path / 'b.CSV'} once more, compressed; remove one of the two or narrow the"
        " pattern"
    )
    assert plan.unreadable == (Rejected(str(tmp_path / "b.CSV.GZ"), "duplicate_file", message),)
    assert planned(tmp_path, "b.CSV.GZ")[0] == ["b.CSV.GZ"]
