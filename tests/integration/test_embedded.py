"""The embedded server: attached to, killed, left behind, found again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import uuid
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import psutil
import psycopg
import pytest

from finops_exporter.errors import StoreError
from finops_exporter.store.embedded import (
    ROOT_HOME,
    EmbeddedPostgres,
    _get_server,
    _prune_dead_handles,
    default_data_dir,
)
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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


def spawn(data_dir: Path) -> subprocess.Popen[str]:
    """Another process, in a group of its own, that holds the server until its stdin ends."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDER, data_dir],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "exporter")},
        start_new_session=True,
    )


def holder(data_dir: Path) -> subprocess.Popen[str]:
    """Such a process once it holds the server."""
    process = spawn(data_dir)
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
    both = [spawn(data_dir) for _ in range(2)]
    urls = []
    for process in both:
        assert process.stdout is not None
        urls.append(process.stdout.readline())
    assert urls[0] == urls[1]
    assert urls[0].startswith("postgresql://")
    for process in both:
        process.communicate("\n")
        assert process.returncode == 0


@pytest.mark.parametrize("kill", [os.killpg, os.kill], ids=["with-initdb", "initdb-goes-on"])
def test_a_first_start_killed_half_way_leaves_nothing_in_the_way(
    data_dir: Path, kill: Callable[[int, int], None]
) -> None:
    process = spawn(data_dir)
    while not list(data_dir.parent.glob("postgres.unfinished-*/PG_VERSION")):
        assert process.poll() is None
        time.sleep(0.005)
    helpers = psutil.Process(process.pid).children(recursive=True)
    kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert list(data_dir.parent.glob("postgres.unfinished-*"))
    assert not data_dir.exists()

    data_dir.mkdir()  # an empty one is as good as none
    server = EmbeddedPostgres(data_dir)
    remember(server.start())
    server.stop()
    for helper in helpers:
        _until_gone(helper.pid)
    again = EmbeddedPostgres(data_dir)
    assert recall(again.start()) == [("kept",)]
    again.stop()
    assert not list(data_dir.parent.glob("postgres.unfinished-*"))


def test_a_folder_of_something_else_is_refused_and_left_alone(data_dir: Path) -> None:
    data_dir.mkdir(parents=True)
    (data_dir / "thesis.txt").write_text("mine")
    with pytest.raises(StoreError, match="neither empty nor a PostgreSQL data folder"):
        EmbeddedPostgres(data_dir).start()
    assert [(file.name, file.read_text()) for file in data_dir.iterdir()] == [
        ("thesis.txt", "mine")
    ]


@pytest.mark.parametrize("folder_exists", [True, False])
def test_a_start_that_leaves_no_log_is_not_tried_again(
    tmp_path: Path, *, folder_exists: bool
) -> None:
    data_dir = tmp_path / "postgres"
    if folder_exists:
        data_dir.mkdir()
    tries = []

    def get_server(folder: Path, **_: str) -> None:
        tries.append(folder)
        (folder / "log").read_text()

    library = SimpleNamespace(
        get_server=get_server, PostgresServer=SimpleNamespace(_lock=nullcontext(), _instances={})
    )
    with pytest.raises(StoreError, match=r"does not start \(it left no log\)$"):
        _get_server(library, data_dir)
    assert tries == [data_dir]


def test_dead_handles_are_forgotten_under_the_lock(tmp_path: Path) -> None:
    handles = tmp_path / ".handle_pids.json"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    handles.write_text(json.dumps([dead.pid]))

    @contextmanager
    def another_attaches_before_we_get_the_lock() -> Iterator[None]:
        handles.write_text(json.dumps([dead.pid, os.getpid()]))
        yield
        assert json.loads(handles.read_text()) == [os.getpid()]

    _prune_dead_handles(tmp_path, another_attaches_before_we_get_the_lock())
    assert json.loads(handles.read_text()) == [os.getpid()]


def test_a_path_too_long_for_a_socket_is_refused_at_once(tmp_path: Path) -> None:
    data_dir = tmp_path / ("ä" * 60) / "postgres"  # 120 bytes
    with pytest.raises(StoreError, match=r"103 is the limit\. Choose a shorter database\.data_dir"):
        EmbeddedPostgres(data_dir).start()
    assert not data_dir.parent.exists()


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
