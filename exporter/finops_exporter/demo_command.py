"""The command `demo`: parse, call, print; what it does lies in app_demo and in the package demo."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops_exporter import app_demo, logs, printing, serving
from finops_exporter.command_line import ended_by_signals, exit_for
from finops_exporter.parameters import config_option, overridden

if TYPE_CHECKING:
    from finops_exporter.config import Config


@click.command(short_help="Make an invented company's bills, to try.")
@config_option
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=("Where the demo's bills, configuration and database go; default: below the data folder."),
)
@click.option("--serve", "and_serve", is_flag=True, help="Serve /metrics afterwards.")
@click.option(
    "--web.listen-address",
    "listen",
    default="127.0.0.1:9836",
    show_default=True,
    metavar="HOST:PORT",
)
def demo(config: Config, folder: Path | None, listen: str, *, and_serve: bool) -> None:
    """Make 14 months of billing of an invented company, and collect it as any FOCUS files.

    Six invented tenants use AI models, one of them almost all of its budget, another more.

    It has a database of its own; yours (and $DATABASE_URL) is not touched.

    \b
    Examples:
      finops-exporter demo --serve
      finops-exporter demo --folder /tmp/finops-demo
    """
    # The demo writes a configuration of its own; this one only tells a wrong address at once.
    overridden(config, {"server__listen": listen})
    with ended_by_signals(), printing.progress() as progress:
        made = app_demo.make_demo(folder, listen, os.environ, progress)
    for report in made.reports:
        printing.report(report)
    click.echo(f"demo: new AI calls of its tenants: {made.ai.calls:,}, ${made.ai.cost_usd:,.2f}")
    exit_for(made.reports)
    if not and_serve:
        click.echo(f"\nNow: {printing.command('serve', made.config_file)}")
        return
    logs.configure(quiet=True)
    serving.serve(
        made.config, os.environ, started=lambda urls: printing.welcome(urls.pages, made.config_file)
    )
