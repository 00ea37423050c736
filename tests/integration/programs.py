"""Servers as processes of a test's own, which can be ended, killed and started again."""

from __future__ import annotations

import os
import signal
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from integration.processes import environment, session_of, until

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path


class Program:
    """One server: always the same command, so that its folder and its port outlive its processes.

    As a context it runs from beginning to end. In between, `stop` or `kill` and then `start` are a
    restart; each waits until it has happened. What it writes is added to `log`.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[object],
        ready: Callable[[], bool],
        log: Path,
        *,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.log = log
        self._command = [str(word) for word in command]
        self._ready = ready
        self._folder = folder
        self._env = environment(env)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(self, *_exception: object) -> None:
        self.kill()

    @property
    def runs(self) -> bool:
        """Whether it was started and neither stopped nor killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The process that runs; it is an error if there is none."""
        assert self._process is not None, f"{self.name} does not run"
        return self._process.pid

    def start(self, seconds: float = 60) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        until(self._is_ready, f"{self.name} is ready", seconds)

    def launch(self) -> None:
        """Start it and wait for nothing."""
        assert self._process is None, f"{self.name} runs already"
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def stop(self, seconds: float = 30) -> int:
        """Ask it to end and return its exit code."""
        os.kill(self.pid, signal.SIGTERM)
        return self._wait(seconds)

    def kill(self) -> None:
        """End it and all it started at once, if it runs."""
        if self._process is None:
            return
        for pid in session_of(self._process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._wait(10)

    def _wait(self, seconds: float) -> int:
        assert self._process is not None
        code = self._process.wait(seconds)
        self._process = None
        return code

    def _is_ready(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self.name} ended with {code}:\n{self.log.read_text()}"
        return self._ready()
