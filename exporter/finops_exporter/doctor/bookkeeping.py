"""Judging what is stored: rollups, cuts, totals, sources and their runs, budgets. Pure."""

from __future__ import annotations

import shlex
from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from finops_exporter.doctor.findings import Finding, ok, problem, warning
from finops_exporter.model import duration_text, money_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import date, datetime

    from finops_exporter.exposition.budget_states import BudgetState
    from finops_exporter.model import Budget
    from finops_exporter.store.checks import CutTotals, Drift, LedgerDrift
    from finops_exporter.store.reads import Cost, SourceState

TIES = Decimal("0.01")
"""Totals tie when they differ by no more than this, in their own currency: APIs round."""

NAMED = 5
"""So many months are told one by one; the others are counted."""

PASSING = ("partial_history", "no_days")
"""Problems of a budget that go away by waiting."""

DEFAULT_TIMEOUT = timedelta(hours=1)
"""For the runs of a source that is configured no more."""


class Planned(NamedTuple):
    """How often a configured source runs, and how long a run may take."""

    interval: timedelta
    timeout: timedelta


@dataclass(frozen=True, slots=True)
class Seen:
    """What is stored of sources: runs, money spent today with the cap, killed runs, parts."""

    states: Sequence[SourceState]
    caps: Mapping[str, tuple[Decimal, Decimal]]
    killed: Mapping[str, int]
    stored: Sequence[str]
    running: Sequence[tuple[str, datetime]]


def rollup(table: str, seen: Drift, since: date | None) -> list[Finding]:
    """Whether a rollup is exactly what the facts say."""
    if not seen.wrong:
        span = f" since {since}" if since else ""
        return [ok("rollups", f"{table} equals the facts{span} ({seen.right} rows)")]
    counts = {
        "missing": seen.missing,
        "without facts": seen.extra,
        "with other sums": seen.different,
    }
    told = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    text = f"{table}: {seen.wrong} rows differ from the facts ({told}): {'; '.join(seen.first)}"
    return [problem("rollups", text, "finops-exporter doctor --rebuild")]


def ai_ledger(seen: LedgerDrift, since: date | None) -> Finding:
    """Whether what is spent and held of AI budgets is exactly what their calls say."""
    span = f" since {since}" if since else ""
    if not seen.wrong:
        return ok("ai_ledger", f"{seen.right} sums equal those of their calls{span}")
    text = (
        f"{seen.wrong} of {seen.right + seen.wrong} sums{span} differ from those of their calls: "
        f"{'; '.join(seen.first)}"
    )
    remedy = "see who writes to budget_period or ai_reservations: nobody but the ledger should"
    return problem("ai_ledger", text, remedy)


def cuts(seen: Sequence[CutTotals]) -> list[Finding]:
    """Whether all cuts of the same money add up to the same."""
    found = [
        warning("cuts", text, _again(one.source, one.month))
        for one in seen
        if (text := _cuts_apart(one))
    ]
    if not found:
        text = f"{len(seen)} months in several cuts, equal totals in each"
        return [ok("cuts", text if seen else "no month in several cuts")]
    return _first("cuts", found)


def _cuts_apart(one: CutTotals) -> str | None:
    for name, amounts in (("billed", one.billed), ("effective", one.effective)):
        least, most = min(amounts), max(amounts)
        if most - least > TIES:
            return (
                f"{one.source}: {one.provider} {one.month:%Y-%m} is {name} "
                f"{money_text(least)} {one.currency} by {one.cuts[amounts.index(least)]}, but "
                f"{money_text(most)} by {one.cuts[amounts.index(most)]}"
            )
    return None


def controls(differences: Sequence[Cost]) -> list[Finding]:
    """Whether the sums of the facts are the totals that the sources give themselves."""
    found = []
    for one in differences:
        source, cut = one.dimensions
        off = max(one.billed, one.effective, key=abs)
        if abs(off) > TIES:
            text = (
                f"{source}: its own total of {one.provider} {one.when:%Y-%m} is "
                f"{money_text(abs(off))} {one.currency} {'more' if off > 0 else 'less'} than what "
                f"is stored (by {cut})"
            )
            found.append(warning("reconciliation", text, _again(source, one.when)))
    if not found:
        text = f"{len(differences)} totals of sources tie"
        return [ok("reconciliation", text if differences else "no source gives a total of its own")]
    return _first("reconciliation", found)


def sources(seen: Seen, planned: Mapping[str, Planned], now: datetime) -> list[Finding]:
    """How each configured source does, and which ones are configured no more."""
    states = {state.source: state for state in seen.states}
    found: list[Finding] = []
    for name, plan in planned.items():
        found += _source(name, states.get(name), plan, now)
        spent, cap = seen.caps.get(name, (Decimal(0), None))
        if cap is not None and spent >= cap > 0:
            text = f"{name}: today's cap of ${money_text(cap)} is used up"
            remedy = f"wait for the next day (UTC), or raise daily_cap_usd of {name}"
            found.append(warning("sources", text, remedy))
        if killed := seen.killed.get(name):
            text = f"{name}: {killed} runs of the last 7 days were killed half-way"
            remedy = "look for restarts and for memory that ran out; raise the limit of memory"
            found.append(warning("sources", text, remedy))
    for name in seen.stored:
        if name not in planned:
            text = f"{name}: is configured no more, but its costs are stored and count"
            remedy = f"configure a source with the name {name} again, or leave it as it is"
            found.append(warning("sources", text, remedy))
    return found or [ok("sources", f"{len(planned)} sources, all read when they were due")]


def _source(
    name: str, state: SourceState | None, plan: Planned, now: datetime
) -> Iterator[Finding]:
    read = f"finops-exporter collect --once --source {name}"
    if state is None:
        yield warning("sources", f"{name}: was never read", read)
        return
    late = state.last_success is None or now - state.last_success > 2 * plan.interval
    outcome = state.ended.outcome if state.ended else state.outcome
    why = f": {state.error}" if state.error and state.outcome == outcome else ""
    if outcome in {"failed", "killed"} and late:
        text = f"{name}: fails, and {_last_success(state, now)}{why}"
        yield problem("sources", text, f"mend what it says, then: {read}")
    elif outcome == "failed":
        yield warning("sources", f"{name}: the last run failed{why}", f"to try again: {read}")
    elif outcome == "partial":
        text = f"{name}: the last run left something out{why}"
        yield warning("sources", text, f"mend what it names, then: {read}")
    elif late and state.outcome != "running":
        text = (
            f"{name}: {_last_success(state, now)}, although its interval is "
            f"{duration_text(plan.interval)}"
        )
        yield warning("sources", text, "keep finops-exporter serve (or collect) running")


def _last_success(state: SourceState, now: datetime) -> str:
    if state.last_success is None:
        return "nothing was ever stored"
    return f"something was stored last {duration_text(now - state.last_success)} ago"


def runs(seen: Seen, planned: Mapping[str, Planned], now: datetime) -> list[Finding]:
    """Whether runs stand as under way that cannot be any more."""
    oldest: dict[str, datetime] = {}
    counts: dict[str, int] = defaultdict(int)
    for source, began in seen.running:
        plan = planned.get(source)
        if now - began > (plan.timeout if plan else DEFAULT_TIMEOUT):
            oldest[source] = min(began, oldest.get(source, began))
            counts[source] += 1
    found = [
        warning(
            "runs",
            f"{source}: {counts[source]} runs stand as running since {began:%Y-%m-%d %H:%M} UTC, "
            "longer than it may",
            f"the next run marks them killed: finops-exporter collect --once --source {source}"
            if source in planned
            else "nothing: they change no number, and no source of this name runs any more",
        )
        for source, began in oldest.items()
    ]
    return found or [ok("runs", f"{len(seen.running)} under way, none for too long")]


def budgets(states: Sequence[BudgetState]) -> list[Finding]:
    """Whether it can be told how each budget stands."""
    found = [
        warning("budgets", f"{state.budget.name}: {one.text}", _mended(state.budget, one.reason))
        for state in states
        for one in state.problems
        if one.reason not in PASSING
    ]
    if not found:
        text = f"{len(states)} budgets, each can be told"
        return [ok("budgets", text if states else "no budget is set")]
    return found


def _mended(budget: Budget, reason: str) -> str:
    if reason == "no_costs" and budget.scope != "organization":
        return f"see what there is: finops-exporter costs --by {budget.scope}"
    if reason == "no_cut":
        return "give the budget another scope, or one provider that knows it"
    if budget.is_configured:
        return "correct it in the configuration (section budgets)"
    return f"finops-exporter budget set {shlex.quote(budget.name)} ..., or budget delete"


def _again(source: str, month: date) -> str:
    last = (month.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return f"finops-exporter collect --once --source {source} --since {month} --until {last}"


def _first(check: str, found: list[Finding]) -> list[Finding]:
    left = len(found) - NAMED
    if left <= 0:
        return found
    more = warning(check, f"and {left} more of older months", "the same, for their months")
    return [*found[:NAMED], more]
