from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from finops_exporter.ai_budget.price_table import price_table
from integration.processes import invoke

if TYPE_CHECKING:
    from pathlib import Path

SONNET = "claude-3-5-sonnet-20241022"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A price of our own, and one for what nobody knows."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "ai:\n"
        "  unknown_model: {input: 100, output: 200}\n"
        "  prices:\n"
        "    - {model: our/*, effective_from: 2026-02-01, input: 1, output: 2, batch: 0.25}\n"
    )
    return path


def told(*arguments: object) -> dict[str, Any]:
    result = invoke("ai", "price", *arguments, "--format", "json")
    assert (result.exit_code, result.stderr) == (0, "")
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_call_and_what_it_is_made_of() -> None:
    found = told(SONNET, "--input", 12000, "--output", 800, "--at", "2026-01-31")
    version = price_table().version
    assert found == {
        "model": SONNET,
        "at": "2026-01-31T00:00:00+00:00",
        "batch": False,
        "tokens": {"input": 12000, "output": 800},
        "usd_per_million": {"input": "3", "output": "15"},
        "usd_per_call": "0",
        "cost_usd": "0.048",
        "price_source": f"genai-prices {version} anthropic/claude-3-5-sonnet; "
        "batches at half the price",
    }


def test_every_kind_of_tokens_in_a_batch() -> None:
    options = ["--input", 10, "--output", 20, "--cache-read", 30, "--cache-write", 40]
    found = told(SONNET, *options, "--cache-write-1h", 50, "--batch")
    millionths = 10 * Decimal("1.5") + 20 * Decimal("7.5") + 30 * Decimal("0.15")
    millionths += 40 * Decimal("1.875") + 50 * 3
    assert Decimal(found["cost_usd"]) == millionths / 1_000_000
    assert found["usd_per_million"]["cache_write_1h"] == "3"
    assert found["batch"] is True


def test_caches_that_are_among_the_input() -> None:
    options = ["--input", 9000, "--output", 300, "--cache-read", 8000, "--cache-included"]
    found = told("openai/gpt-4o", *options)
    assert found["tokens"] == {"input": 1000, "output": 300, "cache_read": 8000}
    assert found["cost_usd"] == "0.0155"


def test_a_table_for_people() -> None:
    result = invoke("ai", "price", "perplexity/sonar", "--input", 1_000_000, "--output", 0)
    assert result.exit_code == 0
    *_, call, total, _, source = result.stdout.splitlines()
    assert call.replace(" ", "") == "│thecallitself│││$0.012│"
    assert total.replace(" ", "") == "│total│1,000,000││$1.012│"
    assert source == f"price: genai-prices {price_table().version} perplexity/sonar"
    assert "output" not in result.stdout


def test_the_configuration_goes_first_and_knows_what_nobody_knows(config: Path) -> None:
    options = ["--input", 1_000_000, "--output", 1_000_000, "--config", config]
    ours = told("our/llama", *options, "--at", "2026-02-01", "--batch")
    assert (ours["cost_usd"], ours["price_source"]) == ("0.75", "configuration prices[0]")
    before = told("our/llama", *options, "--at", "2026-01-31")
    assert (before["cost_usd"], before["price_source"]) == ("300", "configuration unknown_model")


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("claude-3-5-sonet", "have no price; did you mean 'claude-3-5-sonnet' or "),
        ("anthropic/gpt-4o", "have no price; did you mean 'gpt-4o' or "),
        (
            "nothing-like-it-at-all",
            "'nothing-like-it-at-all' have no price (yours go to ai.prices)",
        ),
    ],
)
def test_an_unknown_model_is_told_with_the_nearest_ones(model: str, said: str) -> None:
    result = invoke("ai", "price", model, "--input", 1, "--output", 1)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(f"finops-exporter: the tokens of {model!r} ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--input", "1"], "Missing option '--output'"),
        (["--input", "-1", "--output", "1"], "-1 is not in the range"),
        (["--input", "1", "--output", "1.5"], "'1.5' is not a valid integer"),
        (["--input", "1", "--output", "1", "--at", "today"], "must be a day such as 2026-01-31"),
        (
            ["--input", "1", "--output", "1", "--cache-read", "2", "--cache-included"],
            "2 tokens of caches cannot be among 1 input tokens",
        ),
    ],
)
def test_wrong_usage_is_told(options: list[str], said: str) -> None:
    result = invoke("ai", "price", "gpt-4o", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert said in result.stderr
