"""Which FOCUS charge category each record type of AWS belongs to: explicit, and pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_TYPES: Mapping[str, tuple[str, ...]] = {
    # A Savings Plan's negation takes back what the usage it covers was listed at, and a discount
    # makes usage cheaper: only together do they say what usage cost.
    "Usage": (
        "Usage",
        "Discounted Usage",
        "Reservation Applied Usage",
        "Savings Plan Covered Usage",
        "Savings Plan Negation",
        "Bundled Discount",
        "Distributor Discount",
        "Edp Discount",
        "Enterprise Discount Program Discount",
        "Private Rate Discount",
        "RI Volume Discount",
        "Solution Provider Program Discount",
        "SPP Discount",
    ),
    # What is owed whether or not anything is used.
    "Purchase": (
        "Fee",
        "RI Fee",
        "Recurring",
        "Recurring Reservation Fee",
        "Upfront",
        "Upfront Reservation Fee",
        "Savings Plan Recurring Fee",
        "Savings Plan Upfront Fee",
        "Support",
        "Support Fee",
        "Other Out-of-Cycle Charges",
    ),
    "Tax": ("Tax",),
    "Credit": ("Credit",),
    # AWS does not say what a refund corrects; FOCUS has no other place for it.
    "Adjustment": ("Refund",),
}


def _plain(record_type: str) -> str:
    """Cost Explorer, the console and the cost reports spell the same type differently."""
    return re.sub("[^a-z]+", "", record_type.lower())


_CATEGORIES = {_plain(name): category for category, names in _TYPES.items() for name in names}


def charge_category(record_type: str) -> str | None:
    """The FOCUS ChargeCategory of a Cost Explorer RECORD_TYPE; None for an unknown one."""
    return _CATEGORIES.get(_plain(record_type))


def by_category(record_types: frozenset[str]) -> dict[str, list[str]]:
    """The record types (as they are spelled) of each category, both sorted; unknown is Usage."""
    found: dict[str, list[str]] = {}
    for name in sorted(record_types):
        found.setdefault(charge_category(name) or "Usage", []).append(name)
    return dict(sorted(found.items()))
