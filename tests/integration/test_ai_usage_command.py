"""`ai usage` on a real database: exact sums, and what is not in them."""

from __future__ import annotations

import csv
import io
import json
from datetime import timedelta
from typing import TYPE_CHECKING

import psycopg
import pytest

from integration.ai_store import NOW, Ai, ai_commands, cells, track, use

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from finops_exporter.ai_model import Track
    from finops_exporter.store.database import Database


@pytest.fixture
def ai(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ai:
    """The commands on an empty store."""
    return ai_commands(database_url, tmp_path, monkeypatch)


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def fill(database: Database) -> Sequence[Track]:
    some = [
        track(n, f"0.{n:028}", model, tenant_id=tenant, report_type=report, at=at)
        for n, (tenant, model, report, at) in enumerate(
            [
                ("acme", "gpt-4o", "daily", NOW),
                ("acme", "gpt-4o", "", NOW),
                ("acme", "o3", "daily", NOW.replace(hour=0)),
                ("acme", "o3", "daily", NOW.replace(hour=0) - timedelta(microseconds=1)),
                ("beta", "o3", "weekly", NOW - timedelta(days=30)),
            ],
            1,
        )
    ]
    use(database, *some)
    return some


def test_usage_adds_up_exactly_by_any_keys(ai: Ai, database: Database) -> None:
    some = fill(database)
    found = rows(ai("usage", "--by", "tenant,model,day,report", "--format", "csv").stdout)
    assert [(one["tenant"], one["model"], one["day"], one["report"]) for one in found] == [
        ("acme", "gpt-4o", "2026-11-21", ""),
        ("acme", "gpt-4o", "2026-11-21", "daily"),
        ("acme", "o3", "2026-11-20", "daily"),
        ("acme", "o3", "2026-11-21", "daily"),
        ("beta", "o3", "2026-10-22", "weekly"),
    ]
    assert {one["cost_usd"] for one in found} == {f"{one.cost_usd:f}" for one in some}
    (total,) = rows(ai("usage", "--by", "", "--format", "csv").stdout)
    assert total == {
        "calls": "5",
        "input_tokens": "5000",
        "output_tokens": "250",
        "cache_read_tokens": "1000",
        "cache_write_tokens": "150",
        "cache_write_1h_tokens": "20",
        "cost_usd": "0.0000000000000000000000000015",
        "unpriced_calls": "0",
    }
    document = json.loads(ai("usage", "acme", "--by", "day", "--format", "json").stdout)
    assert [(one["day"], one["calls"]) for one in document["groups"]] == [
        ("2026-11-20", 1),
        ("2026-11-21", 3),
    ]
    assert document["total"]["cost_usd"] == "0.000000000000000000000000001"
    window = ("--since", "2026-11-20", "--until", "2026-11-20", "--format", "csv")
    assert [one["calls"] for one in rows(ai("usage", *window).stdout)] == ["1"]
    lines = cells(ai("usage", "--by", "report").stdout)
    assert [line[:2] for line in lines] == [
        ["report", "calls"], ["daily", "3"], ["weekly", "1"], ["-", "1"], ["total", "5"],
    ]  # fmt: skip


def test_what_usage_lacks_is_told(ai: Ai, database: Database, database_url: str) -> None:
    fill(database)
    with psycopg.connect(database_url) as connection:
        connection.execute("DELETE FROM ai_token_usage WHERE time < '2026-11-20'")
        connection.execute(
            "INSERT INTO ai_token_usage (tenant_id, model, input_tokens, time) "
            "VALUES ('acme', 'new-model', 5, '2026-11-21')"
        )
    said = ai("usage", "--format", "json")
    first, second = said.stderr.splitlines()
    assert first == "not in the sum: calls that have no cost yet: 1"
    assert second.startswith(
        "not in the sum: calls that are kept no longer (ai.usage_retention): 1, from before "
        "2026-11-20 23:59 UTC; what they cost by month stays"
    )
    document = json.loads(said.stdout)
    assert (document["calls_not_kept"], document["total"]["unpriced_calls"]) == (1, 1)
    assert document["total"]["calls"] == 5
    assert "kept no longer" not in ai("usage", "acme").stderr
    assert "kept no longer" not in ai("usage", "--since", "2026-11-21").stderr
    said = ai("usage", "beta", code=1)
    assert "no call of beta is kept; counted and kept no longer: 1" in said.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--by", "modle"], 2, "cannot group by 'modle'; did you mean 'model'?"),
        (["--since", "2026-11-02", "--until", "2026-11-01"], 2, "--since 2026-11-02 is after"),
        (["--since", "yesterday"], 2, "must be a day such as 2026-01-31"),
        ([], 1, "no call is kept"),
        (["--since", "2026-11-02"], 1, "no call is kept since 2026-11-02"),
    ],
)
def test_questions_that_usage_cannot_answer(
    ai: Ai, arguments: list[str], code: int, words: str
) -> None:
    refused = ai("usage", *arguments, code=code)
    assert refused.stdout == ""
    assert words in refused.stderr
