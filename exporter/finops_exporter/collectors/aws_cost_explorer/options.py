"""Options of a source of type `aws_cost_explorer`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from finops_exporter.collectors.aws_access import Access
from finops_exporter.config import TagKeys, tag_keys
from finops_exporter.section import AccountId, Count, Duration

MOST_MONTHS = 13
"""Cost Explorer keeps daily costs for 14 months, the current one included."""


def _twelve_digits(account: str) -> str:
    if not re.fullmatch("[0-9]{12}", account):
        raise ValueError("must be an account id of 12 digits, such as 012345678901")
    return account


def _once_each(accounts: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(accounts)) < len(accounts):
        raise ValueError("names an account twice")
    return accounts


_Account = Annotated[AccountId, AfterValidator(_twelve_digits)]
_Cost = Literal["UnblendedCost", "NetUnblendedCost", "BlendedCost"]
_Amortized = Literal["AmortizedCost", "NetAmortizedCost"]


class CostExplorerOptions(Access):
    """What is asked for, how often, and how to get in (see Access)."""

    history_months: Count = Field(
        default=MOST_MONTHS,
        ge=0,
        le=MOST_MONTHS,
        description="How many months before the current one are read.",
    )
    closed_after_days: Count = Field(
        default=10,
        ge=1,
        le=90,
        description="A month that ended so long ago, and that AWS does not call estimated any"
        " more, is left alone.",
    )
    accounts: Annotated[tuple[_Account, ...], AfterValidator(_once_each)] = Field(
        default=(), description="Only these linked accounts; empty: all of them."
    )
    tags: Annotated[dict[str, TagKeys] | None, BeforeValidator(tag_keys)] = Field(
        default=None,
        description="Which of the configured tags are asked for, and by which cost allocation tag;"
        " default: all of them.",
    )
    tags_interval: Duration = Field(
        default=timedelta(0),
        description="How often the tags are asked for, where that is less often than `interval`.",
    )
    usage_by_service: bool = Field(
        default=True,
        description="Whether usage is told apart from taxes, credits and purchases for each"
        " service: what spike alerts look at, for one more request a charge category.",
    )
    account_names: bool = Field(
        default=True, description="Whether AWS Organizations is asked for names; that is free."
    )
    billed_metric: _Cost = Field(
        default="UnblendedCost", description="What counts as billed (FOCUS BilledCost)."
    )
    effective_metric: _Amortized | _Cost = Field(
        default="AmortizedCost", description="What counts as effective (FOCUS EffectiveCost)."
    )
