from __future__ import annotations

from datetime import UTC, datetime, timedelta

from finops_exporter.backfill.history import NOT_KNOWN_OF_AI, whole_months_since
from finops_exporter.exposition.ai_catalogue import AI_METRICS


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_log_that_was_never_cut_is_whole() -> None:
    oldest = at("2026-10-17T11:22")
    assert whole_months_since(oldest, None) == oldest
    assert whole_months_since(oldest, oldest - timedelta(days=30)) == oldest


def test_a_log_that_was_cut_begins_with_the_next_month_of_every_zone() -> None:
    oldest = at("2026-10-17T11:22")
    assert whole_months_since(oldest, oldest - timedelta(hours=1)) == at("2026-11-02T00:00")
    # What is averaged over a week needs days of its own.
    late = at("2026-10-29T11:22")
    assert whole_months_since(late, late) == at("2026-11-07T11:22")


def test_what_is_not_known_of_ai_is_a_metric() -> None:
    assert set(AI_METRICS) > NOT_KNOWN_OF_AI
