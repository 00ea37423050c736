"""Budgets for people: those that hold and how each of them stands, as values and as JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from finops_exporter.exposition.budget_states import budget_states
from finops_exporter.exposition.budgets import with_configured
from finops_exporter.exposition.snapshot import provider_times
from finops_exporter.model import money_text
from finops_exporter.store import budgets as store
from finops_exporter.store.reads import snapshot_reader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from finops_exporter.exposition.budget_states import BudgetState, PeriodState
    from finops_exporter.exposition.families import Settings
    from finops_exporter.model import Budget
    from finops_exporter.store.database import Database
    from finops_exporter.store.reads import SnapshotReader


def known(database: Database, configured: Sequence[Budget]) -> list[Budget]:
    """The stored and the configured budgets by name, without their sums; raises StoreError."""
    with database.connection() as connection:
        named = {budget.name: budget for budget in store.budgets(connection)}
    named |= {budget.name: budget for budget in configured}
    return [named[name] for name in sorted(named)]


def standings(
    database: Database,
    configured: Sequence[Budget],
    settings: Settings,
    now: datetime,
    *,
    only: str | None = None,
) -> list[BudgetState]:
    """How the stored and the configured budgets stand at `now` (aware UTC), by name.

    Of two with one name the configured one; with `only` the one of this name. Raises StoreError.
    """
    with snapshot_reader(database) as reader:
        return read_standings(reader, configured, settings, now, only=only)


def read_standings(
    reader: SnapshotReader,
    configured: Sequence[Budget],
    settings: Settings,
    now: datetime,
    *,
    only: str | None = None,
) -> list[BudgetState]:
    """The same in a transaction that is under way."""
    named, kept = with_configured(store.budgets(reader.connection), configured)
    chosen = [one for one in named if only in {None, one.name}]
    times = provider_times(reader, settings, now)
    return list(budget_states(reader, chosen, settings, times, now, kept=kept))


def as_json(budgets: Sequence[Budget]) -> str:
    """The budgets as JSON: amounts as exact text."""
    return _json([_budget(one) for one in budgets])


def states_as_json(states: Sequence[BudgetState]) -> str:
    """The same with how they stand: days inclusive, instants as RFC 3339 in UTC.

    Forecasts are rounded to a hundredth.
    """
    return _json([_state(one) for one in states])


def _json(found: list[dict[str, object]]) -> str:
    return json.dumps({"budgets": found}, indent=2, ensure_ascii=False)


def _budget(budget: Budget) -> dict[str, object]:
    return {
        "name": budget.name,
        "scope": budget.scope,
        "value": budget.scope_value or None,
        "provider": budget.provider,
        "amount": money_text(budget.amount),
        "currency": budget.currency,
        "period": budget.period,
        "time_zone": budget.time_zone,
        "thresholds": [money_text(percent) for percent in budget.thresholds],
        "channels": list(budget.channels),
        "owner": budget.owner or None,
        "basis": budget.basis,
        "include_credits": budget.include_credits,
        "source": "config" if budget.is_configured else "cli",
    }


def _state(state: BudgetState) -> dict[str, object]:
    return {
        **_budget(state.budget),
        "current": state.current and _period(state.current),
        "closing": state.closing and _period(state.closing),
        "forecast": {name: f"{amount:.2f}" for name, amount in state.forecast.items()} or None,
        "reached": [money_text(percent) for percent in sorted(state.reached)],
        "problems": [one._asdict() for one in state.problems],
    }


def _period(period: PeriodState) -> dict[str, object]:
    spending, stands = period.spending, period.standing
    return {
        "from": spending.window.since.isoformat(),
        "to": spending.window.last.isoformat(),
        "complete_through": spending.as_of.isoformat(),
        "spent": money_text(stands.spent),
        "remaining": money_text(stands.remaining),
        "consumed": money_text(stands.consumed),
        "burn_rate_per_day": None if stands.burn_rate is None else money_text(stands.burn_rate),
        "exhausted_at": stands.exhausted_at and stands.exhausted_at.isoformat(timespec="seconds"),
        "on_track": stands.is_on_track,
    }
