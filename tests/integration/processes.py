"""Our own command as a process: started, watched, and ended by its id whatever happens."""

from __future__ import annotations

import os
import pty
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote, urlencode

import pytest
import structlog
import yaml
from click import unstyle
from click.testing import CliRunner, Result
from psycopg.conninfo import conninfo_to_dict

from finops_exporter.cli import main
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

T = TypeVar("T")

COMMAND = (sys.executable, "-m", "finops_exporter")
OWN_VARIABLES = ("DATABASE_URL", "FINOPS_CONFIG", "COLUMNS", "FORCE_COLOR")
"""What a developer may have set and a test must not see."""

WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
OWN_PORTS = range(12_000 + WORKER % 10 * 2_000, 14_000 + WORKER % 10 * 2_000)
"""The ports of this worker of a parallel run."""

_handed_out = count(os.getpid())

Process = subprocess.Popen[str]


def environment(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours without what would change the command's behaviour, and with `given`."""
    inherited = {key: text for key, text in os.environ.items() if key not in OWN_VARIABLES}
    return {**inherited, "PYTHONPATH": str(ROOT / "exporter"), **(given or {})}


def run(
    *arguments: object, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """The finished command with what it wrote."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=environment(env),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def invoke(*arguments: object, env: Mapping[str, str] | None = None) -> Result:
    """The command inside this process, which saves the second that a start takes."""
    hidden: dict[str, str | None] = dict.fromkeys(OWN_VARIABLES)
    try:
        return CliRunner(env=hidden | dict(env or {})).invoke(
            main, [*map(str, arguments)], prog_name="finops-exporter", catch_exceptions=False
        )
    finally:
        structlog.reset_defaults()  # it would write to a stderr that is closed by now


@contextmanager
def started(
    *arguments: object,
    command: tuple[str, ...] = COMMAND,
    env: Mapping[str, str] | None = None,
    output: int = subprocess.PIPE,
) -> Iterator[Process]:
    """The command under way, in a session of its own, so that `session_of` finds all it starts."""
    with subprocess.Popen(
        [*command, *map(str, arguments)],
        env=environment(env),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            for pid in session_of(process.pid):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def on_terminal(*arguments: object) -> tuple[int, str]:
    """The exit code, and all that a person sees on a terminal of 80 columns."""
    ours, theirs = pty.openpty()
    shown = b""
    with started(*arguments, env={"TERM": "xterm"}, output=theirs) as process:
        os.close(theirs)
        with suppress(OSError):  # how Linux says that nobody writes to it any more
            while data := os.read(ours, 65536):
                shown += data
        os.close(ours)
        return process.wait(timeout=30), unstyle(shown.decode())


def end(process: Process, number: int = signal.SIGTERM, seconds: float = 10) -> tuple[str, str]:
    """Send the signal and return what the command wrote until its end."""
    process.send_signal(number)
    return process.communicate(timeout=seconds)


def session_of(leader: int) -> list[int]:
    """The processes of a session that run (zombies do not)."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it ended meanwhile
            continue
        if int(fields[3]) == leader and fields[0] != "Z":
            found.append(int(folder.name))
    return found


def until(condition: Callable[[], T | None], what: str, seconds: float = 20) -> T:
    """Poll until `condition` gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            pytest.fail(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


def resident_megabytes(pid: int) -> float:
    """What the process holds in memory now, with its libraries; a megabyte is 10**6 bytes."""
    return _megabytes(pid, "VmRSS")


def peak_megabytes(pid: int) -> float:
    """The most that the process ever held."""
    return _megabytes(pid, "VmHWM")


def _megabytes(pid: int, name: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (kibibytes,) = (int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
    return kibibytes * 1024 / 1_000_000


def stop_reader(process: Process) -> None:
    """Suspend the child in which files are read, so that a run is surely half-way."""

    def reader() -> int | None:
        for pid in session_of(process.pid):
            with suppress(OSError):
                if "focus.reader" in Path(f"/proc/{pid}/cmdline").read_text():
                    return pid
        return None

    os.kill(until(reader, "the reader starts"), signal.SIGSTOP)


def until_alone(process: Process) -> None:
    """Wait until nothing is left of the process and its children, which end at once or by EOF."""
    for pid in session_of(process.pid):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)
    until(lambda: not session_of(process.pid), "no process stays behind", 5)


def free_port() -> int:
    """A TCP port of this machine on which nothing listens, and which nobody else is given.

    It is none of those that the system gives to outgoing connections or to who asks for any port,
    so that it is still free when a process listens on it a second later, and each worker of a
    parallel run has a range of its own.
    """
    while True:
        port = OWN_PORTS.start + next(_handed_out) % len(OWN_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def as_url(conninfo: str, **changes: str) -> str:
    """A connection string of any form as the URL that the configuration wants."""
    parts = {key: str(part) for key, part in conninfo_to_dict(conninfo).items()}
    return f"postgresql:///?{urlencode(parts | changes, quote_via=quote)}"


def configure(folder: Path, url: str | None, *sources: Mapping[str, Any], **sections: Any) -> Path:
    """Write a configuration with FOCUS sources and return its file.

    The API of AI budgets takes any free port, unless `sections` say more of it.
    """
    sections = {"ai": {"listen": "127.0.0.1:0"}, **sections}
    database = {} if url is None else {"database": {"url": url, "pool_size": 2}}
    collectors = [{"type": "focus", **source} for source in sources]
    path = folder / "config.yaml"
    text = yaml.safe_dump({**database, "collectors": collectors, **sections}, sort_keys=False)
    path.write_text(text, encoding="utf-8")
    return path
