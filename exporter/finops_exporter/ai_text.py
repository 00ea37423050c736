"""What people see of AI budgets and of the calls that use them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

import click
from rich.table import Table

from finops_exporter import ai_desk, printing
from finops_exporter.model import money_text, rounded_down

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from finops_exporter.ai_desk import Change, TenantStatus
    from finops_exporter.ai_model import BudgetChange, BudgetState, Tokens
    from finops_exporter.ai_usage_query import Usage
    from finops_exporter.store.ai_usage import Added, LastCall, ModelMonth

_TENTH = Decimal("0.1")
_FIELDS = {"limit_usd": "limit", "soft_limit_ratio": "soft limit", "timezone": "time zone"}


def budgets(states: Sequence[BudgetState]) -> None:
    """How budgets stand, a line each."""
    shown = Table(title="AI budgets, of a month (times in UTC)", title_justify="left")
    for name in ("tenant", "model", "tier"):
        shown.add_column(name, overflow="fold")
    for name in ("limit", "used", "held", "used %"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name in ("state", "resets at"):
        shown.add_column(name, no_wrap=True)
    for state in states:
        one = state.budget
        shown.add_row(
            one.tenant_id,
            one.model,
            one.tier,
            _usd(one.limit_usd),
            _usd(state.used_usd),
            _usd(state.reserved_usd),
            _percent(state.share),
            ai_desk.level(state) + ("" if one.enforce else " (shadow)"),
            _minute(state.resets_at),
        )
    printing.on_paper(shown)


def status(found: TenantStatus, without_budget: str) -> None:
    """A tenant's budgets, its month by model, its newest calls; each where there is any."""
    if found.budgets:
        budgets(found.budgets)
    else:
        click.echo(f"{found.tenant_id} has no budget: {without_budget}")
    if found.models:
        _models(found.models)
    else:
        click.echo("nothing was used this month")
    if found.calls:
        _calls(found.calls)


def _models(found: Sequence[ModelMonth]) -> None:
    shown = Table(title="this month by model", title_justify="left")
    shown.add_column("model", overflow="fold")
    for name in ("used", "held", "calls", "input", "output", "cache read", "cache write"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in found:
        shown.add_row(
            one.model,
            _usd(one.used_usd),
            _usd(one.reserved_usd),
            f"{one.requests:,}",
            *_tokens(one.tokens),
        )
    printing.on_paper(shown)


def _calls(found: Sequence[LastCall]) -> None:
    shown = Table(title="newest calls (UTC)", title_justify="left")
    shown.add_column("time", no_wrap=True)
    for name in ("model", "report"):
        shown.add_column(name, overflow="fold")
    for name in ("input", "output", "cache read", "cache write", "cost"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in found:
        cost = "not priced yet" if one.cost_usd is None else f"${money_text(one.cost_usd)}"
        tokens = _tokens(one.tokens)
        shown.add_row(
            f"{one.time:%Y-%m-%d %H:%M:%S}", one.model, one.report_type or "-", *tokens, cost
        )
    printing.on_paper(shown)


def changed(change: Change, wanted: BudgetChange, *, dry_run: bool) -> None:
    """What was set of a budget, or would be; and that it is used up, if it is."""
    one = change.after.budget
    parts = [
        f"{_FIELDS.get(name, name.removesuffix('_usd').replace('_', ' '))} "
        + (_value(name, after) if change.before is None else _moved(name, before, after))
        for name, before, after in ai_desk.changes(change, wanted)
    ]
    name = ai_desk.named(one.tenant_id, one.model)
    if not parts:
        click.echo(f"{name}: is so already")
        return
    new = "" if change.before else " new"
    click.echo(f"{name}: {'would set' if dry_run else 'set'}{new}: {'; '.join(parts)}")
    if change.after.share >= 1:
        refused = "its calls are refused" if one.enforce else "its calls are counted, not refused,"
        click.echo(
            f"{name}: {_usd(change.after.used_usd)} of {_usd(one.limit_usd)} is used, so "
            f"{refused} until {_minute(change.after.resets_at)} UTC",
            err=True,
        )


def _moved(name: str, before: object, after: object) -> str:
    return f"{_value(name, before)} -> {_value(name, after)}"


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Decimal):
        ratio = name == "soft_limit_ratio"
        return f"{money_text(value * 100)} %" if ratio else f"${money_text(value)}"
    return str(value) or "none"


def removed(state: BudgetState, *, dry_run: bool) -> None:
    """That a budget is gone, and what that means for calls."""
    name = ai_desk.named(state.budget.tenant_id, state.budget.model)
    click.echo(
        f"{name}: {'would remove' if dry_run else 'removed'} the budget of "
        f"{_usd(state.budget.limit_usd)}; the {_usd(state.used_usd)} used this month stay known"
    )


def usage(found: Usage) -> None:
    """Calls by their keys, with exact costs point under point, and their sum."""
    shown = Table(title="AI usage (UTC)", title_justify="left", show_footer=True)
    for index, key in enumerate(found.keys):
        shown.add_column(key, "" if index else "total", overflow="fold", no_wrap=key == "day")
    groups = found.groups
    if "day" not in found.keys:
        groups = tuple(sorted(groups, key=lambda one: one.cost_usd, reverse=True))
    costs = printing.aligned([*(one.cost_usd for one in groups), found.cost_usd])
    names = ("calls", "input", "output", "cache read", "cache write", "cost")
    totals = (f"{found.calls:,}", *_tokens(found.tokens), f"${costs[-1]}")
    for name, total in zip(names, totals, strict=True):
        shown.add_column(name, total, justify="right", no_wrap=True)
    for one, cost in zip(groups, costs[:-1], strict=True):
        values = [value or "-" for value in found.values(one)]
        shown.add_row(*values, f"{one.calls:,}", *_tokens(one.tokens), f"${cost}")
    printing.on_paper(shown)


def usage_notes(found: Usage) -> None:
    """What the sums of calls do not hold; to stderr."""
    if found.unpriced:
        click.echo(f"not in the sum: calls that have no cost yet: {found.unpriced:,}", err=True)
    if found.not_kept:
        before = f", from before {_minute(found.kept_from)} UTC" if found.kept_from else ""
        click.echo(
            f"not in the sum: calls that are kept no longer (ai.usage_retention): "
            f"{found.not_kept:,}{before}; what they cost by month stays in the table budget_period",
            err=True,
        )


def imported(name: str, file: str, found: Added, *, dry_run: bool) -> None:
    """What an import brought, or would bring."""
    if found.calls:
        click.echo(
            f"{name}: {'would import' if dry_run else 'imported'} {found.calls:,} calls of {file} "
            f"({found.first:%Y-%m-%d} to {found.last:%Y-%m-%d}, UTC): {found.tokens.input:,} input "
            f"and {found.tokens.output:,} output tokens, ${money_text(found.cost_usd)}"
        )
    else:
        click.echo(f"{name}: nothing new in {file}")
    if found.known:
        verb = "would be left out" if dry_run else "left out"
        click.echo(f"{name}: {found.known:,} calls were there already and {verb}")


def _tokens(tokens: Tokens) -> tuple[str, str, str, str]:
    written = tokens.cache_write_5m + tokens.cache_write_1h
    counts = (tokens.input, tokens.output, tokens.cache_read, written)
    first, second, third, fourth = (f"{count:,}" for count in counts)
    return first, second, third, fourth


def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}"


def _percent(share: Decimal) -> str:
    """Rounded down: what shows as 100 % is used up."""
    return f"{rounded_down(share * 100, _TENTH):,}"


def _minute(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M}"
