"""The demo's budgets show what they are to show, whatever day it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from finops_exporter import config
from finops_exporter.demo import budgets, charges, config_text

if TYPE_CHECKING:
    from pathlib import Path


def spent_by(now: datetime, team: str) -> Decimal:
    """What the bills say of the team in the month of yesterday."""
    month = (now - timedelta(days=1)).replace(day=1, hour=0, minute=0)
    following = (month + timedelta(days=31)).replace(day=1)
    amounts = (
        row.billed
        for row in charges(now, months=2)
        if month <= row.start < following
        and row.item.workload is not None
        and row.item.workload.tags.get("team") == team
    )
    return sum(amounts, Decimal(0))


@pytest.mark.parametrize(
    "now",
    [
        datetime(2026, 11, 25, 13, 50, tzinfo=UTC),
        datetime(2026, 11, 30, 23, 59, tzinfo=UTC),
        datetime(2026, 12, 1, 0, 0, tzinfo=UTC),
        datetime(2026, 12, 2, 0, 1, tzinfo=UTC),
        datetime(2027, 1, 1, 6, 0, tzinfo=UTC),
        datetime(2027, 1, 2, 6, 0, tzinfo=UTC),
        datetime(2028, 2, 29, 6, 0, tzinfo=UTC),
    ],
)
def test_one_is_used_up_and_one_almost(now: datetime) -> None:
    limits = {one.name: one.amount for one in budgets(now)}
    assert spent_by(now, "data") > limits["data"] > 0
    assert Decimal("0.8") < spent_by(now, "payments") / limits["payments"] < 1
    total = sum((row.billed for row in charges(now, months=1)), Decimal(0))
    assert total < limits["everything"]
    assert limits["everything"] == sum(limits[f"all of {one}"] for one in ("aws", "gcp", "azure"))


def test_they_are_a_part_of_the_configuration(tmp_path: Path) -> None:
    made = budgets(datetime(2026, 11, 25, 13, 50, tzinfo=UTC))
    file = tmp_path / "config.yaml"
    file.write_text(config_text(tmp_path, listen="127.0.0.1:0", budgets=made), encoding="utf-8")
    loaded = config.load(file, {}).configured_budgets()
    told = [
        (one.name, one.scope, one.scope_value, int(one.amount), one.owner, one.period)
        for one in loaded
    ]
    assert [tuple(map(str, one)) for one in told] == [
        (one.name, one.scope, one.value or "", str(one.amount), one.owner, one.period)
        for one in made
    ]
    assert [one.time_zone for one in loaded] == [one.time_zone for one in made]
