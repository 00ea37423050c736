from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.ai_budget.rates import KINDS, Found, Rate, Rates, rates_of
from finops_exporter.ai_model import MOST_TOKENS, Tokens

usd = st.decimals(0, 1_000_000, places=13)
steps = st.lists(st.tuples(st.integers(0, 400_000), usd), max_size=3, unique_by=lambda one: one[0])
rate = st.builds(Rate, usd, steps.map(lambda found: tuple(sorted(found))))
rates = st.builds(Rates, rate, rate, rate, rate, rate, usd)
counts = st.integers(0, 500_000) | st.integers(0, MOST_TOKENS)
tokens = st.builds(Tokens, counts, counts, counts, counts, counts)


def by_hand(found: Rates, of: Tokens) -> Fraction:
    given_to_it = of.input + of.cache_read + of.cache_write_5m + of.cache_write_1h
    total = Fraction(found.call_usd)
    for kind in KINDS:
        price = getattr(found, kind)
        at = [price.base, *(usd for above, usd in price.steps if above < given_to_it)][-1]
        total += Fraction(at) * getattr(of, kind) / 1_000_000
    return total


@given(rates, tokens)
def test_a_cost_is_exact(found: Rates, of: Tokens) -> None:
    assert Fraction(found.cost(of)) == by_hand(found, of)


@given(rates, tokens, st.decimals(0, 2, places=9))
def test_tokens_become_dearer_and_the_call_itself_does_not(
    found: Rates, of: Tokens, factor: Decimal
) -> None:
    call = Fraction(found.call_usd)
    tokens_alone = by_hand(found, of) - call
    assert Fraction(found.times(factor).cost(of)) == tokens_alone * Fraction(factor) + call


@given(rates, tokens, tokens)
def test_below_the_first_step_a_cost_is_the_sum_of_its_parts(
    found: Rates, one: Tokens, other: Tokens
) -> None:
    flat = rates_of(
        {"input": Rate(found.input.base), "output": found.output.times(Decimal(0))}, Decimal(0)
    )
    both = Tokens(*(getattr(one, kind) + getattr(other, kind) for kind in KINDS))
    with localcontext(prec=100):
        assert flat.cost(both) == flat.cost(one) + flat.cost(other)


def test_a_step_is_for_all_tokens_and_begins_above_its_threshold() -> None:
    stepped = Rate(Decimal(3), ((200_000, Decimal(6)), (500_000, Decimal(9))))
    found = rates_of({"input": stepped, "output": Rate(Decimal(15))})
    assert found.cost(Tokens(input=200_000)) == Decimal("0.6")
    assert found.cost(Tokens(input=200_001)) == Decimal("1.200006")
    assert found.cost(Tokens(input=100_000, cache_read=100_001)) == Decimal("1.200006")
    assert found.cost(Tokens(input=500_001)) == Decimal("4.500009")
    assert found.cost(Tokens(input=1, output=300_000)) == Decimal("4.500003")
    assert found.per_million(Tokens(input=300_000))["input"] == 6


def test_what_a_price_does_not_name_costs_what_is_nearest() -> None:
    known = {"input": Rate(Decimal(3))}
    least = rates_of(known)
    assert (least.cache_read, least.cache_write_5m, least.cache_write_1h) == (least.input,) * 3
    assert least.output == Rate(Decimal(0))
    written = rates_of(known | {"cache_write": Rate(Decimal(4))})
    assert written.cache_write_1h == written.cache_write_5m == Rate(Decimal(4))
    assert written.cache_read == Rate(Decimal(3))


def test_a_batch_has_rates_of_its_own() -> None:
    standard, half = rates_of({"input": Rate(Decimal(3))}), rates_of({"input": Rate(Decimal(1))})
    found = Found("somewhere", standard, half)
    assert found.cost(Tokens(input=1_000_000)) == 3
    assert found.cost(Tokens(input=1_000_000), batch=True) == 1
    assert (found.rates(), found.rates(batch=True)) == (standard, half)
