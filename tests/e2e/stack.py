"""The whole way of an alert, all of it real but the receivers, in parts that can be taken away.

exporter(s) -> Prometheus with our rules -> Alertmanager with our configuration -> mail, Slack,
PagerDuty. Rules are hurried (hurried.py), and scraped and evaluated every second.

    with Stack(Wishes(sources=[...]), folder, database_url) as stack:
        stack.exporters[0].program.kill()     # or stop()
        stack.exporters[0].program.start()    # the same ports, configuration and database
        stack.scraper.stop()                  # Prometheus; its data folder and port stay
        stack.notifier.kill()                 # Alertmanager; the same
        stack.doors.alerts.shut()             # nobody hears Prometheus, until .open()
        stack.doors.scrapes[1].shut()         # the second exporter is out of Prometheus' reach
        stack.doors.database.shut()           # no exporter reaches the database

Behind the doors all run on; `stack.exporters[0].get("/metrics")` goes past them.
"""

from __future__ import annotations

import http.client
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self

from doubles.receivers import Receivers
from e2e.hurried import hurried_files
from integration.alerting import Alertmanager, alertmanager_program
from integration.processes import COMMAND, configure, free_port, until
from integration.programs import Program
from integration.proxy import Door, Proxy
from integration.scraping import Prometheus, prometheus_program
from shared import NO_AWS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from local_stack.telling import Config

INTERVAL = "4s"
"""How often sources are read: three missed ones are stale, so a slow machine needs some slack."""

TIMEOUT = "1m"

GROUP_WAIT = "2s"
"""How long Alertmanager waits for what belongs to an alert: longer than between two evaluations."""

JOB = "finops-exporter"


@dataclass(frozen=True)
class Wishes:
    """What a stack is to be made of.

    `sources` and `sections` are those of the exporter's configuration; a source is of type focus
    and read at INTERVAL unless it says otherwise. `jobs` are further scrape jobs with their
    targets; `change` is told Alertmanager's configuration.
    """

    sources: Sequence[Mapping[str, Any]] = ()
    sections: Mapping[str, Any] = field(default_factory=dict)
    replicas: int = 1
    jobs: Mapping[str, Sequence[str]] = field(default_factory=dict)
    change: Callable[[Config], None] = lambda _config: None


def every_minute_is_monday_morning(config: Config) -> None:
    """A change of Alertmanager's configuration, so that the weekly digest comes at once."""
    config["time_intervals"][0]["time_intervals"] = [{}]


@dataclass(frozen=True)
class Exporter:
    """One process of ours: the port of its pages, that of its API, and how to end it."""

    program: Program
    port: int
    api_port: int

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.api_port}/api/ai-budget"

    def get(self, path: str) -> str:
        """The page; raises OSError while nobody answers."""
        return _get(self.port, path)


@dataclass(frozen=True)
class Doors:
    """TCP doors between the parts, all open at first; they end connections when they are shut."""

    database: Proxy
    scrapes: Sequence[Door]
    alerts: Door


class Stack:
    """Runs while it is a context; see the top of the file."""

    def __init__(self, wishes: Wishes, folder: Path, database_url: str) -> None:
        self.folder = folder
        self.database_url = database_url
        self.receivers = Receivers()
        self.manager = Alertmanager(free_port())
        self.prometheus = Prometheus(free_port())
        self._wishes = wishes
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.receivers)
            self.notifier = alertmanager_program(
                self.folder, self.manager, self.receivers, self._change
            )
            database = Proxy(self.database_url)
            self.config = self._configured(database)
            self.exporters = [self._exporter(one) for one in range(self._wishes.replicas)]
            scrapes = [Door(one.port) for one in self.exporters]
            self.doors = Doors(database, scrapes, Door(self.manager.port))
            for door in (database, *scrapes, self.doors.alerts):
                stack.enter_context(door).open()
            self.scraper = self._prometheus()
            for one in self.exporters:
                stack.enter_context(one.program)
            # First: Prometheus would tell an Alertmanager that is not there again after a minute.
            stack.enter_context(self.notifier)
            stack.enter_context(self.scraper)
            until(self._has_begun, "the exporter has read its sources and is scraped", 60)
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_exception: object) -> None:
        with self._open:
            pass

    def ask(self, expression: str) -> dict[tuple[str, ...], float]:
        """What Prometheus says now: the values by the labels that are not its own, in order."""
        return {
            tuple(text for name, text in sorted(one["metric"].items()) if name[0] != "_"): float(
                one["value"][1]
            )
            for one in self.prometheus.query(expression)
        }

    def alerts(self, name: str, **labels: str) -> list[dict[str, Any]]:
        """The alerts of this name at Alertmanager that have these labels, with their status."""
        return [
            one
            for one in self.manager.alerts()
            if {"alertname": name, **labels}.items() <= one["labels"].items()
        ]

    def reconfigure(self, sources: Sequence[Mapping[str, Any]]) -> None:
        """Write other sources into the configuration; exporters read it when they start."""
        self._wishes = replace(self._wishes, sources=sources)
        self._configured(self.doors.database)

    def _has_begun(self) -> bool:
        read = len(self.prometheus.query("group by (collector) (finops_collector_success)"))
        known = self.prometheus.query("finops_snapshot_timestamp_seconds")
        return bool(known) and read == len(self._wishes.sources)

    def _configured(self, database: Proxy) -> Path:
        sources = [
            {"interval": INTERVAL, "timeout": TIMEOUT, **one} for one in self._wishes.sources
        ]
        server = {"refresh": "1s", **self._wishes.sections.get("server", {})}
        sections = {**self._wishes.sections, "server": server}
        return configure(self.folder, database.url, *sources, **sections)

    def _exporter(self, number: int) -> Exporter:
        port, api_port = free_port(), free_port()
        command = [*COMMAND, "serve", "--config", self.config]
        command += ["--web.listen-address", f"127.0.0.1:{port}"]
        command += ["--ai.listen-address", f"127.0.0.1:{api_port}"]
        program = Program(
            f"exporter {number}",
            command,
            lambda: _is_ready(port),
            self.folder / f"exporter-{number}.log",
            env=NO_AWS,
        )
        return Exporter(program, port, api_port)

    def _prometheus(self) -> Program:
        ours = [f"127.0.0.1:{door.port}" for door in self.doors.scrapes]
        jobs = {JOB: ours, **self._wishes.jobs}
        return prometheus_program(
            self.folder,
            self.prometheus,
            [
                {"job_name": name, "static_configs": [{"targets": list(targets)}]}
                for name, targets in jobs.items()
            ],
            hurried_files(self.folder / "rules"),
            managers=[f"127.0.0.1:{self.doors.alerts.port}"],
        )

    def _change(self, config: Config) -> None:
        for route in [config["route"], *config["route"]["routes"]]:
            route["group_wait"] = GROUP_WAIT
        self._wishes.change(config)


def _get(port: int, path: str) -> str:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read().decode()
    if answer.status != 200:
        raise OSError(f"{path}: {answer.status} {text}")
    return text


def _is_ready(port: int) -> bool:
    try:
        _get(port, "/-/ready")
    except OSError:
        return False
    return True
