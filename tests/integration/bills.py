"""Small FOCUS files for tests that need their own days and amounts."""

from __future__ import annotations

import csv
from datetime import date, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def charge(day: str, billed: str, **others: str) -> dict[str, str]:
    """A row with plain defaults that lasts the whole day; `others` are FOCUS columns."""
    next_day = date.fromisoformat(day) + timedelta(days=1)
    return {
        "BilledCost": billed,
        "EffectiveCost": billed,
        "ChargePeriodStart": f"{day}T00:00:00Z",
        "ChargePeriodEnd": f"{next_day}T00:00:00Z",
        "ChargeCategory": "Usage",
        "ProviderName": "AWS",
        "BillingCurrency": "USD",
        "SubAccountId": "111",
        "ServiceName": "Amazon EC2",
        "RegionId": "eu-west-1",
        "Tags": "",
        **others,
    }


def write_bill(path: Path, *charges: Mapping[str, str]) -> Path:
    """Write the charges as a CSV file, atomically as an export does."""
    temporary = path.with_suffix(".tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(charge("2026-01-01", "0")))
        writer.writeheader()
        writer.writerows(charges)
    temporary.replace(path)
    return path
