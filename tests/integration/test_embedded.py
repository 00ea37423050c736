"""The embedded server: attached to, killed, left behind, found again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from finops_exporter.errors import StoreError
from finops_exporter.store.embedded import (
    ROOT_HOME,
    EmbeddedPostgres,
    default_data_dir,
)
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

AS_ROOT = os.geteuid() == 0

HOLDER = """
import sys
from pathlib import Path
from finops_exporter.store.embedded import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]))
print(server.start(), flush=True)
sys.stdin.readline()
server.stop()
"""


@pytest.fixture
def data_dir() -> Iterator[Path]:
    home = (ROOT_HOME if AS_ROOT else ROOT / ".cache") / f"embedded-{uuid.uuid4().hex[:8]}"
    yield home / "postgres"
    pid = _postmaster(home / "postgres")
    if pid is not None:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGQUIT)
        _until_gone(pid)
    shutil.rmtree(home, ignore_errors=True)


def _postmaster(data_dir: Path) -> int | None:
    try:
        return int((data_dir / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, IndexError, ValueError):
        return None


def _until_gone(pid: int) -> None:
    for _ in range(600):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            return
        if state == "Z":
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} does not end")


def holder(data_dir: Path) -> subprocess.Popen[str]:
    """Another process that holds the server until its stdin ends."""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "exporter")}
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=env,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("postgresql://")
    return process


def remember(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS memory (word text)")
        connection.execute("INSERT INTO memory VALUES ('kept')")


def recall(url: str) -> list[tuple[str]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT word FROM memory").fetchall()


def test_data_survive_a_restart_and_the_last_handle_ends_the_server(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    remember(server.start())
    pid = _postmaster(data_dir)
    assert pid is not None
    server.stop()
    _until_gone(pid)
    again = EmbeddedPostgres(data_dir)
    assert recall(again.start()) == [("kept",)]
    again.stop()


def test_a_second_process_attaches_and_either_may_leave_first(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    url = server.start()
    pid = _postmaster(data_dir)
    other = holder(data_dir)
    assert _postmaster(data_dir) == pid
    server.stop()
    remember(url)
    other.communicate("\n")
    assert other.returncode == 0
    assert pid is not None
    _until_gone(pid)


def test_a_killed_holder_does_not_keep_the_server_for_ever(data_dir: Path) -> None:
    dead = holder(data_dir)
    dead.kill()
    dead.communicate()
    server = EmbeddedPostgres(data_dir)
    remember(server.start())
    pid = _postmaster(data_dir)
    assert pid is not None
    server.stop()
    _until_gone(pid)


def test_a_killed_server_is_started_again_with_its_data(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir)
    remember(server.start())
    pid = _postmaster(data_dir)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    _until_gone(pid)
    server.stop()
    again = EmbeddedPostgres(data_dir)
    assert recall(again.start()) == [("kept",)]
    again.stop()


def test_two_first_starts_at_once_share_one_server(data_dir: Path) -> None:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "exporter")}
    both = [
        subprocess.Popen(
            [sys.executable, "-c", HOLDER, data_dir],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=env,
        )
        for _ in range(2)
    ]
    urls = []
    for process in both:
        assert process.stdout is not None
        urls.append(process.stdout.readline())
    assert urls[0] == urls[1]
    assert urls[0].startswith("postgresql://")
    for process in both:
        process.communicate("\n")
        assert process.returncode == 0


def test_the_folder_follows_xdg_and_root_has_its_own() -> None:
    found = default_data_dir({"XDG_DATA_HOME": "/data", "HOME": "/home/me"})
    expected = ROOT_HOME / "postgres" if AS_ROOT else Path("/data/finops-exporter/postgres")
    assert found == expected


@pytest.mark.skipif(not AS_ROOT, reason="only root needs a folder that another user can reach")
def test_root_does_not_open_a_private_home(tmp_path: Path) -> None:
    private = tmp_path / "private"
    private.mkdir(mode=0o700)
    with pytest.raises(StoreError, match="a folder above it is private"):
        EmbeddedPostgres(private / "postgres").start()
    assert private.stat().st_mode & 0o777 == 0o700


def test_a_blank_in_the_path_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="a blank is in its path"):
        EmbeddedPostgres(tmp_path / "my data" / "postgres").start()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(StoreError, match=r"cannot make the data folder .*file/x/postgres"):
        EmbeddedPostgres(file / "x" / "postgres").start()
