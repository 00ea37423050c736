"""A real Alertmanager on loopback with our configuration, told only where its receivers are."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import Request, urlopen

import yaml

from integration.processes import free_port
from integration.programs import Program
from shared import ROOT, program_of, tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from doubles.receivers import Receivers

SHIPPED = ROOT / "alertmanager" / "alertmanager.yaml"
SECRETS = "/etc/alertmanager/secrets/"
EXTERNAL_URL = "http://alertmanager.example.com"

PACKAGE = "prometheus-alertmanager"
UNPACKED = ROOT / ".cache/tools" / PACKAGE
DATA = "share/prometheus/alertmanager"
"""Where Debian's build of Alertmanager reads its own templates, below /usr."""

Config = dict[str, Any]
Alert = dict[str, Any]


def shipped() -> Config:
    """The configuration that we ship, as Python reads it."""
    return dict(yaml.safe_load(SHIPPED.read_text(encoding="utf-8")))


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
    program = _program()
    config = variant(folder, receivers)
    change(config)
    file, authority = folder / "alertmanager.yaml", folder / "authority.pem"
    file.write_text(yaml.safe_dump(config, sort_keys=False, allow_unicode=True), encoding="utf-8")
    receivers.write_authority(authority)
    command = [
        program,
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
        folder=UNPACKED / "usr" / DATA if UNPACKED in program.parents else folder,
        env={"SSL_CERT_FILE": str(authority)},
    )


def variant(folder: Path, receivers: Receivers) -> Config:
    """What we ship, with the doubles for its placeholders, and without long waits."""
    secrets = folder / "secrets"
    secrets.mkdir()
    for name, text in receivers.secrets.items():
        (secrets / name).write_text(text, encoding="utf-8")

    def replace(text: str) -> str:
        if text.startswith(SECRETS):
            path = secrets / text.removeprefix(SECRETS)
            assert path.exists(), f"no double has the secret {path.name}"
            return str(path)
        parts = urlsplit(text)
        return f"{receivers.url}{parts.path}" if parts.scheme == "https" else text

    config: Config = _map(shipped(), replace)
    config["templates"] = [str(SHIPPED.parent / pattern) for pattern in config["templates"]]
    config["global"]["smtp_smarthost"] = receivers.smarthost
    config["global"]["pagerduty_url"] = f"{receivers.url}/v2/enqueue"
    for route in [config["route"], *config["route"]["routes"]]:
        route.update(group_wait="300ms", group_interval="250ms")
    return config


def _map(value: Any, change: Callable[[str], str]) -> Any:
    """A YAML value with every text in it changed."""
    if isinstance(value, dict):
        return {key: _map(one, change) for key, one in value.items()}
    if isinstance(value, list):
        return [_map(one, change) for one in value]
    return change(value) if isinstance(value, str) else value


def _program() -> Path:
    """Alertmanager: as Debian names it, or as its makers do.

    Debian's knows only the absolute path of its templates, where nothing is installed. A copy of it
    is told another path of the same length, one that leads to the working directory.
    """
    found = program_of(PACKAGE, PACKAGE) or tool(PACKAGE, "alertmanager")
    if UNPACKED not in found.parents:
        return found
    copy = UNPACKED / "alertmanager-of-the-working-directory"
    if not copy.exists():
        data = f"/usr/{DATA}".encode()
        here = b"/proc/self/cwd".ljust(len(data), b"/")
        fresh = copy.with_suffix(f".{os.getpid()}")
        fresh.write_bytes(found.read_bytes().replace(data, here))
        fresh.chmod(0o755)
        fresh.rename(copy)
    return copy
