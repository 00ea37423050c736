from __future__ import annotations

from pathlib import Path

import pytest

from finops_exporter.errors import FinopsError
from finops_exporter.new_file import replaced


def test_a_file_is_replaced_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"before")
    with replaced(path) as file:
        file.write(b"after")
        assert path.read_bytes() == b"before"
    assert path.read_bytes() == b"after"
    assert list(tmp_path.iterdir()) == [path]


def test_links_are_followed_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    target, link = elsewhere / "file", tmp_path / "link"
    link.symlink_to(target)
    with replaced(link) as file:
        file.write(b"new")
    target.chmod(0o600)
    with replaced(link) as file:
        file.write(b"newer")
    assert (link.is_symlink(), target.read_bytes()) == (True, b"newer")
    assert target.stat().st_mode & 0o777 == 0o600
    assert list(elsewhere.iterdir()) == [target]


@pytest.mark.parametrize("cause", [ValueError, SystemExit])
def test_a_file_that_was_cut_short_leaves_nothing(
    tmp_path: Path, cause: type[BaseException]
) -> None:
    def write() -> None:
        with replaced(tmp_path / "file") as file:
            file.write(b"half")
            raise cause

    with pytest.raises(cause):
        write()
    assert list(tmp_path.iterdir()) == []


def test_what_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(FinopsError, match="it is no ordinary file"), replaced(tmp_path):
        pass
    with pytest.raises(FinopsError, match="it is no ordinary file"), replaced(Path("/")):
        pass
    missing = tmp_path / "none" / "file"
    with pytest.raises(FinopsError, match="No such file or directory"), replaced(missing):
        pass
    below_a_file = tmp_path / "file" / "below"
    below_a_file.parent.touch()
    with pytest.raises(FinopsError, match="Not a directory"), replaced(below_a_file):
        pass
    with pytest.raises(FinopsError, match="name too long"), replaced(tmp_path / ("x" * 300)):
        pass
