"""AI budgets on the page: beside billing, and when one of both cannot be read."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from exporter_families import text_of
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.exposition.exposition import Exposition
from integration.ai_calls import OPUS, Calls
from integration.feeding import NOW, cost, swap
from integration.test_snapshot import plain

if TYPE_CHECKING:
    from finops_exporter.store.database import Database

HOUR = timedelta(hours=1)


def samples_of(exposition: Exposition, name: str) -> dict[tuple[tuple[str, str], ...], float]:
    """A family of the page by its labels, as a scraper reads it."""
    return {
        tuple(sorted(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text_of(exposition.page))
        for sample in family.samples
        if sample.name == name
    }


def test_the_page_follows_the_ledger_although_billing_did_not_change(
    database: Database, calls: Calls
) -> None:
    swap(database, [cost("2026-11-20", "1")])
    calls.put('a "tenant"\nof \\ ours', "10")
    exposition = Exposition(database, plain(), AiSettings())
    exposition.refresh(NOW)
    billing = exposition.snapshot
    key = (("model", "*"), ("tenant_id", 'a "tenant"\nof \\ ours'))
    assert samples_of(exposition, "ai_budget_used_usd") == {key: 0}
    calls.track("one", 'a "tenant"\nof \\ ours', OPUS, "2", NOW)
    exposition.refresh(NOW + timedelta(seconds=10))
    assert samples_of(exposition, "ai_budget_used_usd") == {key: 2}
    assert exposition.snapshot is billing
    text = text_of(exposition.page)
    assert text.index("aws_cost_daily") < text.index("ai_budget") < text.index("finops_database_up")


def test_where_it_is_switched_off_nothing_is_shown(database: Database, calls: Calls) -> None:
    calls.put("acme", "10")
    exposition = Exposition(database, plain(), None)
    exposition.refresh(NOW)
    assert "ai_budget" not in text_of(exposition.page)


def lines_of(exposition: Exposition, *beginnings: str) -> list[str]:
    return [line for line in text_of(exposition.page).splitlines() if line.startswith(beginnings)]


def test_the_last_good_values_stay_when_the_database_is_gone(
    database: Database, calls: Calls
) -> None:
    calls.put("acme", "10")
    calls.track("one", "acme", OPUS, "2", NOW)
    exposition = Exposition(database, plain(), AiSettings())
    exposition.refresh(NOW)
    good = lines_of(exposition, "ai_", "finops_ai_", "finops_snapshot_timestamp")
    assert "ai_budget_total_used_usd 2.0" in good
    database.close()
    exposition.refresh(NOW + HOUR)
    assert lines_of(exposition, "finops_database_up") == ["finops_database_up 0.0"]
    assert lines_of(exposition, "ai_", "finops_ai_", "finops_snapshot_timestamp") == good


@pytest.mark.parametrize("broken", ["budget_period", "ai_usage_buckets"])
def test_what_is_wrong_with_the_ledger_does_not_hold_up_billing(
    database: Database, calls: Calls, broken: str
) -> None:
    swap(database, [cost("2026-11-20", "1")])
    calls.put("acme", "10")
    exposition = Exposition(database, plain(), AiSettings())
    exposition.refresh(NOW)
    good = lines_of(exposition, "ai_", "finops_ai_", "finops_snapshot_timestamp")
    swap(database, [cost("2026-11-20", "5")])
    calls.put("acme", "20")
    with database.connection() as connection:
        connection.execute(f"ALTER TABLE {broken} RENAME TO elsewhere")
    exposition.refresh(NOW + HOUR)
    assert broken in str(exposition.problem)
    assert lines_of(exposition, "ai_", "finops_ai_", "finops_snapshot_timestamp") == good
    assert lines_of(exposition, "aws_cost_daily_usd")[0].endswith(" 5.0")
    with database.connection() as connection:
        connection.execute(f"ALTER TABLE elsewhere RENAME TO {broken}")
    exposition.refresh(NOW + HOUR)
    assert lines_of(exposition, "finops_database_up") == ["finops_database_up 1.0"]
    assert lines_of(exposition, "ai_budget_limit_usd")[0].endswith(" 20.0")


def test_what_is_wrong_with_billing_does_not_hold_up_the_ledger(
    database: Database, calls: Calls
) -> None:
    swap(database, [cost("2026-11-20", "1")])
    calls.put("acme", "10")
    exposition = Exposition(database, plain(), AiSettings())
    exposition.refresh(NOW)
    swap(database, [cost("2026-11-20", "5")])
    calls.put("acme", "20")
    with database.connection() as connection:
        connection.execute("ALTER TABLE cost_months RENAME TO elsewhere")
    exposition.refresh(NOW + HOUR)
    assert exposition.problem is not None
    assert lines_of(exposition, "ai_budget_limit_usd")[0].endswith(" 20.0")
    assert lines_of(exposition, "aws_cost_daily_usd")[0].endswith(" 1.0")
    assert lines_of(exposition, "finops_database_up") == ["finops_database_up 0.0"]
