"""Collects and renders once, and kills a process at a named point: run by test_kill.py.

usage: kill_driver.py CONFIG POINT NUMBER PID

NUMBER counts the items or rows after which it happens; PID and its children are killed (0: this
process itself).
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from finops_exporter import app, logs
from finops_exporter.collectors.focus.collector import FocusCollector
from finops_exporter.config import load
from finops_exporter.exposition import exposition
from finops_exporter.store import costs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator


def kill(pid: int) -> None:
    """All at once: a server without its postmaster would still end its transactions."""
    family = [process.pid for process in psutil.Process(pid).children()] if pid else []
    for one in [pid or os.getpid(), *family]:
        os.kill(one, signal.SIGKILL)


def after(number: int, items: Iterable[Any], pid: int) -> Iterator[Any]:
    for count, item in enumerate(items):
        if count == number:
            kill(pid)
        yield item


def kill_before(function: Callable[..., Any], pid: int) -> Callable[..., Any]:
    def dying(*arguments: Any) -> Any:
        kill(pid)
        return function(*arguments)

    return dying


def kill_after(function: Callable[..., Any], pid: int, statement: str = "") -> Callable[..., Any]:
    """The function, followed by the kill (only for the named statement, if one is given)."""

    def dying(*arguments: Any) -> Any:
        result = function(*arguments)
        if not statement or statement in arguments:
            kill(pid)
        return result

    return dying


def arm(point: str, number: int, pid: int) -> None:
    """Put the kill behind one function of the real code."""
    collect, add = FocusCollector.collect, costs.Staging.add
    places: dict[str, tuple[Any, str, Callable[..., Any]]] = {
        "fetch": (
            FocusCollector,
            "collect",
            lambda self, *given: after(number, collect(self, *given), pid),
        ),
        "stage": (costs.Staging, "add", lambda self, rows: add(self, after(number, rows, pid))),
        "apply": (costs, "run", kill_after(vars(costs)["run"], pid, "apply_changed")),
        "before_commit": (costs, "run", kill_after(vars(costs)["run"], pid, "bump_generation")),
        "after_commit": (costs.Staging, "swap", kill_after(costs.Staging.swap, pid)),
        "swap": (exposition, "build", kill_before(vars(exposition)["build"], pid)),
    }
    if point != "nowhere":
        owner, name, replacement = places[point]
        setattr(owner, name, replacement)


def main() -> int:
    path, point, number, pid = sys.argv[1:]
    logs.configure()
    config = load(Path(path), os.environ)
    arm(point, int(number), int(pid))
    configured = app.sources(config)
    with app.database_of(config, os.environ, wait=1.0) as database:
        reports = app.collect_once(database, configured)
        shown = exposition.Exposition(database, app.settings(config, configured))
        shown.refresh(app.utc_now())
        sys.stdout.write(b"".join(shown.page.text.identity).decode())
    return 0 if reports[0].outcome == "succeeded" else 1


if __name__ == "__main__":
    sys.exit(main())
