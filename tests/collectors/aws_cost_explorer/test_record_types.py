from __future__ import annotations

import pytest

from finops_exporter.collectors.aws_cost_explorer.record_types import by_category, charge_category
from finops_exporter.model import CHARGE_CATEGORIES


@pytest.mark.parametrize(
    ("record_type", "category"),
    [
        ("Usage", "Usage"),
        ("DiscountedUsage", "Usage"),
        ("SavingsPlanCoveredUsage", "Usage"),
        ("SavingsPlanNegation", "Usage"),
        ("Savings Plan Negation", "Usage"),
        ("Enterprise Discount Program Discount", "Usage"),
        ("SavingsPlanRecurringFee", "Purchase"),
        ("SavingsPlanUpfrontFee", "Purchase"),
        ("RIFee", "Purchase"),
        ("Recurring", "Purchase"),
        ("Support", "Purchase"),
        ("Other out-of-cycle charges", "Purchase"),
        ("Tax", "Tax"),
        ("Credit", "Credit"),
        ("Refund", "Adjustment"),
        ("SomethingNew", None),
    ],
)
def test_record_types_have_a_charge_category(record_type: str, category: str | None) -> None:
    assert charge_category(record_type) == category
    assert category is None or category in CHARGE_CATEGORIES


def test_unknown_types_are_asked_for_together_with_usage() -> None:
    types = frozenset({"Usage", "Tax", "Brand New", "SavingsPlanNegation"})
    assert by_category(types) == {
        "Tax": ["Tax"],
        "Usage": ["Brand New", "SavingsPlanNegation", "Usage"],
    }
