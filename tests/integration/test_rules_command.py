"""`rules` on the demo's data, and against what promtool makes of the same values."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from finops_exporter import app, demo
from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.alerts.values import Values, read
from finops_exporter.app_demo import fill_ai
from finops_exporter.config import load
from finops_exporter.demo.company import DEMO
from finops_exporter.exposition.ai import AiBlock, AiSettings
from finops_exporter.exposition.snapshot import build
from finops_exporter.store.reads import generation
from integration.processes import as_url, configure, invoke
from promtool_verdict import hold, moved

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database

NOW = datetime(2026, 11, 28, 13, 50, tzinfo=UTC)


@pytest.fixture
def config(
    database: Database, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """The demo in a store, with its budgets only in the configuration."""
    monkeypatch.setattr(app, "utc_now", lambda: NOW)
    bills = tmp_path / "bills"
    bills.mkdir()
    demo.generate(NOW, bills, months=4)
    budgets = [
        {"name": one.name, "scope": one.scope, "amount": str(one.amount), "period": one.period}
        | ({"value": one.value} if one.value else {})
        for one in demo.budgets(NOW)
        if one.period == "monthly"
    ]
    source = {"name": "demo", "paths": [f"{bills}/*"]}
    file = configure(
        tmp_path, as_url(database_url), source, budgets=budgets, tags={"team": ["team"]}
    )
    loaded = load(file, {})
    app.collect_once(database, app.sources(loaded))
    fill_ai(database, PriceList(), NOW)
    return file


def explain(config: Path, name: str) -> dict[str, Any]:
    shown = invoke("rules", "--explain", name, "--format", "json", "--config", config)
    assert (shown.exit_code, shown.stderr) == (0, "")
    return dict(json.loads(shown.stdout))


def met(config: Path, name: str, label: str) -> list[str]:
    return [
        one["labels"][label]
        for alert in explain(config, name)["alerts"]
        for one in alert["label_sets"]
        if one["state"] == "met"
    ]


def test_the_demo_is_told_as_promtool_would(
    config: Path, database: Database, tmp_path: Path
) -> None:
    before = stored(database)
    assert "data" in met(config, "BudgetExceededCritical", "budget")
    assert {"data", "payments"} <= set(met(config, "BudgetExceeded80Percent", "budget"))
    assert "payments" not in met(config, "BudgetExceededCritical", "budget")
    assert met(config, "AIBudgetExceeded", "tenant_id") == ["harbor-rentals"]
    assert set(met(config, "AIBudgetWarning", "tenant_id")) == {"harbor-rentals", "velo-couriers"}
    assert met(config, "CloudCostSpike", "provider") == ["gcp"]
    assert met(config, "CostAnomalyDetected", "service") == [DEMO.spike.service]
    (anomaly, *_) = explain(config, "CostAnomalyDetected")["alerts"][0]["label_sets"]
    for one in anomaly["values"]:
        assert one["distance"] == one["value"] - one["threshold"]
        assert one["met"] is True
    # Nobody counts customers here, and what is not known is not 0.
    (unknown,) = explain(config, "UnitEconomicsWorsening")["alerts"][0]["label_sets"]
    assert unknown["state"] == "unknown"
    assert [one["value"] for one in unknown["values"]] == [None, None]
    assert stored(database) == before

    listed = json.loads(invoke("rules", "--format", "json", "--config", config).stdout)["alerts"]
    spike = next(one for one in listed if one["alert"] == "CloudCostSpike")
    assert (spike["met"], spike["unknown"], spike["for"]) == (1, 0, "15m")
    assert {one["alert"] for one in listed if not one["decided"]} >= {"UnusedPVC", "AILedgerDown"}
    shown = invoke("rules", "--config", config).stdout
    assert "needs Prometheus: not decided here" in shown
    shown = invoke("rules", "--explain", "AIBudgetWarning", "--config", config).stdout
    assert ">= 80%" in shown
    assert " points" in shown

    loaded = load(config, {})
    settings, configured = app.settings(loaded, app.sources(loaded)), loaded.configured_budgets()
    families = build(database, settings, NOW, keep=False, configured=configured).families
    families += AiBlock(database, AiSettings()).families(NOW)
    lines = moved(families, NOW.timestamp())
    assert hold(lines, Values(lines), tmp_path) >= 8


def stored(database: Database) -> tuple[object, ...]:
    """What a snapshot could write down, and the number of the store's state."""
    with database.connection() as connection:
        counts = connection.execute(
            "SELECT (SELECT count(*) FROM cost_anomalies), (SELECT count(*) FROM series_members),"
            " (SELECT count(*) FROM anomaly_progress), (SELECT count(*) FROM budgets)"
        ).fetchall()
    return (generation(database), *counts)


def test_an_empty_store_knows_nothing(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    config = configure(tmp_path, as_url(database_url))
    (total,) = explain(config, "TotalAISpendHigh")["alerts"][0]["label_sets"]
    assert (total["state"], total["values"][0]["value"]) == ("unknown", None)
    shown = invoke("rules", "--explain", "CloudCostSpike", "--config", config)
    assert "there is nothing that it could look at" in shown.stdout
    loaded = load(config, {})
    values = read(database, app.settings(loaded, []), None, (), NOW)
    assert not list(values.lines("ai_budget_limit_usd"))


def test_unknown_and_undecided_alerts(database_url: str, tmp_path: Path) -> None:
    config = configure(tmp_path, as_url(database_url))
    wrong = invoke("rules", "--explain", "budgetexceeded", "--config", config)
    assert wrong.exit_code == 1
    assert "there is no alert 'budgetexceeded'; did you mean" in wrong.stderr
    assert "AIBudgetExceeded" in wrong.stderr
    other = invoke("rules", "--explain", "UnusedPVC", "--config", config)
    assert other.exit_code == 0
    assert "needs Prometheus, not decided here" in other.stdout
