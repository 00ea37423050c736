from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from finops_exporter.alerts.catalogue import called
from finops_exporter.alerts.table import answer, condition, shown

if TYPE_CHECKING:
    from finops_exporter.alerts.rule import Unit
    from finops_exporter.alerts.values import Values


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("BudgetExceeded80Percent", "spent of the limit >= 80%"),
        (
            "ForecastExceedsBudget",
            "p10 forecast of the limit > 100%, unless spent of the limit >= 100%",
        ),
        ("AIBudgetExceeded", "used of the limit >= 100% or a call was refused"),
        (
            "CostAnomalyDetected",
            (
                "excess in usual scatters >= 4 x and excess > finops_alert_floor_usd and "
                "excess > 20% of what was expected"
            ),
        ),
        (
            "FinOpsUnreconciled",
            "difference from the provider's total > 0.5% and difference in dollars > $1",
        ),
        (
            "FinOpsBillingDataStale",
            (
                "intervals since the source was read > 3 x or the source was never read, and its "
                "newest run failed or time since a replica has read the store > 900 s (only "
                "Prometheus knows)"
            ),
        ),
    ],
)
def test_conditions_in_words(name: str, words: str) -> None:
    assert condition(called(name)[0][0]) == words


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (None, "usd", "unknown"),
        (0, "usd", "$0.00"),
        (-1234.5, "usd", "-$1,234.50"),
        (1.026, "ratio", "102.6%"),
        (50_000, "number", "50,000"),
        (3, "times", "3.00 x"),
        (90, "seconds", "90 s"),
        (1, "flag", "yes"),
        (0, "flag", "no"),
    ],
)
def test_values_have_their_units(number: float | None, unit: Unit, text: str) -> None:
    assert shown(number, unit) == text


def test_nothing_is_read_where_nothing_can_be_decided() -> None:
    def read() -> Values:
        pytest.fail("nobody asked")

    told = answer(read, datetime(2026, 11, 28, tzinfo=UTC), "UnusedPVC")
    assert (told.found, [one.name for one in told.undecided]) == ((), ["UnusedPVC"])
