"""The demo's planted spike is found with the right excess, and nothing else is worth an alert."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import duckdb
import pytest

from exporter_families import samples
from finops_exporter import app, demo
from finops_exporter.config import load
from finops_exporter.demo.company import DEMO
from finops_exporter.exposition.snapshot import build
from integration.processes import as_url, configure

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database


# A Monday, so that the spike stands on a Sunday; the first days of a month; a day in its midst.
@pytest.mark.parametrize("now", ["2026-11-16", "2026-11-03", "2026-10-22"])
def test_the_spike_alone_is_worth_an_alert(
    database: Database, database_url: str, tmp_path: Path, now: str
) -> None:
    at = datetime.fromisoformat(now).replace(hour=9, tzinfo=UTC)
    bills = tmp_path / "bills"
    bills.mkdir()
    demo.generate(at, bills, months=5)
    file = configure(tmp_path, as_url(database_url), {"name": "demo", "paths": [f"{bills}/*"]})
    config = load(file, {})
    (report,) = app.collect_once(database, app.sources(config))
    assert report.outcome == "succeeded"
    snapshot = build(database, app.settings(config, app.sources(config)), at)

    floors = samples(snapshot, "finops_alert_floor_usd")
    excess = samples(snapshot, "finops_cost_anomaly_excess_usd")
    score = samples(snapshot, "finops_cost_anomaly_score")
    loud = [key for key, usd in excess.items() if score[key] >= 4 and usd > floors[key[:1]]]
    day = at.date() - timedelta(days=1)
    with duckdb.connect() as connection:
        ((account, cost),) = connection.execute(
            "SELECT SubAccountId, sum(EffectiveCost)::VARCHAR FROM read_parquet($files)"
            " WHERE ServiceName = $service AND ChargePeriodStart::DATE = $day"
            " AND ChargeCategory = 'Usage' GROUP BY ALL",
            {"files": f"{bills}/*.parquet", "service": DEMO.spike.service, "day": day},
        ).fetchall()
    assert loud == [("gcp", account, DEMO.spike.service)]
    # Without the spike, the day would have cost this many times less.
    usual = Decimal(cost) / Decimal(DEMO.spike.factor)
    assert excess[loud[0]] == pytest.approx(float(Decimal(cost) - usual), rel=0.03)
