"""Programs that take part: started on loopback, asked over HTTP, ended by their id."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, NamedTuple

from integration.processes import as_url, configure, environment, free_port
from shared import NO_AWS, ROOT, program_of

from .servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path
    from typing import Any

START_SECONDS = 60
HTTP_OK = 200
VARIABLES = {**NO_AWS, "PYTHONPATH": os.pathsep.join((str(ROOT / "exporter"), str(ROOT / "tests")))}


class UnavailableError(Exception):
    """A program that a row needs cannot be had here; the text is the reason."""


def program(package: str, name: str) -> Path:
    """A program that `make bench` unpacks, or one on PATH; raises UnavailableError."""
    if found := program_of(package, name):
        return found
    raise UnavailableError(f"{name} is neither below .cache/tools nor on PATH")


class Answer(NamedTuple):
    """What an HTTP server said."""

    body: bytes
    content_type: str

    @property
    def series(self) -> int:
        """How many samples the text holds."""
        return sum(not line.startswith(b"#") for line in self.body.splitlines())


@contextmanager
def running(*command: object, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """The program under way; told to end afterwards, and ended if it does not."""
    with subprocess.Popen(
        [*map(str, command)],
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "text": True, **options},
    ) as process:
        try:
            yield process
        finally:
            if process.stdin:
                process.stdin.close()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def first_answer(
    process: subprocess.Popen[str],
    port: int,
    path: str = "/metrics",
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """The first 200 on this port; raises UnavailableError when the process ends before."""
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with closing(HTTPConnection(LOOPBACK, port, timeout=30)) as connection:
                connection.request("GET", path, headers=headers or {})
                response = connection.getresponse()
                if response.status == HTTP_OK:
                    return Answer(response.read(), response.headers["Content-Type"])
        except (OSError, HTTPException):
            pass
        time.sleep(0.002)
    raise UnavailableError(f"{process.args!s:.60} does not serve {path}")


@dataclass(frozen=True, slots=True)
class Server:
    """A server of the module `servers` in a process of its own."""

    process: subprocess.Popen[str]
    port: int

    def ask(self, question: str) -> str:
        """What it answers on its standard output to a line on its standard input."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{question}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()


@contextmanager
def server(kind: str, series: int) -> Iterator[Server]:
    """One of the servers of the module `servers`; it ends with its standard input."""
    command = (sys.executable, "-m", f"{__package__}.servers", kind, series)
    with running(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield Server(process, int(process.stdout.readline()))


@dataclass(frozen=True, slots=True)
class Started:
    """A program that serves /metrics: its first answer, and how many seconds that took."""

    process: subprocess.Popen[str]
    port: int
    first: Answer
    seconds: float


@contextmanager
def exporter(
    folder: Path, url: str, *sources: Mapping[str, Any], **sections: Any
) -> Iterator[Started]:
    """Our command `serve` on the database there; `folder` gets its configuration."""
    port = free_port()
    unfolded = {"listen": f"{LOOPBACK}:{port}", "max_series": 1_000_000}
    config = configure(folder, as_url(url), *sources, server=unfolded, **sections)
    command = ("finops_exporter", "serve", "--config", config)
    with _started(port, *command, ready="/-/ready") as started:
        yield started


@contextmanager
def bare(body: Path, libraries: Sequence[str]) -> Iterator[Started]:
    """A process with these libraries alone, which serves the file with bare aiohttp."""
    port = free_port()
    with _started(port, f"{__package__}.bare", port, body, *libraries) as started:
        yield started


@contextmanager
def _started(
    port: int, module: str, *arguments: object, ready: str = "/metrics"
) -> Iterator[Started]:
    began = time.perf_counter()
    command = (sys.executable, "-m", module, *arguments)
    with running(*command, env=environment(VARIABLES), stderr=subprocess.DEVNULL) as process:
        first_answer(process, port, ready)
        first = first_answer(process, port)
        yield Started(process, port, first, time.perf_counter() - began)
