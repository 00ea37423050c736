from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.customer_table import unit_costs
from finops_exporter.model import Window
from finops_exporter.store import customers
from integration.feeding import NOW, cost, swap
from integration.processes import as_url, configure, invoke
from integration.test_snapshot import rate

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database

TODAY = date(2026, 11, 21)


def fill(database: Database, today: date = TODAY) -> None:
    """$2 and €1 a day in the last 30 days, $1 a day in the 30 before."""
    days = [today - timedelta(days=back) for back in range(1, 61)]
    rows = [cost(str(day), "2" if back < 30 else "1") for back, day in enumerate(days)]
    rows += [cost(str(day), "1", currency="EUR") for day in days[:30]]
    swap(database, rows)


def count(database: Database, now: datetime = NOW, **counted: int) -> None:
    with database.connection() as connection:
        customers.keep(connection, {key: Decimal(one) for key, one in counted.items()}, now)


def test_the_cost_of_the_same_days_is_divided(database: Database) -> None:
    fill(database)
    count(database, current=30, previous=7)
    current, previous = unit_costs(database, "billed", rate, NOW)
    assert current.days == Window(TODAY - timedelta(days=30), TODAY)
    assert previous.days == Window(TODAY - timedelta(days=60), TODAY - timedelta(days=30))
    # A euro is worth 1.10 dollars here.
    assert (current.cost_usd, current.per_customer_usd) == (Decimal("93.0"), Decimal("3.10"))
    assert (previous.cost_usd, previous.per_customer_usd) == (Decimal(30), Decimal("4.29"))


def test_what_is_not_known_is_not_guessed(database: Database) -> None:
    assert [one.cost_usd for one in unit_costs(database, "billed", rate, NOW)] == [None, None]
    fill(database)
    assert [one.customers for one in unit_costs(database, "billed", rate, NOW)] == [None, None]
    count(database, current=0)
    (current, _) = unit_costs(database, "billed", rate, NOW)
    assert (current.customers, current.per_customer_usd) == (Decimal(0), None)
    (late, _) = unit_costs(database, "billed", rate, NOW + timedelta(days=8))
    assert late.customers is None
    (unconverted, _) = unit_costs(database, "billed", lambda *_: None, NOW)
    assert unconverted.cost_usd is None


def test_the_command(database: Database, database_url: str, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    rows = [cost(str(now.date() - timedelta(days=back)), "2") for back in range(1, 31)]
    swap(database, rows)
    count(database, now, current=1_250)
    config = configure(tmp_path, as_url(database_url))
    told = json.loads(invoke("customers", "--config", config, "--format", "json").output)
    assert told[0]["customers"] == "1250"
    assert told[0]["cost_usd"] == "60"
    assert told[0]["cost_per_customer_usd"] == "0.05"
    assert (told[1]["customers"], told[1]["cost_usd"]) == (None, None)
    shown = invoke("customers", "--config", config).output
    assert "1,250" in shown
    assert "$60.00" in shown
    assert "unknown" in shown
