"""A replica's clock is an hour off: it does not win for that, and nobody is told what is not so."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from e2e.drilling import UNHURRIED, Incident, bill, evaluated, sections
from e2e.hearing import Hearing
from e2e.stack import Stack, Wishes
from integration.processes import COMMAND, configure, free_port, until
from integration.programs import Program
from integration.proxy import Proxy
from shared import NO_AWS, ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PORT = free_port()
"""Where the replica with the wrong clock is scraped, beside that of the stack."""


def faketime() -> Path:
    """The library that gives a process another time; a skip that says how to get it."""
    unpacked = (ROOT / ".cache/tools/libfaketime/usr/lib").glob("*/faketime/libfaketime.so.1")
    if found := next(unpacked, None):
        return found
    reason = "needs libfaketime: run `make tools` where apt exists"
    if os.environ.get("FINOPS_REQUIRE_TOOLS"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def wishes(folder: Path) -> Wishes:
    bill(folder, "500")
    faketime()
    source = {**UNHURRIED, "name": "bill", "paths": [str(folder / "*.csv")]}
    return Wishes([source], sections(), jobs={"wrong-clock": [f"127.0.0.1:{PORT}"]})


@contextmanager
def replica(stack: Stack, offset: str) -> Iterator[Proxy]:
    """A second replica whose clock is off by so much, and its own door to the database."""
    folder = stack.folder / f"replica{offset}"
    folder.mkdir()
    with Proxy(stack.database_url) as door:
        door.open()
        paths = [str(stack.folder / "*.csv")]
        source = {**UNHURRIED, "name": "bill", "paths": paths}
        config = configure(folder, door.url, source, **sections(), server={"refresh": "1s"})
        command = [*COMMAND, "serve", "--config", config]
        command += ["--web.listen-address", f"127.0.0.1:{PORT}"]
        env = {
            **NO_AWS,
            "LD_PRELOAD": str(faketime()),
            "FAKETIME": offset,
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }
        log = folder / "exporter.log"
        with Program("the replica", command, lambda: confirmed(stack) == 2, log, env=env):
            yield door


def confirmed(stack: Stack) -> float:
    """How many replicas Prometheus gets values of."""
    return sum(stack.ask("count(finops_snapshot_timestamp_seconds)").values())


def apart(stack: Stack) -> float:
    """By how many seconds the replicas' timestamps differ."""
    ages = "finops_snapshot_timestamp_seconds"
    (found,) = stack.ask(f"max({ages}) - min({ages})").values()
    return found


@pytest.fixture(scope="module")
def incident(stack: Stack) -> Incident:
    """It has begun, and goes on until the last test."""
    return Incident.begun(stack)


def test_a_clock_behind_is_put_right_also_where_that_replica_is_alone(
    stack: Stack, incident: Incident
) -> None:
    with replica(stack, "-1h"):
        stack.exporters[0].program.stop()
        until(lambda: confirmed(stack) == 1, "the other one is gone")
        bill(stack.folder, "1042")
        spent = 'max(cloud_budget_spent_usd{budget="shop"})'
        until(lambda: stack.ask(spent) == {(): 1042}, "the bill was read")
        evaluated(stack)
        assert stack.ask("time() - max(finops_snapshot_timestamp_seconds) < 60")
        assert stack.alerts("FinOpsBillingDataStale") == []
        stack.exporters[0].program.start()
        until(lambda: confirmed(stack) == 2, "the other one is back")
    evaluated(stack)
    incident.goes_on()


def test_a_clock_ahead_is_put_right_and_when_that_replica_is_stuck_the_others_truth_counts(
    stack: Stack, incident: Incident
) -> None:
    with replica(stack, "+1h") as door:
        evaluated(stack)
        incident.goes_on()
        assert apart(stack) < 60
        door.shut()
        hearing = Hearing(stack.receivers)
        bill(stack.folder, "700")
        incident.is_over(hearing)
    log = (stack.folder / "replica+1h" / "exporter.log").read_text()
    assert re.search(r'"ahead_seconds": 3(600|599|601)\b', log)
