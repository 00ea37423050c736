from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from finops_exporter.collectors.aws_cost_explorer.answers import (
    Metrics,
    account_names,
    groups,
    region,
    service,
    totals,
)
from finops_exporter.collectors.aws_cost_explorer.cuts import TagCut
from finops_exporter.errors import CollectError
from finops_exporter.model import NONE
from shared import shared_data

BOTH = Metrics("UnblendedCost", "AmortizedCost")


def page(amounts: dict[str, Any], **others: Any) -> dict[str, Any]:
    result = {"TimePeriod": {"Start": "2026-11-01", "End": "2026-11-02"}, "Total": {}, "Groups": []}
    group = {"Keys": ["1", "Tax"], "Metrics": amounts}
    return {"ResultsByTime": [{**result, "Groups": [group], **others}]}


def amounts(unblended: str, amortized: str = "1", unit: str = "USD") -> dict[str, Any]:
    return {
        "UnblendedCost": {"Amount": unblended, "Unit": "USD"},
        "AmortizedCost": {"Amount": amortized, "Unit": unit},
    }


def test_a_group_keeps_every_digit_and_whether_it_is_estimated() -> None:
    (found,) = groups([page(amounts("0.1234567891", "-1E-10"), Estimated=True)], BOTH)
    assert found.day == date(2026, 11, 1)
    assert found.keys == ("1", "Tax")
    assert (found.billed, found.effective) == (Decimal("0.1234567891"), Decimal("-0.0000000001"))
    assert (found.currency, found.estimated) == ("USD", True)


def test_a_total_of_nothing_in_a_grouped_answer_is_no_group() -> None:
    empty = page({}, Groups=[], Total=amounts("0", "0"))
    assert list(groups([empty], BOTH)) == []
    (total,) = totals([empty], BOTH)
    assert total.billed == 0


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (amounts("many"), "UnblendedCost is 'many', which is no number"),
        (amounts("NaN"), "UnblendedCost is NaN, which is no amount"),
        (amounts("1", "Infinity"), "AmortizedCost is Infinity, which is no amount"),
        ({"UnblendedCost": {"Amount": "1", "Unit": "USD"}}, "holds no 'AmortizedCost'"),
        ({"UnblendedCost": {"Amount": "1"}}, "holds no 'Unit' of UnblendedCost"),
        (amounts("1", "1", unit="EUR"), "UnblendedCost is in USD, but AmortizedCost in EUR"),
    ],
)
def test_what_is_no_amount_is_refused_with_its_day(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(CollectError, match=f"^2026-11-01: .*{said}"):
        list(groups([page(wrong)], BOTH))


def test_names_of_services_and_regions_are_those_of_focus() -> None:
    assert service("EC2 - Other") == "Amazon Elastic Compute Cloud"
    assert service("Amazon Elastic Compute Cloud - Compute") == "Amazon Elastic Compute Cloud"
    assert service("AWS Lambda") == "AWS Lambda"
    assert [region(key) for key in ("NoRegion", "", "global")] == [NONE, NONE, "global"]


def test_accounts_are_named_where_cost_explorer_names_them() -> None:
    attributes = [
        {"Value": "1", "Attributes": {"description": "production"}},
        {"Value": "2", "Attributes": {}},
    ]
    assert account_names([{"DimensionValueAttributes": attributes}, {}]) == {"1": "production"}


def test_a_recorded_answer_by_tag_replays_to_its_published_total() -> None:
    path = shared_data("aws/ce_hms_GetCostAndUsage_by_tag.json")
    recorded = json.loads(path.read_text(encoding="utf-8"))
    blended = Metrics("BlendedCost", "BlendedCost")
    found = list(groups([recorded["byUser"]], blended))
    # MANIFEST.md: BlendedCost 5.9922584254
    assert sum(one.billed for one in found) == Decimal("5.9922584254")
    assert {one.estimated for one in found} == {True, False}
    # The same file holds three users' costs once more, by another tag.
    user = TagCut("user", ("CreatedBy",))
    for name, answer in recorded["byEnv"].items():
        of_user = [one.billed for one in found if user.split(one.keys) == [name]]
        assert sum(of_user) == sum(one.billed for one in groups([answer], blended)) > 0
