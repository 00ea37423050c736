"""Each planted fault is found by the alert that is to find it, in time, and calls nobody else."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from simulated import ai_faults, faults
from simulated.ai_tenants import Tenants
from simulated.company import NAMES, Bills
from simulated.limits import budgets
from simulated.rule_engine import fired
from simulated.simulation import DAYS, HISTORY_MONTHS, Simulation
from simulated.summary import hours, pages, summary
from tables import show, table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finops_exporter.store.database import Database
    from simulated.faults import Fault
    from simulated.rule_engine import Fired
    from tables import Record


@pytest.mark.timeout(1200)
def test_faults_in_bills_are_found(
    database: Database, tmp_path: Path, record_property: Record
) -> None:
    until = faults.START + timedelta(days=DAYS)
    sound = Bills(until, months=HISTORY_MONTHS)
    bills = Bills(until, months=HISTORY_MONTHS, surges=faults.SURGES)
    simulation = Simulation(database, bills, faults.START, faults.WORLD)
    recording = simulation.run(budgets(sound, faults.START))
    faults.leave(recording)
    found = fired([recording], ["cloud-budget", "trend", "meta"], tmp_path)
    judge(faults.FAULTS, found, record_property, "Planted faults: bills")
    # Only the team that is above its budget calls somebody.
    assert {one.labels["budget"] for one in pages(found)} == {"platform"}
    # Whoever catches up, or whose bills nobody reads, has not spent more; and nothing else has.
    assert told(found, "CloudCostSpike", "account_id") == {NAMES["analytics"]}
    assert told(found, "CostAnomalyDetected", "service") == {
        "Amazon Relational Database Service",
        "BigQuery",
        "Amazon Elastic Compute Cloud",
    }
    assert told(found, "ForecastExceedsBudget", "budget") == {"platform", "all of azure"}
    gone = [one for one in found if one.since.date() == date(2026, 10, 28)]
    begun = [one.name for one in gone if one.since > datetime(2026, 10, 28, 9, 50, tzinfo=UTC)]
    assert begun == ["FinOpsExporterDown"]


@pytest.mark.timeout(1200)
def test_faults_of_tenants_are_found(
    database: Database, tmp_path: Path, record_property: Record
) -> None:
    tenants = Tenants(database, faults.START, ai_faults.DAYS, size=ai_faults.size)
    found = fired([tenants.run()], ["ai-budget"], tmp_path)
    judge(ai_faults.FAULTS, found, record_property, "Planted faults: AI")
    assert tenants.refused > 0
    assert pages(found) == []


def told(found: Sequence[Fired], name: str, label: str) -> set[str]:
    """What an alert has spoken of."""
    return {one.labels[label] for one in found if one.name == name}


def judge(planted: Sequence[Fault], found: Sequence[Fired], record: Record, title: str) -> None:
    """Show how each was found, and fail where one was not, or too late."""
    rows, wrong = [], []
    for fault in planted:
        alerts = fault.found_by(found)
        for name, one in zip(fault.alerts, alerts, strict=True):
            said = "" if one is None else f"{one.since:%Y-%m-%d %H:%M}"
            delay = "never" if one is None else hours(one.since - fault.since)
            rows.append((fault.what, f"{fault.since:%Y-%m-%d %H:%M}", name, said, delay))
        times = [one.since for one in alerts if one is not None]
        late = not times or times[0] - fault.since > fault.within
        if len(times) < len(alerts) or late or times != sorted(times):
            wrong.append((fault.what, [f"{time}" for time in times]))
    head = ("fault", "since", "alert", "first", "hours later")
    show(record, title, table(head, rows))
    show(record, f"{title}: all that fired", summary(found))
    assert wrong == []
