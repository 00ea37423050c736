"""A real Prometheus on loopback, with a data folder of its own, for as long as a test wants it."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode
from urllib.request import urlopen

import yaml

from integration.processes import free_port
from integration.programs import Program
from shared import tool

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

RESEND = "10s"
"""How often Alertmanager is told again what fires (a minute if nothing is said); one of which it
does not hear for four times as long is over."""


@dataclass(frozen=True)
class Prometheus:
    """What it is asked over its API."""

    port: int

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """The vector of an expression, now or at a time: entries with `metric` and `value`."""
        query = urlencode({"query": expression} | ({} if at is None else {"time": at}))
        found = json.loads(self._get(f"/api/v1/query?{query}"))
        return list(found["data"]["result"])

    def names(self) -> set[str]:
        """The names of all metrics that are stored."""
        return set(json.loads(self._get("/api/v1/label/__name__/values"))["data"])

    def targets(self) -> list[dict[str, Any]]:
        """Its targets, with the error of the last scrape."""
        return list(json.loads(self._get("/api/v1/targets"))["data"]["activeTargets"])

    def rules(self) -> list[dict[str, Any]]:
        """Its rules with their health, and the alerts of those that have any."""
        groups = json.loads(self._get("/api/v1/rules"))["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def ready(self) -> bool:
        """Whether it answers questions."""
        try:
            self._get("/-/ready")
        except OSError:
            return False
        return True

    def _get(self, path: str) -> bytes:
        with urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=10) as answer:
            return bytes(answer.read())


@contextmanager
def prometheus(
    folder: Path,
    scrape: Mapping[str, object] | None,
    rules: Sequence[Path] = (),
    options: Sequence[str] = (),
) -> Iterator[Prometheus]:
    """Running with one scrape configuration, and rules, every second; ended by its pid.

    Without a scrape configuration it knows what is in its data folder, `folder`/prometheus.
    """
    found = Prometheus(free_port())
    jobs = [] if scrape is None else [{"job_name": "finops", **scrape}]
    with prometheus_program(folder, found, jobs, rules, options=options):
        yield found


def prometheus_program(
    folder: Path,
    found: Prometheus,
    jobs: Sequence[Mapping[str, object]],
    rules: Sequence[Path] = (),
    *,
    managers: Sequence[str] = (),
    options: Sequence[str] = (),
) -> Program:
    """A Prometheus that scrapes these jobs every second and tells these Alertmanagers."""
    program = tool("prometheus", "prometheus")
    file = folder / "prometheus.yml"
    timing = {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"}
    config = {
        "global": timing,
        "rule_files": [str(rule) for rule in rules],
        "scrape_configs": list(jobs),
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": list(managers)}]}]},
    }
    file.write_text(yaml.safe_dump(config), encoding="utf-8")
    command = [
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{found.port}",
        f"--rules.alert.resend-delay={RESEND}",
        "--log.level=warn",
        *options,
    ]
    return Program("Prometheus", command, found.ready, folder / "prometheus.log")
