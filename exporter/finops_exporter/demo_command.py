"""The command `demo`: parse, call, print; what it does lies in app_demo and in the package demo."""

from __future__ import annotations

import os
import shlex
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops_exporter import app_demo, logs, printing, serving
from finops_exporter.command_line import ended_by_signals, exit_for
from finops_exporter.errors import UsageError
from finops_exporter.parameters import config_option, overridden

if TYPE_CHECKING:
    from finops_exporter.config import Config
    from finops_exporter.service import Urls


@click.command(short_help="Make an invented company's bills, to try.")
@config_option
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help=("Where the demo's bills, configuration and database go; default: below the data folder."),
)
@click.option(
    "--serve",
    "and_serve",
    is_flag=True,
    help="Serve /metrics and the API of AI budgets afterwards.",
)
@click.option(
    "--web.listen-address",
    "listen",
    default="127.0.0.1:9836",
    show_default=True,
    metavar="HOST:PORT",
)
@click.option(
    "--ai.listen-address",
    "ai_listen",
    default="127.0.0.1:3010",
    show_default=True,
    metavar="HOST:PORT",
    help=(
        "Where the API of AI budgets is served; an address of this machine alone, unless "
        "--database-url-file is given."
    ),
)
@click.option(
    "--database-url-file",
    "url_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with the URL of a database for the demo alone; default: an embedded one.",
)
def demo(
    config: Config,
    folder: Path | None,
    listen: str,
    ai_listen: str,
    *,
    url_file: Path | None,
    and_serve: bool,
) -> None:
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
    host, _ = overridden(config, {"ai__listen": ai_listen}).ai.address
    # A database on a server is how containers have it: there whoever publishes ports decides.
    if url_file is None and not _is_local(host):
        raise UsageError(
            "--ai.listen-address: must be an address of this machine alone, such as "
            f"127.0.0.1:3010, not {ai_listen!r}: the demo's token may do everything"
        )
    with ended_by_signals(), printing.progress() as progress:
        listen_at = app_demo.Addresses(listen, ai_listen)
        made = app_demo.make_demo(folder, listen_at, os.environ, progress, url_file)
    for report in made.reports:
        printing.report(report)
    click.echo(f"demo: new AI calls of its tenants: {made.ai.calls:,}, ${made.ai.cost_usd:,.2f}")
    exit_for(made.reports)
    if not and_serve:
        click.echo(f"\nNow: {printing.command('serve', made.config_file)}")
        return
    logs.configure(quiet=True)
    serving.serve(
        made.config,
        os.environ,
        started=lambda urls: _welcome(urls, made.config_file, made.token_file),
    )


def _is_local(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _welcome(urls: Urls, config_file: Path, token_file: Path) -> None:
    """What the demo serves, and what to try."""
    costs_command = printing.command("costs", config_file)
    url, api = urls.pages, f"{urls.api}/api/ai-budget"
    click.echo(f"""
The demo is running (Ctrl-C ends it):
  {url}/          what is stored, and through which day
  {url}/metrics   what Prometheus scrapes
  {urls.api}/api/docs  the API of AI budgets

Some things to try in another terminal:
  {printing.command("budget status", config_file)}
  {costs_command} --by provider,month
  {costs_command} --by team --format json
  {printing.command("ai tenants", config_file)}
  curl -s {url}/metrics | grep day_offset
  TOKEN=$(cat {shlex.quote(str(token_file))})
  curl -s -H "Authorization: Bearer $TOKEN" {api}/tenant/velo-couriers
""")
