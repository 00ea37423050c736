"""Bills of accounts, each in a file of its own that can take another content while it is read."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from integration.bills import charge, write_bill

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def yesterday() -> date:
    """The newest day that is over (UTC)."""
    return datetime.now(UTC).date() - timedelta(days=1)


def daily(amount: str, days: int, until: date | None = None) -> dict[date, Decimal]:
    """So much on each of so many days, the last of which is yesterday."""
    last = until or yesterday()
    return {last - timedelta(days=back): Decimal(amount) for back in range(days)}


def write_account(folder: Path, account: str, days: Mapping[date, Decimal], **columns: str) -> None:
    """What an account has used on these days, in place of what was said before."""
    charges = (
        charge(str(day), str(amount), SubAccountId=account, **columns)
        for day, amount in sorted(days.items())
    )
    write_bill(folder / f"{account}.csv", *charges)


def written(folder: Path, back: int) -> Decimal:
    """What all files there say of the 30 days that ended so many days before yesterday."""
    last = yesterday() - timedelta(days=back)
    found = Decimal(0)
    for file in folder.glob("*.csv"):
        with file.open(encoding="utf-8", newline="") as rows:
            for row in csv.DictReader(rows):
                day = date.fromisoformat(row["ChargePeriodStart"][:10])
                if timedelta(0) <= last - day < timedelta(days=30):
                    found += Decimal(row["BilledCost"])
    return found


def budget(account: str, amount: object, **others: Any) -> dict[str, Any]:
    """A budget of that account, which is called like it and told at 80 % and 100 %."""
    plain = {"name": f"budget {account}", "scope": "account", "value": account, "amount": amount}
    return {**plain, "period": "monthly", "thresholds": [80, 100], **others}


def period_days(name: str, day: date) -> tuple[date, date]:
    """The first day of the calendar period around `day`, and the first day of the next one."""
    months = {"monthly": 1, "quarterly": 3, "yearly": 12}[name]
    first = date(day.year, (day.month - 1) // months * months + 1, 1)
    following = first
    for _ in range(months):
        following = (following + timedelta(days=31)).replace(day=1)
    return first, following
