from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.ai_budget.pricing import PriceList, tokens_of
from finops_exporter.ai_config import Price, PriceOverride
from finops_exporter.ai_model import Tokens

if TYPE_CHECKING:
    from finops_exporter.ai_budget.rates import Found

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
MILLION = 1_000_000


def own(model: str, usd: str, since: str = "2026-01-01", **keys: Any) -> PriceOverride:
    return PriceOverride.model_validate(
        {"model": model, "effective_from": since, "input": usd, "output": usd, **keys}
    )


def found(prices: PriceList, model: str, at: datetime = NOW) -> Found:
    price = prices.find(model, at)
    assert price
    return price


def test_without_a_configuration_the_built_in_prices_hold() -> None:
    prices = PriceList()
    assert found(prices, "claude-3-haiku").cost(Tokens(input=MILLION)) == Decimal("0.25")
    assert found(prices, "claude-3-haiku").source.startswith("genai-prices ")
    assert prices.find("claude-17", NOW) is None
    assert prices.find("", NOW) is None


def test_the_configuration_goes_before_from_its_day_on_in_utc() -> None:
    prices = PriceList(
        [own("claude-3-haiku", "7", "2026-03-01"), own("claude-3-haiku", "8", "2026-02-01")]
    )

    def at(text: str) -> tuple[str, Decimal]:
        price = found(prices, "Claude-3-Haiku", datetime.fromisoformat(text))
        return price.source, price.standard.input.base

    assert at("2026-01-31T23:59:59+00:00")[1] == Decimal("0.25")
    assert at("2026-02-01T00:00:00+00:00") == ("configuration prices[1]", Decimal(8))
    assert at("2026-03-01T01:00:00+02:00") == ("configuration prices[1]", Decimal(8))
    assert at("2026-03-01T00:00:00+00:00") == ("configuration prices[0]", Decimal(7))


def test_a_whole_name_goes_before_a_beginning_and_a_longer_one_before_a_shorter() -> None:
    prices = PriceList(
        [
            own("claude-*", "1"),
            own("claude-3-*", "2"),
            own("claude-3-haiku", "3", "2026-06-01"),
            own("Claude-3-haiku*", "4", "2026-05-01"),
            own("claude-*", "5", "2026-04-01"),
        ]
    )

    def usd(model: str, at: datetime = NOW) -> Decimal:
        return found(prices, model, at).standard.input.base

    may = datetime(2026, 5, 31, tzinfo=UTC)
    assert [usd("claude-3-haiku", at) for at in (NOW, may)] == [3, 4]
    assert usd("claude-3-haiku-20240307") == 4
    assert usd("claude-3-haiku", datetime(2026, 4, 30, tzinfo=UTC)) == 2
    assert usd("claude-17") == 5
    assert usd("claude-17", datetime(2026, 3, 31, tzinfo=UTC)) == 1
    assert prices.find("anthropic/claude-17", NOW) is None
    assert usd("anthropic/claude-3-haiku") == Decimal("0.25")


def test_an_unknown_model_costs_what_the_configuration_says() -> None:
    fallback = Price.model_validate({"input": "10", "output": "20", "batch": "0.5"})
    prices = PriceList((), fallback)
    price = found(prices, "no-such-model")
    assert price.source == "configuration unknown_model"
    assert price.cost(Tokens(input=1, output=1)) == Decimal("0.00003")
    assert price.cost(Tokens(input=1, output=1), batch=True) == Decimal("0.000015")
    assert found(prices, "whisper-1").source == "configuration unknown_model"  # sold by the minute
    assert found(prices, "gpt-4o").source.startswith("genai-prices ")


def test_kinds_that_a_configured_price_leaves_out() -> None:
    prices = PriceList(
        [
            own("least", "3"),
            own("written", "3", cache_write="4"),
            own("all", "3", cache_read="1", cache_write="4", cache_write_1h="6"),
        ]
    )
    one_each = Tokens(cache_read=MILLION, cache_write_5m=MILLION, cache_write_1h=MILLION)
    totals = {name: found(prices, name).cost(one_each) for name in ("least", "written", "all")}
    assert totals == {"least": 9, "written": 3 + 4 + 4, "all": 1 + 4 + 6}
    assert found(prices, "all").cost(one_each, batch=True) == 11


def test_a_price_is_remembered_only_for_its_minute() -> None:
    prices = PriceList()
    edge = datetime(2026, 11, 28, 0, 30, tzinfo=UTC)  # deepseek becomes dearer
    before = found(prices, "deepseek-chat", edge - timedelta(microseconds=1))
    after = found(prices, "deepseek-chat", edge)
    again = found(prices, "deepseek-chat", edge + timedelta(seconds=59))
    assert before.standard.input.base * 2 == after.standard.input.base
    assert again is after


days = st.dates(date(2026, 1, 1), date(2026, 1, 9))
overrides = st.builds(
    own,
    st.sampled_from(["gpt-4o", "gpt-4o*", "gpt-4*", "GPT-*", "gpt-4o-mini", "x"]),
    st.integers(1, 99).map(str),
    days.map(date.isoformat),
)


@given(st.lists(overrides, unique_by=lambda one: (one.model, one.effective_from)), days)
def test_the_choice_among_configured_prices_is_that_of_a_slow_search(
    configured: list[PriceOverride], on: date
) -> None:
    expected = None
    for index, one in enumerate(configured):
        name, star, _ = one.model.lower().partition("*")
        if one.effective_from <= on and (name == "gpt-4o" or (star and "gpt-4o".startswith(name))):
            rank = (not star, len(name), one.effective_from)
            if expected is None or rank > expected[0]:
                expected = rank, f"configuration prices[{index}]"
    at = datetime(on.year, on.month, on.day, 5, tzinfo=UTC)
    source = found(PriceList(configured), "gpt-4o", at).source
    assert source == (expected[1] if expected else found(PriceList(), "gpt-4o", at).source)


def test_a_call_costs_what_its_kinds_of_tokens_cost() -> None:
    price = found(PriceList(), "claude-3-5-sonnet-20241022")
    assert price.cost(Tokens(input=1000, output=4096)) == Decimal("0.06444")
    cached = Tokens(input=1000, output=1, cache_read=10_000, cache_write_1h=2000)
    assert price.cost(cached) == Decimal("0.018015")
    assert price.cost(Tokens(input=1000, output=4096), batch=True) == Decimal("0.03222")


counts = st.integers(0, 10**9)


@given(counts, counts, counts, counts, counts)
def test_both_ways_to_count_come_to_the_same(
    fresh: int, output: int, read: int, five: int, hour: int
) -> None:
    parts = {"cache_read": read, "cache_write_5m": five, "cache_write_1h": hour}
    beside = tokens_of(input_tokens=fresh, output_tokens=output, cache_included=False, **parts)
    among = tokens_of(
        input_tokens=fresh + read + five + hour,
        output_tokens=output,
        cache_included=True,
        **parts,
    )
    assert beside == among == Tokens(fresh, output, read, five, hour)
    assert beside.total == fresh + output + read + five + hour


def test_counts_that_cannot_be_are_told() -> None:
    with pytest.raises(ValueError, match=r"^31 tokens of caches cannot be among 30 input tokens; "):
        tokens_of(input_tokens=30, cache_read=20, cache_write_1h=11, cache_included=True)
    with pytest.raises(ValueError, match=r"^output tokens cannot be fewer than 0, as -1 are$"):
        tokens_of(input_tokens=1, output_tokens=-1, cache_included=False)
    with pytest.raises(ValueError, match=r"^cache_read tokens cannot be fewer than 0, as -5 are$"):
        tokens_of(input_tokens=1, cache_read=-5, cache_included=True)


SMALL = """
import finops_exporter.ai_budget.pricing as pricing, sys
from datetime import UTC, datetime
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
before = resident()
prices = pricing.PriceList()
assert prices.find("gpt-4o", datetime(2026, 11, 28, tzinfo=UTC))
print(resident() - before, "genai_prices" in sys.modules)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_the_table_is_small_and_needs_no_genai_prices() -> None:
    done = subprocess.run([sys.executable, "-c", SMALL], capture_output=True, text=True, check=True)
    grown, imported = done.stdout.split()
    assert int(grown) < 3_000_000
    assert imported == "False"
