"""`make run` with everything: what people are told arrives, and afterwards nothing runs."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import sys
import uuid
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.request import urlopen

import pytest

from finops_exporter.store.embedded import ROOT_HOME
from integration.processes import free_port, session_of, started, until
from local_stack import installed
from local_stack.addresses import Listener
from local_stack.stack import Ports, Programs, Stack, until_signal
from shared import ROOT, tool

if TYPE_CHECKING:
    from collections.abc import Iterator

    from integration.processes import Process

COMMAND = (sys.executable, "-m", "local_stack")
NAMES = ("METRICS", "API", "PROMETHEUS", "ALERTMANAGER", "MAILBOX")


@pytest.fixture(autouse=True)
def _tools() -> None:
    tool("prometheus", "prometheus")
    tool("prometheus-alertmanager", "amtool")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that root's embedded server can reach as well."""
    home = ROOT_HOME if os.geteuid() == 0 else ROOT / ".cache"
    found = Path(home) / f"run-{uuid.uuid4().hex[:8]}"
    yield found
    shutil.rmtree(found, ignore_errors=True)


class Run:
    """`make run` under way, its output in a file."""

    def __init__(self, process: Process, ports: dict[str, int], output: Path) -> None:
        self.process = process
        self.ports = ports
        self._output = output

    @property
    def output(self) -> str:
        return self._output.read_text()

    def changes(self) -> dict[str, str]:
        """What the mailbox page asks for; empty parts while there is no page."""
        try:
            with urlopen(f"http://127.0.0.1:{self.ports['MAILBOX']}/changes", timeout=10) as answer:
                return dict(json.load(answer))
        except OSError:
            return {"now": "", "messages": ""}

    def says(self, text: str, seconds: float) -> None:
        """Wait for its output."""

        def said() -> bool:
            assert self.process.poll() is None, self.output
            return text in self.output

        until(said, f"{text!r} is said", seconds)

    def told(self, text: str, seconds: float) -> None:
        """Wait for the mailbox page."""
        until(lambda: text in self.changes()["messages"], f"{text!r} is told", seconds)

    def pid_of(self, words: str) -> int:
        """The one process of the session whose command has these words."""
        session = session_of(self.process.pid)
        commands = {pid: Path(f"/proc/{pid}/cmdline").read_text() for pid in session}
        (pid,) = (pid for pid, command in commands.items() if words in command)
        return pid


@contextmanager
def running(folder: Path, output: Path, **ports: int) -> Iterator[Run]:
    every = {name: free_port() for name in NAMES} | ports
    env = {f"{name}_PORT": str(port) for name, port in every.items()}
    env |= {"PYTHONPATH": f"{ROOT / 'exporter'}:{ROOT / 'tests'}", "DEMO_FOLDER": str(folder)}
    with (
        output.open("w") as file,
        started(command=COMMAND, env={**env, "FAST": "1"}, output=file.fileno()) as process,
    ):
        yield Run(process, every, output)


def ended(run: Run, number: int) -> int:
    """The exit code after a signal; nothing may be left of the session."""
    session = run.process.pid
    os.killpg(session, number)
    code = run.process.wait(60)
    assert session_of(session) == []
    assert "Traceback" not in run.output
    return code


def test_people_are_told_of_the_demos_alerts_and_a_restart_remembers(
    folder: Path, tmp_path: Path
) -> None:
    with running(folder, tmp_path / "first") as run:
        run.says("What the alerts say of the demo", 150)
        assert re.search(
            r"^  BudgetExceededCritical +critical +\S.* Budget data", run.output, re.MULTILINE
        )
        run.told("PagerDuty", 60)
        run.told("<b>leadership</b> by mail", 60)
        run.told("<b>team</b> by Slack", 60)
        run.says("PagerDuty opens an incident: 🔴 Budget Alert: data", 10)
        assert "shortened" in run.changes()["now"]
        assert ended(run, signal.SIGINT) == 0
    with running(folder, tmp_path / "second") as run:
        run.told("Budget Alert: data", 60)
        run.says("What the alerts say of the demo", 100)
        os.kill(run.pid_of("--storage.tsdb.path"), signal.SIGKILL)
        run.says("Prometheus has ended (exit code -9)", 20)
        assert "Prometheus has ended" in run.changes()["now"]
        os.kill(run.process.pid, signal.SIGTERM)
        assert ended(run, signal.SIGINT) == 0  # a second signal changes nothing


def test_ended_while_the_demo_is_made_it_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    with running(folder, tmp_path / "output") as run:
        until(lambda: run.changes()["now"], "the page is there", 30)
        assert ended(run, signal.SIGTERM) == 128 + signal.SIGTERM


def test_a_port_in_use_is_told_before_anything_is_started(folder: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with running(folder, tmp_path / "output", ALERTMANAGER=port) as run:
            assert run.process.wait(30) == 1
            assert session_of(run.process.pid) == []
    (line,) = run.output.splitlines()
    assert f"127.0.0.1:{port}, where Alertmanager would listen, is in use; " in line
    assert "make run ALERTMANAGER_PORT=" in line
    assert not folder.exists()


# Without the demo, which takes its time


SERVER = """
import http.server, sys
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Ready).serve_forever()
"""


def stack(folder: Path, program: str, **instead: installed.Installed) -> Stack:
    """A stack with a Python program for a demo, and others in place of what is installed."""
    found = [Listener(name, free_port(), f"{name}_PORT") for name in NAMES if name != "API"]
    ports = Ports(*found)
    prometheus, alertmanager = installed.prometheus(), installed.alertmanager()
    assert prometheus
    assert alertmanager
    programs = replace(Programs(prometheus, alertmanager), **instead)
    demo = [sys.executable, "-c", program, str(ports.metrics.port)]
    return Stack(ports, programs, demo, folder, quick=True)


@pytest.mark.parametrize(("code", "told"), [(0, 1), (3, 3)])
def test_a_demo_that_ends_by_itself_ends_everything(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: int, told: int
) -> None:
    program = f"import sys; print('why', flush=True); sys.exit({code})"
    assert asyncio.run(stack(tmp_path, program).run()) == told
    output = capfd.readouterr().out
    assert "why\n" in output
    assert f"The demo has ended (exit code {code}), and with it everything else." in output


def test_what_cannot_start_says_why_and_the_others_go_on(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    broken = tmp_path / "broken"
    broken.write_text("#!/bin/sh\necho half of a file >&2; exit 7\n")
    broken.chmod(0o755)
    shown = ""

    async def run_until_said() -> int:
        nonlocal shown
        signalled: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        one = stack(tmp_path, SERVER, alertmanager=installed.Installed(broken))
        running = asyncio.create_task(until_signal(one, signalled))
        async with asyncio.timeout(60):
            while "Its alerts" not in shown or "half of a file" not in shown:
                await asyncio.sleep(0.1)
                shown += capfd.readouterr().out
        signalled.set_result(signal.SIGINT)
        return await running

    assert asyncio.run(run_until_said()) == 0
    assert "Alertmanager has ended (exit code 7); the rest goes on without it." in shown
    assert str(tmp_path / "alertmanager.log") in shown
