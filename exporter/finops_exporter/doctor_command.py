"""The command `doctor`: parse, call, print; what it does lies in the package doctor."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import TYPE_CHECKING

import click

from finops_exporter import printing
from finops_exporter.command_line import ended_by_signals
from finops_exporter.doctor import diagnosis, findings
from finops_exporter.errors import UsageError
from finops_exporter.parameters import config_option

if TYPE_CHECKING:
    from finops_exporter.config import Config


@click.command(short_help="Check the installation, and what is stored.")
@config_option
@click.option("--quick", is_flag=True, help="Compare only the newest two months with the facts.")
@click.option(
    "--rebuild", is_flag=True, help="Make the sums that are kept what the facts say; check nothing."
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
def doctor(config: Config, *, quick: bool, rebuild: bool, form: str) -> None:
    """Check the configuration, the database, and what is stored; say what to do about it.

    Asks no cloud and changes nothing, but with --rebuild. Without --quick it reads every stored
    fact. Exit code 1 when there is a problem; warnings are none.

    \b
    Examples:
      finops-exporter doctor --config config.yaml
      finops-exporter doctor --quick --format json
      finops-exporter doctor --rebuild
    """
    if rebuild and (quick or form != "text"):
        raise UsageError("--rebuild goes without --quick and --format")
    if rebuild:
        _rebuild(config)
    else:
        _check(config, quick=quick, form=form)


def _rebuild(config: Config) -> None:
    with ended_by_signals(), printing.progress() as progress:
        done = diagnosis.rebuild(config, os.environ, partial(progress, "doctor"))
    printing.rebuilt(done)


def _check(config: Config, *, quick: bool, form: str) -> None:
    with ended_by_signals(), printing.progress() as progress:
        step = partial(progress, "doctor")
        found = diagnosis.diagnose(config, os.environ, quick=quick, progress=step)
    if form == "json":
        click.echo(findings.as_json(found))
    else:
        printing.findings(found)
    if findings.has_problem(found):
        sys.exit(1)
