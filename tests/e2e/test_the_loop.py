"""One cause from beginning to end: a bill passes its budget, and is restated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.drilling import BUDGET, bill
from e2e.hearing import EVERYBODY
from e2e.stack import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from e2e.stack import Stack
    from e2e.story import Story


@pytest.fixture(scope="module")
def wishes(folder: Path) -> Wishes:
    bill(folder, "500")
    return Wishes([{"paths": [str(folder / "*.csv")]}], {"budgets": [BUDGET]})


def test_a_bill_past_its_budget_is_told_to_everybody_and_so_is_its_end(
    stack: Stack, story: Callable[[str, str], Story]
) -> None:
    told = story("BudgetExceededCritical", "a bill grows past its budget")
    bill(stack.folder, "1041")
    told.caused()
    messages = told.fires("Budget Alert: shop", EVERYBODY)
    for message in messages.values():
        for words in (
            "Threshold: 100% exceeded\nBudget: $1,000.00 / monthly\nSpent: $1,041.00 (104.1%)",
            "Remaining: -$41.00",
            "Owner: web team",
        ):
            assert words in message.text, message.text
    assert messages["pagerduty"].key.endswith(" trigger")

    bill(stack.folder, "700")
    told.mended()
    ends = told.over("Budget Alert: shop", EVERYBODY)
    key = messages["pagerduty"].key.removesuffix(" trigger")
    assert ends["pagerduty"].key == f"{key} resolve"
    assert stack.receivers.pagerduty.open == set()
