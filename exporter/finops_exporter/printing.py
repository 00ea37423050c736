"""What people see of a command: sentences, tables, bars. The commands decide what is printed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click
from rich.console import Console
from rich.table import Table

from finops_exporter import logs
from finops_exporter.model import duration_text, money_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from decimal import Decimal

    from finops_exporter.app import SourcePlan
    from finops_exporter.cost_query import CostTable
    from finops_exporter.doctor.findings import Finding
    from finops_exporter.exposition.budget_states import BudgetState, PeriodState
    from finops_exporter.model import Budget, Plan
    from finops_exporter.model import Progress as Step
    from finops_exporter.one_run import Report
    from finops_exporter.source_table import SourceLine
    from finops_exporter.store.checks import Rebuilt

UNBOUNDED = 100_000
"""Columns of a table that goes into a file or a pipe: nothing is folded or cut there."""


def plan(one: SourcePlan) -> None:
    """What a run of a source would do."""
    todo = one.plan
    click.echo(
        f"{one.source}: would read {_parts(todo)}, {one.unchanged} unchanged; withdraw "
        f"{len(one.withdrawn)}; {_paid(todo)} paid requests, ${money_text(todo.cost_usd)}"
    )
    _daily(one)
    for part in todo.parts:
        click.echo(f"  read {part.key}{_in_brackets(part.size_bytes)}")
    for key in one.withdrawn:
        click.echo(f"  withdraw {key}: the source has it no longer")
    for rejected in todo.unreadable:
        click.echo(f"  cannot read {rejected}")


def offline(one: SourcePlan) -> None:
    """What a first run would read, as far as it is known without asking anybody."""
    paid = _paid(one.plan)
    asks = f"; at least {paid} paid requests, ${money_text(one.plan.cost_usd)}" if paid else ""
    click.echo(f"{one.source}: {_parts(one.plan)}{asks}")
    _daily(one)
    for rejected in one.plan.unreadable:
        click.echo(f"{one.source}: {rejected}")


def _parts(todo: Plan) -> str:
    """How many parts, and how large: what an API gives has no size."""
    count = len(todo.parts)
    total = _in_brackets(sum(part.size_bytes for part in todo.parts))
    return f"{count} {'part' if count == 1 else 'parts'}{total}"


def _in_brackets(size_bytes: int) -> str:
    return f" ({size(size_bytes)})" if size_bytes else ""


def _paid(todo: Plan) -> int:
    return sum(count for api, count in todo.requests.items() if api.request_usd)


def _daily(one: SourcePlan) -> None:
    if one.daily_usd:
        click.echo(
            f"  planned at this interval: ${money_text(one.daily_usd)} a day; the cap is "
            f"${money_text(one.cap_usd)} a day"
        )


def report(done: Report) -> None:
    """How a run of a source ended; what it left out goes to stderr."""
    click.echo(
        f"{done.source}: {done.outcome}; {done.parts} parts read, {done.unchanged} "
        f"unchanged, {done.withdrawn} withdrawn; {done.changes.written} facts written, "
        f"{done.changes.removed} removed; {done.changes.restated_days} account-days restated"
    )
    for rejected in done.rejected:
        click.echo(f"{done.source}: left out {rejected}", err=True)
    for notice in done.notices:
        click.echo(f"{done.source}: {notice.message.removeprefix(f'{done.source}: ')}", err=True)
    if done.error and not done.rejected:
        click.echo(f"{done.source}: {done.error.removeprefix(f'{done.source}: ')}", err=True)


def costs(table: CostTable) -> None:
    """A table whose amounts stand point under point, exact."""
    shown = Table(
        title=f"{table.window.since} to {table.window.last} (UTC), {table.currency}",
        title_justify="left",
        show_footer=True,
    )
    for index, key in enumerate(table.keys):
        footer = "" if index else "total"
        shown.add_column(key, footer, overflow="fold", no_wrap=key in {"day", "month"})
    groups = table.groups
    if not {"month", "day"} & set(table.keys):
        groups = tuple(sorted(groups, key=lambda group: group.billed, reverse=True))
    billed = aligned([*(group.billed for group in groups), table.billed])
    effective = aligned([*(group.effective for group in groups), table.effective])
    shown.add_column("billed", billed[-1], justify="right", no_wrap=True)
    shown.add_column("effective", effective[-1], justify="right", no_wrap=True)
    for group, *amounts in zip(groups, billed[:-1], effective[:-1], strict=True):
        shown.add_row(*group.values, *amounts)
    on_paper(shown)


def sources(lines: Sequence[SourceLine]) -> None:
    """How each source stands; what is not known is a dash."""
    shown = Table(title="sources (UTC)", title_justify="left")
    for name in (
        "source",
        "last run",
        "newest day",
        "age",
        "cost today",
        "next run",
        "last error",
    ):
        shown.add_column(name, overflow="fold", no_wrap=name not in {"source", "last error"})
    for line in lines:
        when = f"{line.last_run:%Y-%m-%d %H:%M} {line.outcome}" if line.last_run else line.outcome
        shown.add_row(
            line.source,
            when,
            str(line.newest_day or "-"),
            "-" if line.age is None else duration_text(_rounded(line.age)),
            f"${money_text(line.asked_today_usd)}" if line.asked_today_usd else "-",
            f"{line.next_run:%Y-%m-%d %H:%M}" if line.next_run else "configured no more",
            line.error or "-",
        )
    on_paper(shown)


def budgets(found: Sequence[Budget]) -> None:
    """What may be spent on what."""
    shown = Table(title="budgets", title_justify="left")
    for name in ("budget", "scope", "amount", "period", "thresholds", "owner", "from"):
        shown.add_column(name, overflow="fold", justify="right" if name == "amount" else "left")
    for one in found:
        shown.add_row(
            one.name,
            _scope(one),
            f"{one.amount:,.2f} {one.currency}",
            one.period if one.time_zone == "UTC" else f"{one.period}, {one.time_zone}",
            ", ".join(f"{money_text(percent)} %" for percent in one.thresholds) or "-",
            one.owner or "-",
            "configuration" if one.is_configured else "command line",
        )
    on_paper(shown)


def budget_states(states: Sequence[BudgetState]) -> None:
    """How budgets stand, in the current period and in one that is closing; then what is wrong."""
    shown = Table(title="budgets (UTC)", title_justify="left")
    for name in ("budget", "scope", "period"):
        shown.add_column(name, overflow="fold")
    for name in ("spent", "of", "used", "a day", "forecast"):
        shown.add_column(name, justify="right", no_wrap=True)
    for name in ("used up", "on track", "reached"):
        shown.add_column(name, no_wrap=True)
    for state in states:
        reached = ", ".join(f"{money_text(percent)} %" for percent in sorted(state.reached))
        current = {"forecast": _forecast(state), "reached": reached or "-"}
        _add_standing(shown, state.budget, state.current, **current)
        if state.closing is not None:
            _add_standing(shown, state.budget, state.closing, note=" (closing)")
    on_paper(shown)
    budget_problems(states)


def budget_problems(states: Sequence[BudgetState]) -> None:
    """Why it cannot be told how budgets stand."""
    for state in states:
        for one in state.problems:
            click.echo(f"{state.budget.name}: {one.text}", err=True)


def _forecast(state: BudgetState) -> str:
    if not state.forecast:
        return "-"
    low, middle, high = (f"{state.forecast[name]:,.2f}" for name in ("p10", "p50", "p90"))
    return f"{middle} ({low}-{high})"


def _scope(one: Budget) -> str:
    where = f" in {one.provider}" if one.provider else ""
    return f"{one.scope} {one.scope_value}".strip() + where


def _add_standing(
    shown: Table,
    one: Budget,
    period: PeriodState | None,
    *,
    forecast: str = "-",
    reached: str = "-",
    note: str = "",
) -> None:
    limit = f"{one.amount:,.2f} {one.currency}"
    if period is None:
        shown.add_row(one.name, _scope(one), one.period, "unknown", limit, *["-"] * 5, reached)
        return
    stands, window = period.standing, period.spending.window
    shown.add_row(
        one.name,
        _scope(one),
        f"{window.since} to {window.last}{note}",
        f"{stands.spent:,.2f}",
        limit,
        f"{stands.consumed:.1%}",
        "-" if stands.burn_rate is None else f"{stands.burn_rate:,.2f}",
        forecast,
        f"{stands.exhausted_at:%Y-%m-%d %H:%M}" if stands.exhausted_at else "-",
        {True: "yes", False: "no", None: "-"}[stands.is_on_track],
        reached,
    )


def findings(found: Sequence[Finding]) -> None:
    """What the checks say, a line each, and the remedy below what is not as it should be."""
    colours = {"ok": "green", "warning": "yellow", "problem": "red"}
    for one in found:
        level = click.style(f"{one.level:<11}", fg=colours.get(one.level))
        click.echo(f"{level}  {one.check:<14}  {one.message}")
        if one.remedy:
            click.echo(f"{'remedy: ':>29}{one.remedy}")


def rebuilt(done: Sequence[Rebuilt]) -> None:
    """What was wrong with the rollups, and is not any more."""
    for one in done:
        if one.removed or one.written:
            click.echo(f"{one.table}: {one.removed} wrong rows removed, {one.written} written")
        else:
            click.echo(f"{one.table}: equals the facts, nothing changed")


def table(head: Sequence[str], lines: Sequence[Sequence[str]], *, numbers: Sequence[int]) -> None:
    """Lines below their head; the columns `numbers` stand to the right."""
    shown = Table()
    for place, name in enumerate(head):
        is_number = place in numbers
        justify: Literal["left", "right"] = "right" if is_number else "left"
        shown.add_column(name, justify=justify, overflow="fold", no_wrap=is_number)
    for line in lines:
        shown.add_row(*line)
    on_paper(shown)


def _rounded(age: timedelta) -> timedelta:
    """To whole hours: nobody looks at more."""
    return timedelta(hours=round(age / timedelta(hours=1)))


def on_paper(shown: Table) -> None:
    """A table on a terminal of its width, or in full elsewhere."""
    # Names are no markup, and only a terminal has an edge to fold them at.
    width = None if sys.stdout.isatty() else UNBOUNDED
    Console(markup=False, emoji=False, width=width).print(shown)


def aligned(amounts: Sequence[Decimal]) -> list[str]:
    """The exact amounts with equally many digits after the point, thousands apart."""
    places = max(len(money_text(amount).partition(".")[2]) for amount in amounts)
    return [f"{amount:,.{places}f}" for amount in amounts]


@contextmanager
def progress() -> Iterator[Callable[[str, Step], None]]:
    """Bars on a terminal; elsewhere nothing, because the log says it."""
    on_terminal = sys.stderr.isatty()
    logs.configure(quiet=on_terminal)
    if not on_terminal:
        yield lambda _source, _step: None
        return
    from rich import progress as bar  # noqa: PLC0415 -- nobody watches what runs for months

    columns = (
        bar.TextColumn("{task.description}", markup=False),
        bar.BarColumn(),
        bar.MofNCompleteColumn(),
        bar.TimeElapsedColumn(),
    )
    with bar.Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        tasks: dict[str, Any] = {}

        def show(source: str, step: Step) -> None:
            task = tasks.get(source)
            if task is None:
                task = tasks[source] = bars.add_task(source, total=step.total)
            name = Path(step.part).name
            bars.update(task, description=f"{source} {name}", completed=step.done, total=step.total)

        yield show


def command(name: str, config_file: Path) -> str:
    """What to type for a command on the demo; $DATABASE_URL would send it to another store."""
    without = "env -u DATABASE_URL " if "DATABASE_URL" in os.environ else ""
    beside_python = os.path.relpath(Path(sys.executable).with_name("finops-exporter"))
    program = "finops-exporter" if shutil.which("finops-exporter") else beside_python
    return f"{without}{program} {name} --config {shlex.quote(str(config_file))}"


def size(count: int) -> str:
    """A number of bytes, rounded: 1.5 MB."""
    left = float(count)
    for unit in ("B", "kB", "MB"):
        if left < 1000:  # noqa: PLR2004 -- SI prefixes
            return f"{left:.0f} {unit}" if unit == "B" else f"{left:.1f} {unit}"
        left /= 1000
    return f"{left:.1f} GB"
