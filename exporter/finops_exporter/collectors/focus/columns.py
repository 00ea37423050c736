"""The FOCUS columns that are read, and what their texts stand for: pure, no I/O."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from finops_exporter.model import CHARGE_CATEGORIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

DEFAULTED = {"ProviderName": "defaults.provider", "BillingCurrency": "defaults.currency"}
"""Columns that a configured value may stand in for, and the name of that option."""

AMOUNTS = {"billed": "BilledCost", "effective": "EffectiveCost"}
INSTANTS = {"start_at": "ChargePeriodStart", "end_at": "ChargePeriodEnd"}
NAMES = {"provider": "ProviderName", "category": "ChargeCategory", "currency": "BillingCurrency"}
"""What each row must have: our names and the FOCUS columns."""

REQUIRED = (*AMOUNTS.values(), *INSTANTS.values(), *NAMES.values())
OPTIONAL = (
    "SubAccountId",
    "SubAccountName",
    "BillingAccountId",
    "ServiceName",
    "RegionId",
    "RegionName",
    "Tags",
)

_PROVIDERS = {
    "amazon-web-services": "aws",
    "amazon-web-services-inc": "aws",
    "microsoft": "azure",
    "microsoft-azure": "azure",
    "google": "gcp",
    "google-cloud": "gcp",
    "google-cloud-platform": "gcp",
}
_CATEGORIES = {category.lower(): category for category in CHARGE_CATEGORIES}


def cleaned(text: str | None) -> str | None:
    """`text` without blanks around it; None for what files write where they have no value."""
    stripped = (text or "").strip(" ")
    return None if stripped.lower() in {"", "null"} else stripped


def canonical(name: str, raw: str | None) -> str | None:
    """The provider, category or currency (`name`, see NAMES) that `raw` stands for, or None."""
    text = cleaned(raw)
    if text is None or name == "currency":
        return text
    if name == "category":
        return _CATEGORIES.get(text.lower())
    slug = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")
    return _PROVIDERS.get(slug, slug) or None


def spellings(wanted: Sequence[str], found: Iterable[str]) -> list[str]:
    """The file's spellings of the wanted keys, best first; blanks and case do not matter."""
    order = {key.strip().lower(): place for place, key in reversed(list(enumerate(wanted)))}
    known = [key for key in found if key.strip().lower() in order]
    return sorted(known, key=lambda key: (order[key.strip().lower()], key not in wanted, key))
