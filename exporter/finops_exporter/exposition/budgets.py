"""The families of cloud budgets, and what is written down of them afterwards.

Exact amounts become US dollars at one rate; a budget without a rate shows none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from finops_exporter.analysis.budgets import history
from finops_exporter.exposition.budget_states import BudgetState, budget_states
from finops_exporter.model import money_text
from finops_exporter.store import budgets as store

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime
    from decimal import Decimal

    from finops_exporter.exposition.families import Families, Settings
    from finops_exporter.model import Budget
    from finops_exporter.store.budgets import Recorded
    from finops_exporter.store.database import Database
    from finops_exporter.store.reads import SnapshotReader


def add_budgets(
    reader: SnapshotReader,
    families: Families,
    settings: Settings,
    now: datetime,
    configured: Sequence[Budget] = (),
) -> tuple[BudgetState, ...]:
    """Add the families of all budgets, and return how each of them stands.

    `configured` are those that are not stored before `serve` begins.
    """
    budgets, kept = with_configured(store.budgets(reader.connection), configured)
    states = budget_states(reader, budgets, settings, families.times, now, kept=kept)
    for state in states:
        for problem in state.problems:
            families.add("finops_budget_problems", [state.budget.name, problem.reason], 1)
        _add_amounts(families, state)
        _add_forecast(families, state)
        _add_thresholds(families, state)
    _add_provider_limits(families, states)
    return states


def with_configured(
    stored: Sequence[Budget], configured: Sequence[Budget]
) -> tuple[list[Budget], list[str]]:
    """All budgets by name, of two with one name the configured one.

    With the names of those for which it holds what is written down as reached: what another budget
    with the name has reached is nothing that this one has.
    """
    named = {budget.name: budget for budget in (*stored, *configured)}
    kept = [one.name for one in stored if one.meaning == named[one.name].meaning]
    return [named[name] for name in sorted(named)], kept


def _labels(budget: Budget) -> tuple[str, ...]:
    """The values of the labels that all families of budgets have."""
    return (budget.name, budget.scope, budget.scope_value, budget.period, budget.owner)


def _add_amounts(families: Families, state: BudgetState) -> None:
    labels = _labels(state.budget)
    if state.usd is None:
        return
    for name, amount in _amounts(state):
        if amount is not None:
            families.add(f"cloud_budget_{name}", labels, float(amount * state.usd))
    exhausted = state.current.standing.exhausted_at if state.current else None
    if exhausted is not None:
        name = "cloud_budget_exhaustion_timestamp_seconds"
        families.add(name, labels, exhausted.timestamp())


def _add_forecast(families: Families, state: BudgetState) -> None:
    if state.usd is None:
        return
    for estimate, amount in state.forecast.items():
        labels = (*_labels(state.budget), estimate)
        usd = round(amount * float(state.usd), 2)
        families.add("cloud_budget_forecast_usd", labels, usd)


def _amounts(state: BudgetState) -> Iterator[tuple[str, Decimal | None]]:
    yield "limit_usd", state.budget.amount
    if state.current is not None:
        yield "spent_usd", state.current.standing.spent
        yield "burn_rate_usd_per_day", state.current.standing.burn_rate
    if state.closing is not None:
        yield "closing_limit_usd", state.budget.amount
        yield "closing_spent_usd", state.closing.standing.spent


def _add_thresholds(families: Families, state: BudgetState) -> None:
    for percent in state.budget.thresholds:
        # One that was reached stays so even while nobody can tell the sum.
        if state.current is not None or percent in state.reached:
            labels = (*_labels(state.budget), money_text(percent))
            families.add("cloud_budget_threshold_reached", labels, float(percent in state.reached))


def _add_provider_limits(families: Families, states: Iterable[BudgetState]) -> None:
    for state in states:
        budget = state.budget
        if (budget.scope, budget.period) != ("provider", "monthly") or state.usd is None:
            continue
        # A provider that a typing error names gets no family of its own.
        if budget.scope_value in families.times:
            name = (budget.scope_value, "budget_monthly_limit_usd")
            limit = budget.amount * state.usd
            sums = families.sums.setdefault(name, {})
            sums[()] = min(limit, sums.get((), limit))


def record_budgets(
    database: Database, generation: int, states: Sequence[BudgetState], now: datetime
) -> None:
    """Write down the thresholds that were reached, and how each complete day ended.

    `states` are those of `generation`. Raises StoreError.
    """
    reached = [
        store.Reached(state.budget.name, state.current.start, percent)
        for state in states
        if state.current is not None
        for percent in sorted(state.reached - state.stored)
    ]
    recorded = [one for state in states for one in _history(state)]
    store.record(database, generation, reached, recorded, now)


def _history(state: BudgetState) -> Iterator[Recorded]:
    for period in (state.closing, state.current):
        if period is not None:
            amount = state.budget.amount
            for day, standing in history(amount, period.spending, state.recorded_since):
                yield store.Recorded(state.budget.name, day, period.start, standing)
