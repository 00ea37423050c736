"""Kill -9 of the exporter and of PostgreSQL at seeded points: no day is lost, none is doubled."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import uuid
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from finops_exporter.model import Window
from finops_exporter.store.database import Database
from finops_exporter.store.migrate import migrate
from finops_exporter.store.reads import costs_by
from integration.killable import killable_server
from integration.test_costs import drift, fetch
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from integration.killable import Server

pytestmark = pytest.mark.kill

DAY = timedelta(days=1)
ALL = Window(date(2020, 1, 1), date(2030, 1, 1))
POINTS = ("fetch", "stage", "apply", "before_commit", "after_commit", "swap")
HEADER = (
    "BilledCost,EffectiveCost,BillingCurrency,ChargeCategory,ChargePeriodStart,ChargePeriodEnd,"
    "ProviderName,SubAccountId,ServiceName,RegionId\n"
)

Bill = dict[str, dict[str, str]]
"""File name to day to amount."""

BEFORE: Bill = {
    f"{month}.csv": {f"2026-{month}-{day:02}": f"{day}.{month}" for day in range(1, 29)}
    for month in ("07", "08", "09")
}


def after(seed: int) -> Bill:
    """What the provider says next: changed, withdrawn and new days, a file gone, a file new."""
    chance = random.Random(seed)  # noqa: S311 -- reproducible, not secret
    bill: Bill = {name: dict(days) for name, days in BEFORE.items() if name != "07.csv"}
    bill["10.csv"] = {f"2026-10-{day:02}": f"{day}.5" for day in range(1, 29)}
    for days in bill.values():
        for day in chance.sample(sorted(days), 5):
            days[day] = f"{chance.randint(-500, 500)}.{chance.randint(1, 99):02}"
        del days[chance.choice(sorted(days))]
    return bill


def days_of(bill: Bill) -> dict[str, Decimal]:
    return {day: Decimal(amount) for days in bill.values() for day, amount in days.items()}


def write(folder: Path, bill: Bill) -> None:
    for file in folder.glob("*.csv"):
        if file.name not in bill:
            file.unlink()
    for name, days in bill.items():
        lines = [
            f"{amount},{amount},USD,Usage,{day},{date.fromisoformat(day) + DAY},AWS,1,S3,us"
            for day, amount in days.items()
        ]
        (folder / name).write_text(HEADER + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with killable_server() as server:
        yield server


@pytest.fixture
def database_name(server: Server) -> str:
    name = f"kill_{uuid.uuid4().hex[:8]}"
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
    return name


def url_of(server: Server, name: str) -> str:
    return psycopg.conninfo.make_conninfo(server.url, dbname=name)


def as_uri(server: Server, name: str) -> str:
    """The same as a URL, which the configuration wants."""
    return server.url.replace("/finops?", f"/{name}?")


def drive(  # noqa: PLR0917 -- as the driver's own arguments
    config: Path, server: Server, name: str, point: str, number: int = 0, pid: int = 0
) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT / "exporter"),
        "DATABASE_URL": as_uri(server, name),
    }
    driver = ROOT / "tests" / "integration" / "kill_driver.py"
    return subprocess.run(
        [sys.executable, driver, config, point, str(number), str(pid)],
        env=env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def stored(server: Server, name: str) -> tuple[dict[str, Decimal], list[tuple[object, ...]]]:
    """The stored days with their amounts, and where the rollups differ from the facts."""
    database = Database(url_of(server, name), wait_seconds=30)
    database.open()
    try:
        sums = costs_by(database, [], ALL, grain="day")
        return {str(one.period): one.billed for one in sums}, drift(database)
    finally:
        database.close()


def restated(server: Server, name: str) -> dict[str, Decimal]:
    database = Database(url_of(server, name), wait_seconds=30)
    database.open()
    try:
        found = fetch(database, "SELECT day, sum(billed_moved) FROM cost_restatements GROUP BY 1")
        return {str(day): moved for day, moved in found}
    finally:
        database.close()


def expected_restatements(
    before: Mapping[str, Decimal], now: Mapping[str, Decimal]
) -> dict[str, Decimal]:
    """Days that were stored before and changed, computed from the two bills."""
    moved = {day: abs(now.get(day, Decimal(0)) - amount) for day, amount in before.items()}
    return {day: amount for day, amount in moved.items() if amount}


@pytest.mark.parametrize("target", ["exporter", "postgres"])
@pytest.mark.parametrize("point", POINTS)
def test_killed_at(
    point: str, target: str, server: Server, database_name: str, tmp_path: Path
) -> None:
    seed = POINTS.index(point) * 2 + (target == "postgres")
    bill = after(seed)
    write(tmp_path, BEFORE)
    config = tmp_path / "config.yaml"
    config.write_text(f'collectors: [{{type: focus, name: bill, paths: ["{tmp_path}/*.csv"]}}]\n')
    database = Database(url_of(server, database_name))
    database.open()
    migrate(database)
    database.close()
    assert drive(config, server, database_name, "nowhere").returncode == 0
    assert stored(server, database_name) == (days_of(BEFORE), [])

    write(tmp_path, bill)
    number = random.Random(seed).randint(1, 60)  # noqa: S311 -- reproducible, not secret
    pid = server.pid if target == "postgres" else 0
    killed = drive(config, server, database_name, point, number, pid)
    if target == "exporter":
        assert killed.returncode == -signal.SIGKILL
    else:
        server.restart()

    committed = point in {"after_commit", "swap"}
    assert stored(server, database_name) == (days_of(bill if committed else BEFORE), [])

    again = drive(config, server, database_name, "nowhere")
    assert again.returncode == 0, again.stderr
    assert stored(server, database_name) == (days_of(bill), [])
    # Recorded once, however often it was tried.
    assert restated(server, database_name) == expected_restatements(days_of(BEFORE), days_of(bill))
    with psycopg.connect(url_of(server, database_name)) as connection:
        outcomes = connection.execute("SELECT outcome FROM source_runs ORDER BY run_id").fetchall()
    first, middle, last = (row[0] for row in outcomes)
    assert (first, last) == ("succeeded", "succeeded")
    expected = {"succeeded"} if committed else {"killed", "failed"}
    assert middle in expected
    assert "finops_database_up 1.0" in again.stdout
