"""`ai import`: the published trace to the cent, each call once, and all or nothing."""

from __future__ import annotations

import signal
from contextlib import closing
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest

from integration.ai_store import Ai, ai_commands
from integration.processes import as_url, configure, on_terminal, started, until
from shared import shared_data

if TYPE_CHECKING:
    from pathlib import Path


HEAD = "TIMESTAMP,ContextTokens,GeneratedTokens\n"
ROWS = "".join(f"2026-11-{day:02} 10:00:00,{day * 1000},{day}\n" for day in range(1, 21))
TABLES = ("ai_token_usage", "ai_reservations", "budget_period", "ai_usage_buckets")


@pytest.fixture
def ai(database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ai:
    """The commands on an empty store."""
    return ai_commands(database_url, tmp_path, monkeypatch)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """20 calls of November: 210,000 tokens given, 210 made."""
    path = tmp_path / "calls.csv"
    path.write_text(HEAD + ROWS)
    return path


def whose(file: Path, tenant: str = "acme", model: str = "gpt-4o") -> tuple[object, ...]:
    return ("--csv", file, "--tenant", tenant, "--model", model)


def contents(url: str) -> dict[str, int]:
    """How many rows the tables of the ledger have."""
    with psycopg.connect(url) as connection:
        found = {}
        for table in TABLES:
            row = connection.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
            assert row is not None
            found[table] = int(row[0])
        return found


def spent(url: str, model: str = "*") -> dict[str, tuple[Decimal, int, int, int]]:
    """Cost, calls and tokens of acme by month, as the ledger counts them."""
    with psycopg.connect(url) as connection:
        found = connection.execute(
            "SELECT period_start, spent_usd, requests, input_tokens, output_tokens "
            "FROM budget_period WHERE tenant_id = 'acme' AND model = %s",
            [model],
        )
        return {str(month): (usd, calls, given, made) for month, usd, calls, given, made in found}


NOTHING = dict.fromkeys(TABLES, 0)


def test_the_published_trace_costs_what_it_costs(ai: Ai, database_url: str) -> None:
    trace = shared_data("llm/AzureLLMInferenceTrace_code.csv")
    said = ai("import", *whose(trace), "--report-type", "code", "--dry-run").stdout
    told = (
        f"8,819 calls of {trace} (2023-11-16 to 2023-11-16, UTC): 18,059,974 input and 245,896 "
        "output tokens, $47.608895\n"
    )
    assert said == f"acme, gpt-4o: would import {told}"
    assert contents(database_url) == NOTHING

    assert ai("import", *whose(trace), "--report-type", "code").stdout == (
        f"acme, gpt-4o: imported {told}"
    )
    # At $2.50 and $10 for a million: 18,059,974 * 2.5 / 10^6 + 245,896 * 10 / 10^6.
    sums = (Decimal("47.608895"), 8819, 18_059_974, 245_896)
    assert spent(database_url) == spent(database_url, "gpt-4o") == {"2023-11-01": sums}
    with psycopg.connect(database_url) as connection:
        row = connection.execute(
            "SELECT sum(cost_usd), count(*), sum(input_tokens), sum(output_tokens), "
            "min(time)::text, min(price_source), min(report_type) FROM ai_token_usage"
        ).fetchone()
    assert row is not None
    assert row[:5] == (*sums, "2023-11-16 18:17:03.97996+00")
    assert row[5].startswith("genai-prices")
    assert row[6] == "code"

    before = contents(database_url)
    again = ai("import", *whose(trace), "--input-price", "7", "--output-price", "7").stdout
    assert again == (
        f"acme, gpt-4o: nothing new in {trace}\n"
        "acme, gpt-4o: 8,819 calls were there already and left out\n"
    )
    assert contents(database_url) == before


def test_of_a_file_that_has_grown_what_is_new_comes(ai: Ai, file: Path, database_url: str) -> None:
    ai("import", *whose(file))
    file.write_text(HEAD + ROWS + "2026-11-21 10:00:00,1000,0\n" * 2)
    said = ai("import", *whose(file), "--dry-run").stdout.splitlines()
    assert said[0].startswith("acme, gpt-4o: would import 2 calls of ")
    assert said[0].endswith("2,000 input and 0 output tokens, $0.005")
    assert said[1] == "acme, gpt-4o: 20 calls were there already and would be left out"
    ai("import", *whose(file))
    assert spent(database_url)["2026-11-01"][1:] == (22, 212_000, 210)


def test_calls_count_in_the_month_of_their_own_clock(ai: Ai, file: Path, database_url: str) -> None:
    ai("set", "acme", "--limit", "1", "--time-zone", "Asia/Tokyo")
    ai("set", "acme", "--model", "gpt-4o", "--limit", "1", "--time-zone", "America/New_York")
    file.write_text(HEAD + "2026-10-31 15:00:00,1000,0\n2026-11-01T04:00:00Z,1000,0\n")
    ai("import", *whose(file), "--input-price", "1000", "--output-price", "0")
    # Both are above the limit, and counted: they were made.
    assert spent(database_url) == {"2026-11-01": (Decimal(2), 2, 2000, 0)}
    assert spent(database_url, "gpt-4o") == {
        "2026-10-01": (Decimal(1), 1, 1000, 0),
        "2026-11-01": (Decimal(1), 1, 1000, 0),
    }


def test_prices_of_the_configuration_hold_from_their_day_on(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    prices = [
        {"model": "ours", "effective_from": "2026-11-01", "input": 1, "output": 0},
        {"model": "ours", "effective_from": "2026-11-11", "input": 2, "output": 0},
    ]
    ai = ai_commands(database_url, tmp_path, monkeypatch, ai={"prices": prices})
    # 55,000 tokens through the 10th, 155,000 from the 11th on.
    assert ai("import", *whose(file, model="ours")).stdout.endswith("tokens, $0.365\n")
    file.write_text(HEAD + "2026-10-31 23:59:59,1000,1\n")
    refused = ai("import", *whose(file, model="ours"), code=1)
    assert "line 2, column TIMESTAMP: no price is known of the model 'ours' on 2026-10-31" in (
        refused.stderr
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (
            "2026-11-21 10:00:00,x,1",
            "column ContextTokens: must be a whole number from 0 to 1,000,",
        ),
        ("21.11.2026,1,1", "column TIMESTAMP: must be a time such as 2026-01-31 08:15:00.5 (UTC)"),
        ("2026-11-22 10:00:00,1,1", "column TIMESTAMP: 2026-11-22 10:00:00 is in the future"),
        ("2026-11-21 10:00:00,1", "it has only 2 columns"),
    ],
)
def test_a_wrong_row_is_named_and_nothing_comes(
    ai: Ai, file: Path, database_url: str, row: str, words: str
) -> None:
    file.write_text(HEAD + ROWS + row + "\n" + ROWS)
    for more in ([], ["--dry-run"]):
        refused = ai("import", *whose(file), *more, code=1)
        assert refused.stdout == ""
        assert refused.stderr.startswith(f"finops-exporter: {file}, line 22")
        assert words in refused.stderr
    assert contents(database_url) == NOTHING


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--input-price", "5"], 2, "--input-price and --output-price go together"),
        (["--input-price", "-5", "--output-price", "1"], 2, "must be a number from 0 to 1,000,000"),
        (["--time-column", "at"], 1, "line 1: there is no column at (found: TIMESTAMP, Context"),
        (["--model", "*"], 2, "'--model': must be the name of one model, not '*'"),
        (["--tenant", ""], 2, "'--tenant': must not be empty"),
        (["--csv", "no-such.csv"], 1, "cannot read no-such.csv: No such file or directory"),
    ],
)
def test_what_cannot_be_imported(
    ai: Ai, file: Path, arguments: list[str], code: int, words: str
) -> None:
    refused = ai("import", *whose(file), *arguments, code=code)
    assert refused.stdout == ""
    assert words in refused.stderr


def test_what_is_kept_no_longer_is_not_imported(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    """At NOW, noon of the 21st; the first row is of the 1st, at ten."""
    for kept, code in (("20d2h", 0), ("20d1h", 1)):
        settings = {"usage_retention": kept}
        ai = ai_commands(database_url, tmp_path, monkeypatch, ai=settings)
        said = ai("import", *whose(file, tenant=kept), code=code)
        assert ("older than calls are kept (ai.usage_retention)" in said.stderr) == bool(code)


def test_two_imports_at_once_count_once(file: Path, database_url: str, tmp_path: Path) -> None:
    config = configure(tmp_path, as_url(database_url))
    file.write_text(HEAD + ROWS.replace("2026", "2025"))
    arguments = ("ai", "import", "--config", config, *whose(file))
    with (
        closing(psycopg.connect(database_url)) as holder,
        started(*arguments) as one,
        started(*arguments) as other,
    ):
        holder.execute("LOCK TABLE ai_reservations IN SHARE MODE")
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = (SELECT oid FROM "
        waits += "pg_database WHERE datname = current_database())"
        until(lambda: holder.execute(waits.encode()).fetchone() == (2,), "both are under way")
        holder.rollback()
        said = sorted(process.communicate(timeout=60)[0] for process in (one, other))
    assert said[0].startswith("acme, gpt-4o: imported 20 calls of ")
    assert said[1].endswith("20 calls were there already and left out\n")
    assert spent(database_url)["2025-11-01"][1:] == (20, 210_000, 210)


@pytest.mark.kill
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_an_import_that_is_killed_leaves_nothing(
    file: Path, database_url: str, tmp_path: Path, number: int
) -> None:
    config = configure(tmp_path, as_url(database_url))
    file.write_text(HEAD + ROWS.replace("2026", "2025"))
    arguments = ("ai", "import", "--config", config, *whose(file))
    with closing(psycopg.connect(database_url)) as holder, started(*arguments) as process:
        # Its rows are written by then, and being counted.
        holder.execute("LOCK TABLE ai_usage_buckets IN SHARE MODE")
        waits = (
            "SELECT count(*) FROM pg_locks "
            "WHERE relation = 'ai_usage_buckets'::regclass AND NOT granted"
        )
        until(lambda: holder.execute(waits).fetchone() == (1,), "the import counts")
        process.send_signal(number)
        process.wait(timeout=60)
        assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
        holder.rollback()
        others = (
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        holder.autocommit = True  # within a transaction, the activity stands still
        until(lambda: holder.execute(others).fetchone() == (0,), "the server lets go of it")
    assert contents(database_url) == NOTHING
    with started(*arguments) as process:
        said, _ = process.communicate(timeout=60)
    assert said.startswith("acme, gpt-4o: imported 20 calls of ")
    assert spent(database_url)["2025-11-01"][1:] == (20, 210_000, 210)


def test_people_see_how_far_it_is(file: Path, database_url: str, tmp_path: Path) -> None:
    config = configure(tmp_path, as_url(database_url))
    file.write_text(HEAD + ROWS.replace("2026", "2025") * 1000)
    code, shown = on_terminal("ai", "import", "--config", config, *whose(file))
    assert code == 0
    assert "import calls.csv" in shown
    assert "imported 20,000 calls" in shown
    assert contents(database_url)["ai_token_usage"] == 20_000
