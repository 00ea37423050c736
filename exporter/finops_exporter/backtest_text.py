"""What people see of a backtest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
from rich.table import Table

from finops_exporter import printing

if TYPE_CHECKING:
    from finops_exporter.backtest.alerts import AlertHistory
    from finops_exporter.backtest.replaying import Replayed, Request


def replayed(request: Request, done: Replayed) -> None:
    """What of a file was judged, and where it was written."""
    click.echo(f"{done.series} series from {done.first_day} to {done.last_day}")
    if request.flags:
        click.echo(f"{done.flags} days flagged: {request.flags}")
    if request.forecasts:
        click.echo(f"{done.forecasts} forecasts: {request.forecasts}")


def alert_history(history: AlertHistory) -> None:
    """How often each alert would have fired; the thresholds that it comes with are marked."""
    window = history.window
    shown = Table(
        title=f"{window.since} to {window.last} (UTC); * is the threshold of the rules",
        title_justify="left",
    )
    shown.add_column("alert", no_wrap=True)
    for name in ("threshold", "alarms", "a month", "without the $ floor", "fired in"):
        shown.add_column(name, justify="right", no_wrap=True)
    for one in history.fired:
        shown.add_row(
            one.alert,
            f"{one.threshold} {'*' if one.delivered else ' '}",
            str(one.alarms),
            f"{one.per_month:.2f}",
            "-" if one.without_floor is None else str(one.without_floor),
            f"{one.places} of {one.of}",
        )
    printing.on_paper(shown)
    if history.unconverted:
        click.echo(
            f"{history.unconverted} series left out: their currency has no rate on all of these "
            "days (billing.rates)",
            err=True,
        )
