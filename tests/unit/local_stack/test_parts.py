"""What `make run` is put together from: rules, addresses, programs."""

from __future__ import annotations

import re
import socket
from typing import TYPE_CHECKING, Any

import yaml
from click.testing import CliRunner

from local_stack import __main__ as command
from local_stack import installed
from local_stack.addresses import HOST, Listener, trouble
from local_stack.watched_rules import SHIPPED, prometheus_config, quickened, rule_files

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_prometheus_reads_the_rules_that_we_ship(tmp_path: Path) -> None:
    files = rule_files(tmp_path, quick=False)
    config = prometheus_config(files, "127.0.0.1:1", "127.0.0.1:2", quick=False)
    assert config["rule_files"] == [str(file) for file in sorted(SHIPPED.glob("*.yaml"))]
    assert list(tmp_path.iterdir()) == []


def test_a_hurry_changes_durations_alone(tmp_path: Path) -> None:
    def without_durations(file: Path) -> Any:
        groups = yaml.safe_load(file.read_text("utf-8"))["groups"]
        for each in [*groups, *(rule for group in groups for rule in group["rules"])]:
            for name in ("for", "keep_firing_for", "interval"):
                each.pop(name, None)
        return groups

    files = rule_files(tmp_path, quick=True)
    for file in files:
        assert without_durations(file) == without_durations(SHIPPED / file.name)
        assert not re.search(r"^ +(for|interval): \d+[mhd]", file.read_text("utf-8"), re.MULTILINE)
    assert quickened("        for: 15m\n        text: wait for: 15m\n") == (
        "        for: 10s\n        text: wait for: 15m\n"
    )


def listener(name: str, port: int) -> Listener:
    return Listener(name, port, "SOME_PORT")


def test_a_port_in_use_is_told_with_its_name_and_the_remedy() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        reason = trouble([listener("Prometheus", port)])
        assert f"{HOST}:{port}, where Prometheus would listen, is in use" in reason
        assert re.search(r"make run SOME_PORT=\d+$", reason)
    assert trouble([listener("Prometheus", port)]) == ""


def test_one_port_for_two_is_told() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
    reason = trouble([listener("one", port), listener("another", port)])
    assert reason.startswith(f"another and one cannot both have port {port}; ")


def test_the_port_in_a_remedy_is_one_that_exists() -> None:
    for port in (1, 9090, 59_999, 60_000, 65_535):
        found = re.search(r"=(\d+)", trouble([listener("a", port), listener("b", port)]))
        assert found
        assert port != int(found[1]) <= 65_535


def test_without_prometheus_the_demo_runs_as_ever_and_one_line_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[list[str]] = []

    def instead(_program: str, arguments: list[str]) -> None:
        ran.append(arguments)
        raise SystemExit(0)

    monkeypatch.setattr(installed, "prometheus", lambda: None)
    monkeypatch.setattr(command, "trouble", lambda _listeners: "")
    monkeypatch.setattr("os.execv", instead)
    done = CliRunner().invoke(command.command, ["--folder", str(tmp_path)])
    assert done.output == f"{command.LEFT_OUT}\n"
    assert "make tools" in done.output
    (arguments,) = ran
    assert arguments[1:7] == ["-m", "finops_exporter", "demo", "--serve", "--folder", str(tmp_path)]
    assert list(tmp_path.iterdir()) == []


def test_ports_come_from_the_environment_too() -> None:
    shown = CliRunner().invoke(command.command, ["--help"], env={"MAILBOX_PORT": "9"}).output
    for variable in ("METRICS", "API", "PROMETHEUS", "ALERTMANAGER", "MAILBOX"):
        assert f"${variable}_PORT" in shown
    wrong = CliRunner().invoke(command.command, [], env={"MAILBOX_PORT": "many"})
    assert wrong.exit_code == 2
    assert "--mailbox-port" in wrong.output
