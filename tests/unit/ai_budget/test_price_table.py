"""The built-in prices are those of genai-prices, which answers in a process of its own."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
import tomllib
from dataclasses import asdict
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from finops_exporter.ai_budget.own_rules import BATCH_RULES, CACHE_RULES, provider_of
from finops_exporter.ai_budget.price_table import PriceTable, matches, price_table
from finops_exporter.ai_model import Tokens
from shared import ROOT

if TYPE_CHECKING:
    from finops_exporter.ai_budget.rates import Found

FILE = ROOT / "exporter/finops_exporter/ai_budget/prices.jsonl"
NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MILLION = 1_000_000


def run(*program: str, stdin: str = "") -> str:
    command = [sys.executable, *program]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def found(name: str, at: datetime = NOW) -> Found:
    model = price_table().model(name)
    assert model
    price = model.at(at)
    assert price
    return price


def cost(name: str, at: datetime = NOW, *, batch: bool = False, **tokens: int) -> Decimal:
    return found(name, at).cost(Tokens(**tokens), batch=batch)


def test_the_file_is_what_the_pinned_package_gives() -> None:
    is_same = run("tools/flatten_prices.py") == FILE.read_text(encoding="utf-8")
    assert is_same, "run `make prices` and commit what it writes"
    dev = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]["dev"]
    assert f"genai-prices=={price_table().version}" in dev


def test_the_file_carries_the_licence_of_what_it_is_made_of() -> None:
    head = json.loads(FILE.read_text(encoding="utf-8").splitlines()[0])
    assert head["source"] == "https://github.com/pydantic/genai-prices"
    assert "MIT" in head["licence"]
    assert "Copyright (c) Pydantic Services Inc." in head["licence"]


def test_the_page_on_prices_tells_what_we_add_and_which_version_it_is() -> None:
    page = (ROOT / "docs/ai-pricing.md").read_text(encoding="utf-8")
    assert [rule.source for rule in (*BATCH_RULES, *CACHE_RULES) if rule.source not in page] == []
    assert set(re.findall(r"genai-prices\S* ([0-9.]+[0-9])", page)) == {price_table().version}


# Against genai-prices


def questions() -> list[tuple[str, datetime, Tokens, bool]]:
    """Every name that is known, and some that are nearly so, at times and in amounts at random."""
    chance = random.Random(8)  # noqa: S311 - no secret
    names = sorted(price_table().names())
    names += [name.upper() for name in chance.sample(names, 100)]
    names += [f"{name}-20261128" for name in chance.sample(names, 300)]
    names += [name[:-1] for name in chance.sample(names, 300)]
    names += [name.partition("/")[2] or f"{name}x" for name in chance.sample(names, 300)]
    names += [
        "",
        "/",
        "gpt-4o",
        "o1",
        "OpenAI/gpt-4o",
        " openai /gpt-4o",
        "anthropic/claude-3-opus",
    ]
    names += 40 * ["deepseek-chat", "deepseek-v4-pro", "claude-opus-4-6", "gemini-4-argon"]
    edges = [0, 1, 999, 100_000, 100_001, 128_000, 200_000, 200_001, 272_001, 1_000_001]
    first = datetime(2024, 1, 1, tzinfo=UTC)

    def some() -> int:
        return chance.choice(
            [0, chance.choice(edges), chance.randrange(10 ** chance.randrange(1, 8))]
        )

    return [
        (
            name,
            (first + timedelta(seconds=chance.randrange(3 * 366 * 86_400))).astimezone(
                timezone(timedelta(hours=chance.randrange(-12, 15)))
            ),
            Tokens(some(), some(), some(), some(), some()),
            chance.random() < 0.3,
        )
        for name in names
    ]


def test_every_name_costs_what_genai_prices_says_to_the_last_digit() -> None:
    asked: list[list[Any]] = []
    answered: list[Decimal | None] = []
    for name, at, tokens, batch in questions():
        model = price_table().model(name)
        price = model and model.at(at)
        halved = bool(price and batch and BATCH_RULES[0].says in price.source)
        if price and CACHE_RULES[0].says in price.source:
            tokens = Tokens(tokens.input, tokens.output, tokens.cache_read)  # noqa: PLW2901 - ours
        provider = provider_of(name.lower()) if model and model.provider == "aws" else None
        provider = provider if "/" not in name else None
        asked.append([provider, name, at.isoformat(), asdict(tokens), batch and not halved])
        total = price.cost(tokens, batch=batch) if price else None
        answered.append(total * 2 if total is not None and halved else total)
    said = json.loads(run("tests/doubles/genai_oracle.py", stdin=json.dumps(asked)))
    wrong = [
        (question, ours, theirs)
        for question, ours, theirs in zip(asked, answered, said, strict=True)
        if ours != (theirs if theirs is None else Decimal(theirs))
    ]
    assert wrong == []
    assert sum(total is not None for total in answered) > 2500
    assert sum(total is None for total in answered) > 300


# By hand, from what is published


@pytest.mark.parametrize(
    ("name", "usd", "usd_out"),
    [
        ("claude-3-5-sonnet-20241022", "3", "15"),
        ("claude-3-opus-20240229", "15", "75"),
        ("claude-3-opus", "15", "75"),
        ("claude-3-haiku-20240307", "0.25", "1.25"),
        ("anthropic/claude-3-opus-20240229", "15", "75"),
        ("openai/gpt-4o", "2.5", "10"),
        ("bedrock/anthropic.claude-3-5-sonnet-20240620-v1:0", "3", "15"),
        ("us.anthropic.claude-3-5-sonnet-20241022-v2:0", "3", "15"),
        ("anthropic.claude-3-haiku-20240307-v1:0", "0.25", "1.25"),
        ("amazon.nova-pro-v1:0", "0.8", "3.2"),
        ("vertex_ai/claude-3-5-sonnet@20240620", "3", "15"),
        ("azure/gpt-4o", "2.5", "10"),
    ],
)
def test_published_prices(name: str, usd: str, usd_out: str) -> None:
    assert cost(name, input=MILLION) == Decimal(usd)
    assert cost(name, output=MILLION) == Decimal(usd_out)
    assert cost(name, input=1000, output=500) == (Decimal(usd) + Decimal(usd_out) / 2) / 1000


@pytest.mark.parametrize(
    ("name", "read", "write", "write_1h"),
    [
        ("claude-3-5-sonnet-20241022", "0.3", "3.75", "6"),
        ("claude-3-opus", "1.5", "18.75", "30"),
        ("claude-3-haiku", "0.03", "0.3", "0.5"),
    ],
)
def test_caches_as_published(name: str, read: str, write: str, write_1h: str) -> None:
    assert cost(name, cache_read=MILLION) == Decimal(read)
    assert cost(name, cache_write_5m=MILLION) == Decimal(write)
    assert cost(name, cache_write_1h=MILLION) == Decimal(write_1h)
    assert cost(name, cache_write_1h=MILLION, batch=True) == Decimal(write_1h) / 2


@pytest.mark.parametrize(
    ("name", "usd", "usd_out"),  # Anthropic's table of batches
    [
        ("claude-opus-4-1-20250805", "7.5", "37.5"),
        ("claude-sonnet-4-20250514", "1.5", "7.5"),
        ("claude-3-7-sonnet-20250219", "1.5", "7.5"),
        ("claude-3-5-sonnet-20241022", "1.5", "7.5"),
        ("claude-3-5-haiku-20241022", "0.4", "2"),
        ("claude-3-opus-20240229", "7.5", "37.5"),
        ("claude-3-haiku-20240307", "0.125", "0.625"),
        ("claude-opus-4-5", "2.5", "12.5"),
    ],
)
def test_batches_as_published(name: str, usd: str, usd_out: str) -> None:
    for at in (NOW, datetime(2024, 10, 8, tzinfo=UTC)):
        assert cost(name, at, input=MILLION, batch=True) == Decimal(usd)
        assert cost(name, at, output=MILLION, batch=True) == Decimal(usd_out)
    before = datetime(2024, 10, 7, 23, 59, tzinfo=UTC)
    assert cost(name, before, input=MILLION, batch=True) == cost(name, before, input=MILLION)


def test_models_that_were_never_in_a_batch_cost_the_same_in_one() -> None:
    for name in ("claude-2.1", "claude-3-sonnet-20240229", "azure/claude-3-haiku"):
        assert cost(name, input=7, output=9, batch=True) == cost(name, input=7, output=9)


def test_who_sells_claude_writes_its_caches_at_anthropics_rule() -> None:
    name = "openrouter/anthropic/claude-opus-4.5"  # 5 a million; five minutes are in the table
    assert cost(name, cache_write_5m=MILLION) == Decimal("6.25")
    assert cost(name, cache_write_1h=MILLION) == 10
    assert cost("vertex_ai/claude-3-opus@20240229", cache_write_1h=MILLION) == 30
    assert cost("openrouter/anthropic/claude-3-opus", cache_write_5m=MILLION) == Decimal("18.75")
    stepped = "openrouter/anthropic/claude-sonnet-4.5"
    assert cost(stepped, cache_write_1h=200_000) == Decimal("1.2")
    assert cost(stepped, cache_write_1h=MILLION) == 12


def test_the_source_of_a_price_says_which_one_it_is() -> None:
    version = price_table().version
    assert found("gpt-4o").source == f"genai-prices {version} openai/gpt-4o"
    assert found("claude-3-opus").source == (
        f"genai-prices {version} anthropic/claude-3-opus-latest; batches at half the price"
    )
    assert found("claude-opus-4-6").source == (
        f"genai-prices {version} anthropic/claude-opus-4-6 since 2026-03-13"
    )
    earlier = found("claude-opus-4-6", datetime(2026, 3, 12, 23, 59, tzinfo=UTC))
    assert earlier.source.startswith(f"genai-prices {version} anthropic/claude-opus-4-6; ")
    assert earlier.cost(Tokens(input=200_001)) == Decimal("2.00001")
    assert found("deepseek-chat").source.endswith("deepseek/deepseek-chat at 00:30-16:30 UTC")


def test_prices_follow_the_time_of_day_in_utc() -> None:
    def at(text: str) -> Decimal:
        return cost("deepseek-chat", datetime.fromisoformat(text), input=MILLION)

    assert at("2026-11-28T00:29:59+00:00") == Decimal("0.135")
    assert at("2026-11-28T00:30:00+00:00") == Decimal("0.27")
    assert at("2026-11-28T16:29:59.999999+00:00") == Decimal("0.27")
    assert at("2026-11-28T16:30:00+00:00") == Decimal("0.135")
    assert at("2026-11-28T08:15:00+08:00") == Decimal("0.135")  # 00:15 in UTC


def test_a_call_itself_may_cost() -> None:
    assert cost("perplexity/sonar") == Decimal("0.012")  # 12 a thousand
    assert cost("perplexity/sonar", input=MILLION, output=MILLION) == Decimal("2.012")


@pytest.mark.parametrize(
    "name",
    [
        "no-such-model",
        "my-claude",
        "claude",
        "anthropic/gpt-4o",
        "openai/",
        "us.anthropic.no-such-model",
        "nobody.claude-3-haiku-20240307",
        "us.claude-3-haiku-20240307",
        "openai.gpt-oss-120b",  # whether it is Amazon's or Oracle's
    ],
)
def test_a_name_that_nobody_sells_is_no_model(name: str) -> None:
    assert price_table().model(name) is None


def test_models_without_a_price_of_tokens_have_none() -> None:
    for name in ("whisper-1", "openrouter/openai/gpt-oss-20b:free"):
        model = price_table().model(name)
        assert model is None or model.at(NOW) is None
    hourly = price_table().model("whisper-1")
    assert hourly
    assert hourly.at(NOW) is None


# The file's form


def lines(*models: object, head: object = None) -> list[bytes]:
    file = [head or {"version": "9"}, [["p", {"contains": ["m"]}, None, []]], *models]
    return [json.dumps(line).encode() for line in file]


def test_the_first_model_that_a_name_means_counts() -> None:
    table = PriceTable(
        lines(
            ["first", {"is": ["m-1"], "starts": ["m-x"]}, [[None, {"input": "1"}]], []],
            ["any", {"ends": ["2"]}, [[None, {"input": "2"}]], []],
            ["exact", {"is": ["m-1", "m-2", "m-3"]}, [[None, {"input": "3"}]], []],
            ["last", {"contains": ["m"]}, [[None, {"input": "4"}]], []],
        )
    )
    means = {
        name: getattr(table.model(name), "id", None)
        for name in ("m-1", "m-x2", "m-2", "m-3", "M-3", "m-4", "p/m-4", "x", "p/x")
    }
    assert means == {
        "m-1": "first",
        "m-x2": "first",
        "m-2": "any",
        "m-3": "exact",
        "M-3": "exact",
        "m-4": "last",
        "p/m-4": "last",
        "x": None,
        "p/x": None,
    }


def test_times_of_day_may_go_across_midnight() -> None:
    dated = [[None, {"input": "1"}], ["23:00-01:30", {"input": "2"}]]
    table = PriceTable(lines(["m", {"is": ["m"]}, dated, []]))
    model = table.model("m")
    assert model
    prices = {}
    for time in ("22:59:59", "23:00:00", "00:00:00", "01:29:59", "01:30:00"):
        price = model.at(datetime.fromisoformat(f"2026-11-28T{time}+00:00"))
        prices[time] = price and int(price.standard.input.base)
    assert prices == {"22:59:59": 1, "23:00:00": 2, "00:00:00": 2, "01:29:59": 2, "01:30:00": 1}


def test_of_several_changes_in_a_batch_the_first_that_holds_counts() -> None:
    batches = [
        ["2026-12-01", {"input": "1"}],
        ["2026-01-01", {"input": "2", "output": "3"}],
        [None, {"output": "4"}],
    ]
    line = ["m", {"is": ["m"]}, [[None, {"input": "8", "output": "9"}]], batches]
    model = PriceTable(lines(line)).model("m")
    assert model
    in_batch = {}
    for day in ("2025-12-31", "2026-11-30", "2026-12-01"):
        price = model.at(datetime.fromisoformat(f"{day}T00:00:00+00:00"))
        assert price
        in_batch[day] = (int(price.in_batch.input.base), int(price.in_batch.output.base))
    assert in_batch == {"2025-12-31": (8, 4), "2026-11-30": (2, 3), "2026-12-01": (1, 3)}


def test_all_forms_of_names() -> None:
    assert matches({"all": [[{"starts": ["a"]}, {"ends": ["z"]}]]}, "a-z")
    assert not matches({"all": [[{"starts": ["a"]}, {"ends": ["z"]}]]}, "a-y")
    assert matches({"regex": ["^a[0-9]$"]}, "a1")
    assert not matches({"regex": ["^a[0-9]$"]}, "a12")
    assert not matches({}, "a")
