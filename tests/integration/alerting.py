"""A real Alertmanager on loopback with our configuration, told only where its receivers are."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import yaml

from integration.processes import free_port
from integration.programs import Program
from local_stack.installed import alertmanager as installed_alertmanager
from local_stack.telling import variant, without_waits
from shared import tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from doubles.receivers import Receivers
    from local_stack.installed import Installed
    from local_stack.telling import Config

PACKAGE = "prometheus-alertmanager"
EXTERNAL_URL = "http://alertmanager.example.com"

Alert = dict[str, Any]


def alert(
    labels: Mapping[str, str],
    annotations: Mapping[str, str] | None = None,
    starts: str = "2026-02-08T09:15:00Z",
    ends: str = "",
) -> Alert:
    """An alert as Prometheus posts it; one with an end is resolved."""
    times = {"startsAt": starts} | ({"endsAt": ends} if ends else {})
    return {"labels": dict(labels), "annotations": dict(annotations or {}), **times}


def amtool(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Alertmanager's own tool, without a configuration of whoever runs the tests."""
    return subprocess.run(
        [tool(PACKAGE, "amtool"), *map(str, arguments)],
        env={"HOME": os.devnull},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@dataclass(frozen=True)
class Alertmanager:
    """What it is asked and told over its API."""

    port: int

    def post(self, *alerts: Alert) -> None:
        """Tell it of alerts."""
        self._ask("/api/v2/alerts", json.dumps(alerts).encode())

    def alerts(self) -> list[Alert]:
        """All that are not resolved, with their `status`."""
        return list(json.loads(self._ask("/api/v2/alerts")))

    def ready(self) -> bool:
        """Whether it answers questions."""
        try:
            self._ask("/-/ready")
        except OSError:
            return False
        return True

    def _ask(self, path: str, body: bytes | None = None) -> bytes:
        url, headers = f"http://127.0.0.1:{self.port}{path}", {"Content-Type": "application/json"}
        with urlopen(Request(url, body, headers), timeout=10) as answer:
            return bytes(answer.read())


@contextmanager
def alertmanager(
    folder: Path, receivers: Receivers, change: Callable[[Config], None] = lambda _config: None
) -> Iterator[Alertmanager]:
    """Running with the variant of our configuration that `change` made; ended by its pid."""
    found = Alertmanager(free_port())
    with alertmanager_program(folder, found, receivers, change):
        yield found


def alertmanager_program(
    folder: Path,
    found: Alertmanager,
    receivers: Receivers,
    change: Callable[[Config], None] = lambda _config: None,
) -> Program:
    """An Alertmanager with that variant, which answers as `found`."""
    installed = _installed()
    config = variant(folder, receivers)
    without_waits(config, "300ms", "250ms")
    change(config)
    file = folder / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    command = [
        installed.program,
        f"--config.file={file}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{found.port}",
        f"--web.external-url={EXTERNAL_URL}",
        "--web.route-prefix=/",
        "--cluster.listen-address=",
        "--log.level=warn",
    ]
    return Program(
        "Alertmanager",
        command,
        found.ready,
        folder / "alertmanager.log",
        folder=installed.folder or folder,
    )


def _installed() -> Installed:
    found = installed_alertmanager()
    if found is None:
        tool(PACKAGE, "alertmanager")  # skips, or fails, with the reason
    assert found is not None
    return found
