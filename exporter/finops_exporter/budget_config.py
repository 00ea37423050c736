"""The section `budgets` of the configuration; the command line sets budgets by the same model."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, get_args

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool

from finops_exporter import values
from finops_exporter.model import TAG_SCOPES, THRESHOLDS, Basis, Budget, Period, Scope
from finops_exporter.section import Currency, Name, Section, Text, account_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

LEAST_AMOUNT, LARGEST_AMOUNT = Decimal("0.01"), Decimal(10**15)
"""What is less or more, in any currency, is a typing error."""

Percent = Annotated[Decimal, Field(gt=0, le=1000, max_digits=10)]


class BudgetConfig(Section):
    """What may be spent on a scope in each period; see model.Budget."""

    name: Annotated[Text, Field(max_length=200), AfterValidator(values.label)]
    scope: Scope
    value: Annotated[Text, BeforeValidator(account_id)] | None = None
    provider: Name | None = None
    amount: Decimal = Field(ge=LEAST_AMOUNT, le=LARGEST_AMOUNT, max_digits=30)
    currency: Currency = "USD"
    period: Period
    time_zone: Annotated[str, AfterValidator(values.time_zone)] = "UTC"
    thresholds: Annotated[
        tuple[Percent, ...], Field(max_length=20), AfterValidator(values.ascending)
    ] = THRESHOLDS
    channels: tuple[Text, ...] = ()
    owner: Text | None = None
    basis: Basis | None = None
    include_credits: StrictBool = True

    def budget(self, basis: Basis, *, is_configured: bool) -> Budget:
        """The budget; `basis` holds where it names none of its own."""
        return Budget(
            name=self.name,
            scope=self.scope,
            scope_value=self.value or "",
            amount=self.amount,
            period=self.period,
            provider=self.provider,
            currency=self.currency,
            time_zone=self.time_zone,
            thresholds=self.thresholds,
            channels=self.channels,
            owner=self.owner or "",
            basis=self.basis or basis,
            include_credits=self.include_credits,
            is_configured=is_configured,
        )


def mistakes(
    raw: Mapping[str, object], tags: Collection[str], currencies: Collection[str]
) -> Iterator[tuple[str, str]]:
    """The keys of a budget, as it was written, that do not fit the others, each with a sentence.

    `tags` are the names of the configured ones, `currencies` those that have a rate.
    """
    scope, currency = raw.get("scope"), raw.get("currency")
    if scope == "organization":
        for key in ("value", "provider"):
            if raw.get(key) is not None:
                yield key, "does not fit the scope organization, which is everything; remove it"
    elif scope in get_args(Scope) and raw.get("value") is None:
        yield "value", f"required key is missing: it says which {scope}"
    if scope == "provider" and raw.get("provider") is not None:
        yield "provider", "does not fit the scope provider; value says which one"
    if scope in TAG_SCOPES and scope not in tags:
        yield "scope", f"needs a tag {scope!r} (section tags); configure it, or choose another"
    is_currency = isinstance(currency, str) and re.fullmatch("[A-Z]{3}", currency)
    if is_currency and currency not in {"USD", *currencies}:
        yield "currency", "has no rate (billing.rates), so that no cost can be held against it"


def several(budgets: Collection[BudgetConfig]) -> list[str]:
    """A sentence for each provider with more than one monthly budget for all of it."""
    monthly = [
        budget.value or ""
        for budget in budgets
        if (budget.scope, budget.period) == ("provider", "monthly")
    ]
    return [
        f"budgets: {provider} has {monthly.count(provider)} monthly ones; "
        "budget_monthly_limit_usd tells the smallest"
        for provider in dict.fromkeys(monthly)
        if monthly.count(provider) > 1
    ]
