"""What the metrics say of the last hour, the last day and the average hour of a week."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from finops_exporter.ai_model import Tokens
from finops_exporter.exposition import ai_windows
from integration.ai_calls import OPUS, Calls, read
from integration.feeding import NOW

if TYPE_CHECKING:
    import pytest

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def test_the_last_hour_and_reports_of_a_day(calls: Calls) -> None:
    now = datetime(2026, 11, 21, 12, 7, tzinfo=UTC)
    # How many minutes ago, and what for; an hour is 12 steps, from that of 11:10.
    for number, (back, kind, usd) in enumerate(
        [
            (0, "weekly", "1"),
            (56, "", "2"),  # 11:11
            (58, "weekly", "4"),  # 11:09
            (60 * 24 - 3, "weekly", "8"),  # 12:10
            (60 * 24 - 2, "audit", "16"),  # 12:09
        ]
    ):
        at = now - back * MINUTE
        tokens = Tokens(input=10**number)
        calls.track(str(number), "acme", OPUS, usd, at, tokens=tokens, report_type=kind)
    found = calls.shown(now)
    assert found["ai_budget_tokens_last_hour"] == {("acme",): 11}
    assert found["ai_budget_cost_last_hour_usd"] == {("acme",): 3}
    assert found["ai_budget_report_cost_24h_usd"] == {("acme", "weekly"): 13}
    assert found["ai_budget_reports_24h"] == {("acme", "weekly"): 3}


def test_a_report_that_comes_late_is_in_the_day_with_the_next_five_minutes(
    calls: Calls,
) -> None:
    block = calls.block()
    calls.track("one", "acme", OPUS, "1", NOW, report_type="weekly")
    assert read(block, NOW)["ai_budget_reports_24h"] == {("acme", "weekly"): 1}
    calls.track("now", "acme", OPUS, "1", NOW, report_type="weekly")
    calls.track("late", "acme", OPUS, "1", NOW, report_type="weekly", at=NOW - 3 * HOUR)
    assert read(block, NOW)["ai_budget_reports_24h"] == {("acme", "weekly"): 2}
    assert read(block, NOW + 5 * MINUTE)["ai_budget_reports_24h"] == {("acme", "weekly"): 3}


def test_the_average_is_over_the_active_hours_of_seven_days(calls: Calls) -> None:
    now = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)
    made = [
        # Of the current hour, and of 12:59 a week ago: in the window begins the hour of 12:00.
        (now - 10 * MINUTE, 1),
        (datetime(2026, 11, 14, 11, 59, tzinfo=UTC), 2),
        (datetime(2026, 11, 14, 12, 0, tzinfo=UTC), 40),
        (datetime(2026, 11, 14, 12, 59, tzinfo=UTC), 60),
        (datetime(2026, 11, 18, 0, 0, tzinfo=UTC), 500),
        (datetime(2026, 11, 21, 11, 59, tzinfo=UTC), 3000),
    ]
    for number, (at, tokens) in enumerate(made):
        calls.track(str(number), "acme", OPUS, "1", at, tokens=Tokens(output=tokens))
    since, until = datetime(2026, 11, 14, 12, tzinfo=UTC), datetime(2026, 11, 21, 12, tzinfo=UTC)
    active = {at.replace(minute=0) for at, _ in made if since <= at < until}
    total = sum(tokens for at, tokens in made if since <= at < until)
    assert (total, len(active)) == (3600, 3)
    calls.put("idle", "5")
    block = calls.block()
    assert read(block, now)["ai_budget_tokens_hourly_avg_7d"] == {("acme",): 1200}
    # A call that is reported late is in it when the next hour begins; the eldest hour is not then.
    late = until - 2 * HOUR
    calls.track("late", "acme", OPUS, "1", now, tokens=Tokens(output=299), at=late)
    assert read(block, now + 29 * MINUTE)["ai_budget_tokens_hourly_avg_7d"] == {("acme",): 1200}
    assert read(block, now + 30 * MINUTE)["ai_budget_tokens_hourly_avg_7d"] == {
        ("acme",): (500 + 3000 + 299 + 1) / 4
    }


def test_much_to_average_is_read_day_by_day_while_the_old_stays(
    calls: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ai_windows, "ROWS_AT_ONCE", 1)
    for back in range(1, 9):
        calls.track(str(back), "acme", OPUS, "1", NOW - back * DAY, tokens=Tokens(input=10**back))
    block = calls.block()
    for _ in range(6):
        assert "ai_budget_tokens_hourly_avg_7d" not in read(block, NOW)
    # The 8th day back is not in it; the 7th is to the minute, in its first hour.
    assert read(block, NOW)["ai_budget_tokens_hourly_avg_7d"] == {("acme",): 11111110 / 7}
    later = NOW + HOUR
    for _ in range(5):
        assert read(block, later)["ai_budget_tokens_hourly_avg_7d"] == {("acme",): 11111110 / 7}
    # One day fewer has anything in it, and is passed over.
    assert read(block, later)["ai_budget_tokens_hourly_avg_7d"] == {("acme",): 1111110 / 6}
