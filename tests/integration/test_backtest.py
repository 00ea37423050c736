"""`backtest` as people start it: on a file, and on what is stored."""

from __future__ import annotations

import csv
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from finops_exporter.backtest.alerts import AlertHistory, alert_history
from finops_exporter.errors import FinopsError
from finops_exporter.exposition.families import Settings
from integration.feeding import NOW, cost, swap
from integration.processes import as_url, configure, invoke, on_terminal, run

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.model import CostRow, Progress
    from finops_exporter.store.database import Database

LAST = date(2026, 11, 20)
COVERED = {"aws": datetime(2026, 11, 21, tzinfo=UTC)}
SPIKE = LAST - timedelta(days=20)


def usage(days: int, unit: int = 1_000, **others: str) -> list[CostRow]:
    """Units a day (1 % more on odd ones, so that it scatters), and 1.6 units on one of them."""
    found = []
    for back in range(days):
        day = LAST - timedelta(days=back)
        amount = Decimal("1.6") if day == SPIKE else 1 + Decimal(day.toordinal() % 2) / 100
        found.append(cost(str(day), str(unit * amount), **others))
    return found


def nothing(_step: Progress) -> None:
    """Nobody watches."""


def dollars(currency: str, _on: date) -> Decimal | None:
    return Decimal(1) if currency == "USD" else None


def replayed(database: Database) -> AlertHistory:
    settings = Settings(
        "billed", timedelta(days=5), tags=(), lags={"bill": timedelta(0)}, rate=dollars
    )
    return alert_history(database, settings, "weekday_median", NOW, nothing)


def test_every_alert_at_every_threshold(database: Database) -> None:
    rows = [*usage(150), *usage(150, account_id="222", currency="EUR")]
    # The spike of another account is about 60 cents: below every floor.
    small = usage(150, 1, account_id="333")
    swap(database, [*rows, *small], covered_until=COVERED)
    found = replayed(database)
    assert (found.window.since, found.window.last) == (
        LAST - timedelta(days=149),
        LAST,
    )
    assert found.unconverted == 1
    told = {(one.alert, one.threshold): one for one in found.fired}
    for threshold, fired in (("15%", 1), ("20%", 1), ("30%", 1), ("50%", 1)):
        spike = told["CloudCostSpike", threshold]
        assert (spike.alarms, spike.without_floor, spike.places, spike.of) == (fired, 2, 1, 2)
    for threshold in ("score 3", "score 4", "score 5"):
        anomaly = told["CostAnomalyDetected", threshold]
        assert (anomaly.alarms, anomaly.places, anomaly.of) == (1, 1, 2)
        assert anomaly.without_floor == 1  # what stands out by cents is not even flagged
    for threshold in ("10%", "20%", "30%"):
        growth = told["CostGrowthHigh", threshold]
        assert (growth.alarms, growth.without_floor, growth.of) == (0, None, 1)
    assert [key for key, one in told.items() if one.delivered] == [
        ("CloudCostSpike", "20%"),
        ("CostAnomalyDetected", "score 4"),
        ("CostGrowthHigh", "20%"),
    ]
    assert told["CloudCostSpike", "20%"].per_month == pytest.approx(30.44 / 150, abs=0.005)


def test_two_months_are_needed(database: Database) -> None:
    with pytest.raises(FinopsError, match="replayed on 62 complete days of usage or more"):
        replayed(database)
    swap(database, usage(61), covered_until=COVERED)
    with pytest.raises(FinopsError, match="replayed on 62 complete days of usage or more"):
        replayed(database)
    swap(database, usage(62), covered_until=COVERED)
    assert replayed(database).fired


def test_days_that_are_not_complete_are_left_out(database: Database) -> None:
    covered = {"aws": datetime(2026, 11, 1, tzinfo=UTC)}  # the spike is of 31 October
    swap(database, usage(150), covered_until=covered)
    assert replayed(database).window.last == SPIKE
    assert sum(one.alarms for one in replayed(database).fired) == 7
    before = {"aws": datetime(2026, 10, 31, tzinfo=UTC)}
    swap(database, usage(150), covered_until=before)
    assert sum(one.alarms for one in replayed(database).fired) == 0


def test_currencies_without_a_rate_leave_nothing(database: Database) -> None:
    swap(database, usage(100, currency="EUR"), covered_until=COVERED)
    with pytest.raises(FinopsError, match="has a rate"):
        replayed(database)


def test_the_table_and_the_same_as_json(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    swap(database, usage(100), covered_until=COVERED)
    config = configure(tmp_path, as_url(database_url))
    shown = run("backtest", "--config", config)
    assert shown.returncode == 0, shown.stderr
    assert "2026-08-13 to 2026-11-20 (UTC); * is the threshold of the rules" in shown.stdout
    line = next(line for line in shown.stdout.splitlines() if "20% *" in line)
    assert line.split()[1:] == [
        *("CloudCostSpike", "│", "20%", "*", "│", "1", "│"),
        *line.split()[8:],
    ]
    done = invoke("backtest", "--config", config, "--format", "json")
    document = json.loads(done.stdout)
    assert (document["from"], document["to"]) == ("2026-08-13", "2026-11-20")
    assert len(document["alerts"]) == 10
    assert document["alerts"][1] == {
        "alert": "CloudCostSpike",
        "threshold": "20%",
        "delivered": True,
        "alarms": 1,
        "per_month": 0.3,
        "without_floor": 1,
        "places": 1,
        "of": 1,
    }


def test_a_file_without_any_database(tmp_path: Path) -> None:
    source = tmp_path / "costs.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["series_id", "date", "cost_usage"])
        for row in usage(150):
            writer.writerow(["one", row.day, row.billed])
    flags, forecasts = tmp_path / "flags.csv", tmp_path / "forecasts.csv"
    arguments = ("--input", source, "--flags", flags, "--forecasts", forecasts)
    code, seen = on_terminal("backtest", *arguments)
    assert code == 0, seen
    assert "1 series from 2026-06-24 to 2026-11-20" in seen
    assert "1 days flagged" in seen
    assert flags.read_text(encoding="utf-8").splitlines()[1].startswith(f"one,{SPIKE},")
    assert len(forecasts.read_text(encoding="utf-8").splitlines()) == 1 + 20


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--flags", "f.csv"), 2, "--column, --flags and --forecasts need --input"),
        (("--input", "none.csv"), 2, "--input needs --flags or --forecasts"),
        (("--input", "none.csv", "--flags", "none.csv"), 2, "named twice"),
        (("--input", "none.csv", "--flags", "f.csv"), 1, "cannot read none.csv: No such file"),
        (("--method", "magic"), 2, "'magic' is not one of"),
    ],
)
def test_wrong_usage_is_one_sentence(
    arguments: tuple[str, ...],
    code: int,
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = invoke("backtest", *arguments)
    assert done.exit_code == code
    assert message in done.stderr
    assert not list(tmp_path.iterdir())
