"""An alert fires while what tells of it is restarted, rolled and cut off, one after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.drilling import ALERT, UNHURRIED, Incident, bill, evaluated, sections
from e2e.hearing import PAGED, TEAM, Hearing
from e2e.stack import Wishes
from integration.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.stack import Stack


@pytest.fixture(scope="module")
def wishes(folder: Path) -> Wishes:
    bill(folder, "500")
    return Wishes([{**UNHURRIED, "paths": [str(folder / "*.csv")]}], sections(), replicas=2)


@pytest.fixture(scope="module")
def incident(stack: Stack) -> Incident:
    """It has begun, and goes on until the last test but one."""
    return Incident.begun(stack)


def test_prometheus_killed(stack: Stack, incident: Incident) -> None:
    stack.scraper.kill()
    stack.scraper.start()
    evaluated(stack)
    incident.goes_on()


def test_exporters_rolled_one_after_the_other(stack: Stack, incident: Incident) -> None:
    for exporter in stack.exporters:
        exporter.program.stop()
        evaluated(stack, 3)
        exporter.program.start()
        evaluated(stack, 3)
    stack.exporters[0].program.kill()
    evaluated(stack)
    incident.goes_on()
    stack.exporters[0].program.start()


def test_one_replica_out_of_reach(stack: Stack, incident: Incident) -> None:
    stack.doors.scrapes[0].shut()
    evaluated(stack)
    incident.goes_on()
    stack.doors.scrapes[0].open()


def test_a_power_cut_of_both_tells_it_at_most_once_more_and_as_the_same_incident(
    stack: Stack, incident: Incident
) -> None:
    stack.notifier.kill()
    stack.scraper.kill()
    stack.notifier.start()
    stack.scraper.start()
    until(lambda: stack.alerts(ALERT), "Alertmanager knows the alert again", 60)
    evaluated(stack)
    # What Alertmanager has told is in its memory alone for up to 15 minutes. Old alerts it tells
    # at once, perhaps before it knows what mutes them.
    incident.goes_on(again=1, warned=1)


def test_alertmanager_restarted_still_knows_whom_to_tell_of_the_end(
    stack: Stack, incident: Incident
) -> None:
    stack.notifier.stop()
    stack.notifier.start()
    incident.ends()


def test_all_replicas_out_of_reach_is_told_by_guards_and_pages_for_the_ledger_alone(
    stack: Stack, incident: Incident
) -> None:
    hearing = Hearing(stack.receivers)
    for door in stack.doors.scrapes:
        door.shut()
    hearing.firing("finops-exporter is down", TEAM)
    _, paged = hearing.firing("no process answers", PAGED)
    for door in stack.doors.scrapes:
        door.open()
    hearing.over("finops-exporter is down", TEAM)
    _, ends = hearing.over("The ledger of AI budgets is down", PAGED)
    key = paged["pagerduty"].key.removesuffix(" trigger")
    assert ends["pagerduty"].key == f"{key} resolve"
    evaluated(stack)
    assert hearing.heard("Budget Alert") == []
    events = [one.key for one in hearing.messages() if one.where == "pagerduty"]
    assert events == [f"{key} trigger", f"{key} resolve"]
    assert incident.key != key
