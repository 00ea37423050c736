"""An alert fires while the parts cannot reach each other, one link after the other."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from e2e.drilling import ABOUT, ALERT, Incident, bill, evaluated, sections
from e2e.hearing import PAGED, TEAM, Hearing
from e2e.stack import Wishes
from integration.processes import until

if TYPE_CHECKING:
    from pathlib import Path

    from e2e.stack import Stack

STALE = "Source bill was not read for three intervals"


@pytest.fixture(scope="module")
def wishes(folder: Path) -> Wishes:
    bill(folder, "500")
    return Wishes([{"name": "bill", "paths": [str(folder / "*.csv")]}], sections())


@pytest.fixture(scope="module")
def incident(stack: Stack) -> Incident:
    """It has begun, and goes on until the last test."""
    return Incident.begun(stack)


def live(stack: Stack) -> dict[str, str]:
    """The values of the page that are without labels."""
    page = stack.exporters[0].get("/metrics")
    return dict(re.findall(r"^(\w+) (\S+)$", page, re.MULTILINE))


def test_the_exporter_cut_off_its_database_keeps_all_values_and_the_guards_speak(
    stack: Stack, incident: Incident
) -> None:
    hearing = Hearing(stack.receivers)
    before = live(stack)
    stack.doors.database.shut()
    _, paged = hearing.firing("no process reaches its database", PAGED)
    hearing.firing(STALE, TEAM)
    now = live(stack)
    assert (before["finops_database_up"], now["finops_database_up"]) == ("1.0", "0.0")
    assert 'aws_cost_monthly_usd{account_id="100"' in stack.exporters[0].get("/metrics")
    assert len(stack.alerts(ALERT)) == 1
    stack.doors.database.open()
    _, ends = hearing.over("no process reaches its database", PAGED)
    hearing.over(STALE, TEAM)
    key = paged["pagerduty"].key.removesuffix(" trigger")
    assert ends["pagerduty"].key == f"{key} resolve"
    evaluated(stack)
    assert hearing.heard(ABOUT) == []
    assert stack.receivers.pagerduty.open == {incident.key}


def test_what_alertmanager_did_not_hear_of_is_told_it_again(
    stack: Stack, incident: Incident
) -> None:
    hearing = Hearing(stack.receivers)
    stack.doors.alerts.shut()
    bill(stack.folder, "700")
    firing = f'ALERTS{{alertname="{ALERT}",alertstate="firing"}}'
    until(lambda: not stack.ask(firing), "the alert has ended")
    evaluated(stack, 3)
    assert hearing.heard(ABOUT) == []
    stack.doors.alerts.open()
    incident.is_over(hearing)
