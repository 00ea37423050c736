"""The columns of the demo's files: FOCUS 1.0, all of them, in alphabetical order as exported."""

from __future__ import annotations

import json
from calendar import monthrange
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from finops_exporter.demo.billing import Charge
    from finops_exporter.demo.catalogue import Commitment, Provider, Region
    from finops_exporter.demo.series import Item

MONEY = "DECIMAL(38, 16)"
"""Quantities have six decimals and prices at most ten, so no amount has more than sixteen."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column: its name, the DuckDB cast that its text goes through, the text (None is NULL)."""

    name: str
    cast: str
    text: Callable[[Charge], str | None]


def columns_of(provider: Provider) -> tuple[Column, ...]:
    """The columns as this cloud writes them."""

    def varchar(name: str, text: Callable[[Charge], str | None]) -> Column:
        return Column(name, "VARCHAR", text)

    def always(name: str, text: str | None) -> Column:
        return Column(name, "VARCHAR", lambda _: text)

    def commitment(name: str, text: Callable[[Commitment], str]) -> Column:
        return varchar(name, lambda row: text(row.commitment) if row.commitment else None)

    def money(name: str, text: Callable[[Charge], str | None]) -> Column:
        return Column(name, MONEY, text)

    def time(name: str, instant: Callable[[Charge], datetime]) -> Column:
        return Column(name, provider.timestamp, lambda charge: str(instant(charge)))

    return (
        always("AvailabilityZone", None),
        money("BilledCost", lambda charge: f"{charge.billed:f}"),
        always("BillingAccountId", provider.billing_account_id),
        always("BillingAccountName", provider.billing_account_name),
        always("BillingCurrency", "USD"),
        time("BillingPeriodEnd", lambda charge: _month_end(charge.start)),
        time("BillingPeriodStart", lambda charge: charge.start.replace(day=1, hour=0)),
        varchar("ChargeCategory", lambda charge: charge.category),
        varchar("ChargeClass", _charge_class),
        varchar("ChargeDescription", lambda charge: charge.item.description),
        varchar("ChargeFrequency", lambda charge: charge.frequency),
        time("ChargePeriodEnd", lambda charge: charge.end),
        time("ChargePeriodStart", lambda charge: charge.start),
        commitment("CommitmentDiscountCategory", lambda _: "Spend"),
        commitment("CommitmentDiscountId", lambda plan: plan.id),
        commitment("CommitmentDiscountName", lambda plan: plan.name),
        varchar("CommitmentDiscountStatus", _commitment_status),
        commitment("CommitmentDiscountType", lambda _: "Savings Plan"),
        money("ConsumedQuantity", _quantity),
        varchar("ConsumedUnit", _unit),
        money("ContractedCost", lambda charge: f"{charge.listed:f}"),
        money("ContractedUnitPrice", _price),
        money("EffectiveCost", lambda charge: f"{charge.effective:f}"),
        always("InvoiceIssuerName", provider.issuer),
        money("ListCost", lambda charge: f"{charge.listed:f}"),
        money("ListUnitPrice", _price),
        varchar("PricingCategory", _pricing_category),
        money("PricingQuantity", _quantity),
        varchar("PricingUnit", _unit),
        always("ProviderName", provider.name),
        always("PublisherName", provider.issuer),
        varchar("RegionId", lambda charge: _of_region(charge.item.region, "id")),
        varchar("RegionName", lambda charge: _of_region(charge.item.region, "name")),
        varchar("ResourceId", lambda charge: _resource_id(charge.item)),
        varchar("ResourceName", _resource_name),
        varchar("ResourceType", lambda charge: charge.item.sku),
        varchar("ServiceCategory", lambda charge: charge.item.service_category),
        varchar("ServiceName", lambda charge: charge.item.service),
        varchar("SkuId", lambda charge: charge.item.sku),
        varchar("SkuPriceId", _sku_price_id),
        varchar("SubAccountId", lambda charge: charge.item.account.id),
        varchar("SubAccountName", lambda charge: charge.item.account.name),
        Column("Tags", provider.tags, _tags),
    )


def _month_end(start: datetime) -> datetime:
    """The first instant after the calendar month of `start`."""
    days = monthrange(start.year, start.month)[1]
    return start.replace(day=1, hour=0) + timedelta(days=days)


def _charge_class(charge: Charge) -> str | None:
    return "Correction" if charge.category == "Adjustment" else None


def _commitment_status(charge: Charge) -> str | None:
    return "Used" if charge.commitment and charge.category == "Usage" else None


def _pricing_category(charge: Charge) -> str | None:
    if charge.category != "Usage":
        return None
    return "Committed" if charge.commitment else "Standard"


def _quantity(charge: Charge) -> str | None:
    return None if charge.quantity is None else f"{charge.quantity:f}"


def _unit(charge: Charge) -> str | None:
    return None if charge.quantity is None else charge.item.unit


def _price(charge: Charge) -> str | None:
    return None if charge.quantity is None else f"{charge.item.price:f}"


def _resource_name(charge: Charge) -> str | None:
    return charge.item.workload.name if charge.item.workload else None


def _sku_price_id(charge: Charge) -> str | None:
    return charge.item.sku and f"{charge.item.sku}.{charge.item.unit}"


def _of_region(region: Region | None, attribute: str) -> str | None:
    return getattr(region, attribute, None)


def _resource_id(item: Item) -> str | None:
    """The id in the cloud's own shape; charges that are for no resource have none."""
    if item.region is None or item.workload is None:
        return None
    return item.account.provider.resource.format(
        account=item.account.id, region=item.region.id, sku=item.sku, workload=item.workload.name
    )


def _tags(charge: Charge) -> str | None:
    """The tags as a JSON object; NULL where there are none."""
    workload = charge.item.workload
    return json.dumps(workload.tags) if workload and workload.tags else None
