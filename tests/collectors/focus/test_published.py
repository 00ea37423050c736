"""Published files against totals that were published, or computed here with csv and Decimal."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from collectors.focus.support import items_of, rejection_in, rows_in
from finops_exporter.model import NONE, Complete, ControlTotal
from shared import shared_data

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from finops_exporter.model import CostRow, Item

SAMPLE = "focus/focus-1.0_sample_1000.csv"


@pytest.fixture(scope="module")
def sample() -> list[Item]:
    return items_of(shared_data(SAMPLE))


def records(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def sums(rows: Iterable[CostRow], key: Callable[[CostRow], str]) -> dict[str, Decimal]:
    found: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows:
        found[key(row)] += row.billed
    return dict(found)


def test_the_sample_has_its_published_totals(sample: list[Item]) -> None:
    rows = rows_in(sample)
    assert sum(row.billed for row in rows) == Decimal("20.52022672899")
    assert sum(row.effective for row in rows) == Decimal("14.97651418586")
    assert sums(rows, lambda row: row.provider) == {
        "aws": Decimal("18.00663861840"),
        "azure": Decimal("1.97651418586"),
        "oracle": Decimal("0.53707392473"),
    }
    assert sums(rows, lambda row: row.charge_category) == {
        "Usage": Decimal("22.86192672899"),
        "Credit": Decimal("-2.6137"),
        "Adjustment": Decimal("0.272"),
    }
    by_day = sums(rows, lambda row: row.day.isoformat())
    assert max(by_day.items(), key=lambda item: item[1]) == (
        "2024-09-18",
        Decimal("2.28791439970"),
    )
    assert sums(rows, lambda row: row.region)["us-east-1"] == Decimal("14.10124719200")
    ec2 = "Amazon Elastic Compute Cloud"
    assert sums(rows, lambda row: row.service)[ec2] == Decimal("16.04169305050")


def test_the_sample_by_every_dimension(sample: list[Item]) -> None:
    def text(record: dict[str, str], *columns: str) -> str:
        return next((record[c] for c in columns if record[c] not in {"", "NULL"}), NONE)

    billed: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    effective: dict[tuple[str, ...], Decimal] = defaultdict(Decimal)
    slugs = {"AWS": "aws", "Microsoft": "azure", "Oracle": "oracle"}
    for record in records(shared_data(SAMPLE)):
        key = (
            record["ChargePeriodStart"][:10],
            slugs[record["ProviderName"]],
            text(record, "SubAccountId", "BillingAccountId"),
            " ".join(text(record, "ServiceName").split()),
            text(record, "RegionId", "RegionName"),
            record["ChargeCategory"],
        )
        billed[key] += Decimal(record["BilledCost"])
        effective[key] += Decimal(record["EffectiveCost"])
    ours: dict[tuple[str, ...], list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in rows_in(sample):
        key = (
            row.day.isoformat(),
            row.provider,
            row.account_id,
            row.service,
            row.region,
            row.charge_category,
        )
        ours[key][0] += row.billed
        ours[key][1] += row.effective
    assert dict(ours) == {key: [billed[key], effective[key]] for key in billed}


def test_the_sample_names_its_own_totals_and_reach(sample: list[Item]) -> None:
    totals = {item.provider: item for item in sample if isinstance(item, ControlTotal)}
    assert {name: total.billed for name, total in totals.items()} == sums(
        rows_in(sample), lambda row: row.provider
    )
    last = sample[-1]
    assert isinstance(last, Complete)
    reach: dict[str, datetime] = {}
    for record in records(shared_data(SAMPLE)):
        start, end = (
            datetime.fromisoformat(record[f"ChargePeriod{edge}"]).replace(tzinfo=UTC)
            for edge in ("Start", "End")
        )
        if record["ChargeCategory"] == "Usage" and (end - start).total_seconds() <= 86400:
            name = {"AWS": "aws", "Microsoft": "azure"}.get(record["ProviderName"], "oracle")
            reach[name] = max(end, reach.get(name, end))
    assert dict(last.covered_until) == reach


def test_the_sample_tags(sample: list[Item]) -> None:
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for record in records(shared_data(SAMPLE)):
        tags = {} if record["Tags"] == "NULL" else json.loads(record["Tags"])
        known = {key.strip().lower(): value for key, value in tags.items() if value.strip()}
        value = known.get("environment", known.get("env", NONE)).strip()
        expected[value] += Decimal(record["BilledCost"])
    found = sums(rows_in(sample), lambda row: row.tags.get("environment", NONE))
    assert found == dict(expected)


LACKING = "ProviderName, BillingCurrency"
HOUR_30 = ("bad_timestamp", 4, "ChargePeriodEnd")
SLASHES = ("bad_timestamp", 1, "ChargePeriodStart")
DOLLARS = ("bad_amount", 1, "BilledCost")
FLEX = "commitment_discount_flexibility"
SCENARIOS = "commitment_discount_scenarios"
EXAMPLES: dict[str, tuple[str, int | None, str | None] | None] = {
    f"{FLEX}/one_hundred_percent_utilization_with_commitment_discount_flexibility_with_1_resource": None,  # noqa: E501 - their names
    f"{FLEX}/one_hundred_percent_utilization_with_commitment_discount_flexibility_with_2_resources": None,  # noqa: E501 - their names
    f"{FLEX}/one_hundred_percent_utilization_without_commitment_discount_flexibility": None,
    f"{FLEX}/zero_percent_utilization_without_commitment_discount_flexibility": None,
    f"{SCENARIOS}/commitment_discount_purchase_scenario_1": None,
    f"{SCENARIOS}/commitment_discount_purchase_scenario_2": ("bad_timestamp", 3, "ChargePeriodEnd"),
    f"{SCENARIOS}/commitment_discount_purchase_scenario_3": HOUR_30,
    f"{SCENARIOS}/commitment_discount_usage_scenario_1": None,
    f"{SCENARIOS}/commitment_discount_usage_scenario_2": None,
    f"{SCENARIOS}/commitment_discount_usage_scenario_3": None,
    f"{SCENARIOS}/commitment_discount_usage_scenario_4": None,
    "saas_examples/simple_agreements/simple_saas_agreements_a1": DOLLARS,
    "saas_examples/simple_agreements/simple_saas_agreements_a2": DOLLARS,
    "saas_examples/simple_agreements/simple_saas_agreements_a3": DOLLARS,
    "saas_examples/simple_agreements/simple_saas_agreements_b": DOLLARS,
    "saas_examples/simple_agreements/simple_saas_agreements_c": DOLLARS,
    "saas_examples/spend_agreements/saas_spend_agreements_a1": SLASHES,
    "saas_examples/spend_agreements/saas_spend_agreements_a2": SLASHES,
    "saas_examples/spend_agreements/saas_spend_agreements_b1": SLASHES,
    "saas_examples/spend_agreements/saas_spend_agreements_b2": SLASHES,
    "saas_examples/virtual_currency_pricing_model_a1": SLASHES,
    "saas_examples/virtual_currency_pricing_model_a2": SLASHES,
    "saas_examples/virtual_currency_pricing_model_b1": SLASHES,
    "saas_examples/virtual_currency_pricing_model_b2": SLASHES,
    "saas_examples/virtual_currency_pricing_model_b3": SLASHES,
    "saas_examples/virtual_currency_pricing_model_c": SLASHES,
}
"""Every example of the FOCUS specification: what it is rejected for, or None where it loads."""


def test_the_table_names_every_example() -> None:
    base = shared_data("focus/spec_examples")
    found = {str(path.relative_to(base).with_suffix("")) for path in base.rglob("*.csv")}
    assert found == set(EXAMPLES)


@pytest.mark.parametrize("name", EXAMPLES, ids=lambda name: Path(name).name[-40:])
def test_examples_of_the_specification(name: str) -> None:
    path = shared_data(f"focus/spec_examples/{name}.csv")
    items = items_of(path, defaults={"provider": "Acme", "currency": "USD"})
    if expected := EXAMPLES[name]:
        found = rejection_in(items)
        assert (found.reason, found.row, found.column) == expected
        return
    rows = rows_in(items)
    for ours, column in (("billed", "BilledCost"), ("effective", "EffectiveCost")):
        total = sum(Decimal(record[column]) for record in records(path))
        assert sum(getattr(row, ours) for row in rows) == total


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name.startswith("commitment")])
def test_examples_without_provider_and_currency_need_defaults(name: str) -> None:
    found = rejection_in(items_of(shared_data(f"focus/spec_examples/{name}.csv")))
    assert found.reason == "missing_columns"
    assert f"no column {LACKING};" in found.message
