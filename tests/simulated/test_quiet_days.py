"""Sixty days on which nothing is wrong: nobody is called, and each alert that fires has its reason.

The files below tests/golden/quiet_days say about what, since when and how long.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from simulated.ai_tenants import Tenants
from simulated.company import Bills
from simulated.limits import budgets
from simulated.rule_engine import fired
from simulated.simulation import DAYS, HISTORY_MONTHS, Simulation
from simulated.summary import pages, reviewed, summary
from tables import show

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database
    from simulated.rule_engine import Fired
    from tables import Record

TICKS_A_DAY = 48

WATCHDOG = "FinOpsWatchdog"
BILLS = {
    WATCHDOG: "always",
    "BudgetThresholdReached": "half of a budget is used in the middle of a month; for the digest",
    "BudgetExceeded80Percent": "a budget with 17 % of room ends its month 85 % used, and is told so"
    " on the last days and until the month is closed",
}
"""What may fire though bills are sound, and why."""

AI = {
    "AIReportCostHigh": "fleet reviews of two tenants do cost more than $2",
    "AITokenAnomaly": "who makes two large calls in an hour makes six in another, by chance",
}
"""The same of tenants."""


# Over the end of a quarter, and over a short month, with other days and other noise.
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("start", "seed"), [("2026-09-05", 0), ("2026-01-20", 1)])
def test_nobody_is_called_for_sound_bills(
    database: Database, tmp_path: Path, record_property: Record, start: str, seed: int
) -> None:
    first = date.fromisoformat(start)
    bills = Bills(first + timedelta(days=DAYS), months=HISTORY_MONTHS, seed=seed)
    recording = Simulation(database, bills, first).run(budgets(bills, first))
    found = fired([recording], ["cloud-budget", "trend", "meta"], tmp_path)
    quiet = summary(found)
    show(record_property, f"Quiet days: bills from {start} on, seed {seed}", quiet)
    assert pages(found) == []
    assert always(found, WATCHDOG)
    assert {one.name for one in found} == set(BILLS)
    reviewed(f"bills_{start}", quiet)


@pytest.mark.timeout(1200)
def test_nobody_is_called_for_sound_tenants(
    database: Database, tmp_path: Path, record_property: Record
) -> None:
    tenants = Tenants(database, date(2026, 9, 5), DAYS)
    recording = tenants.run()
    assert tenants.refused == 0
    found = fired([recording, recording], ["ai-budget"], tmp_path)
    quiet = summary(found)
    show(record_property, "Quiet days: AI of four tenants from 2026-09-05 on", quiet)
    assert pages(found) == []
    assert {one.name for one in found} == set(AI)
    reviewed("ai_2026-09-05", quiet)


def always(found: list[Fired], name: str) -> bool:
    """Whether it fires at each tick of each day."""
    return [one.ticks for one in found if one.name == name] == [TICKS_A_DAY] * DAYS
