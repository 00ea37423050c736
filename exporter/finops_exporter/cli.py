"""The commands: parse, call, print; what they do lies in app and below."""

from __future__ import annotations

import os
import platform
import sys
from typing import TYPE_CHECKING

import click

from finops_exporter import __version__, app, cost_query, logs, printing, serving, source_table
from finops_exporter.command_line import EXIT_CODES, PARTIAL, Commands, ended_by_signals, exit_for
from finops_exporter.errors import ConfigError, UsageError
from finops_exporter.model import Window, duration_text
from finops_exporter.parameters import DAY, config_option, flags_of_exporters, overridden

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from finops_exporter.config import Config


ELSEWHERE = {
    "ai": "finops_exporter.ai_command",
    "anomalies": "finops_exporter.anomaly_command",
    "backfill": "finops_exporter.backfill_command",
    "backtest": "finops_exporter.backtest_command",
    "budget": "finops_exporter.budget_command",
    "customers": "finops_exporter.customer_command",
    "demo": "finops_exporter.demo_command",
    "doctor": "finops_exporter.doctor_command",
    "rules": "finops_exporter.rules_command",
}


@click.group(
    cls=Commands,
    elsewhere=ELSEWHERE,
    epilog=EXIT_CODES,
    context_settings={"max_content_width": 100},
)
@click.version_option(__version__, prog_name="finops-exporter")
def main() -> None:
    """Cloud billing as Prometheus metrics: exact, dated, and free to scrape."""


@main.command(short_help="Collect on schedule; serve /metrics and the API of AI budgets.")
@config_option
@click.option(
    "--only",
    type=click.Choice(["metrics", "api"]),
    help="Only one of the two; an API alone still shows metrics of its own.",
)
@flags_of_exporters
def serve(config: Config, *, only: serving.Component | None, **flags: object) -> None:
    """Collect on schedule, and serve /metrics and the API of AI budgets, until SIGTERM or Ctrl-C.

    SIGHUP has the web configuration file read again at once, if there is one.

    \b
    Examples:
      finops-exporter serve --config config.yaml
      finops-exporter serve --config config.yaml --web.config.file web.yaml --log.level debug
      finops-exporter serve --config config.yaml --only api --ai.listen-address 0.0.0.0:3010
    """
    config = overridden(config, flags)
    logs.configure(level=config.log.level, form=config.log.format)
    serving.serve(config, os.environ, only=only)


@main.command(short_help="Read the sources into the database.")
@config_option
@click.option("--once", is_flag=True, help="Run each source once and exit.")
@click.option(
    "--source", "names", multiple=True, metavar="NAME", help="Only this source; repeatable."
)
@click.option("--since", type=DAY, metavar="DAY", help="First day (UTC) to read again.")
@click.option("--until", type=DAY, metavar="DAY", help="Last day, inclusive; default: today.")
@click.option(
    "--dry-run", is_flag=True, help="Print what would be read and asked for; change nothing."
)
def collect(
    config: Config,
    *,
    once: bool,
    names: tuple[str, ...],
    since: date | None,
    until: date | None,
    dry_run: bool,
) -> None:
    """Read the sources into the database: once, or on schedule without serving.

    Of a run that is ended half-way, only what it had stored at a checkpoint stays: nothing of
    files, whole months of an API. --since and --until, with --once or --dry-run, read those days
    again: from every file, and the months that hold them from an API.

    \b
    Examples:
      finops-exporter collect --once --config config.yaml
      finops-exporter collect --dry-run --source aws-bill
      finops-exporter collect --once --since 2026-10-01 --until 2026-10-31
    """
    window = _window(since, until)
    if window and not (once or dry_run):
        raise UsageError("--since and --until need --once (or --dry-run)")
    if not config.collectors:
        raise ConfigError("no source is configured; see docs/configuration.md for a first one")
    with ended_by_signals():
        if dry_run:
            _dry_run(config, names, window)
        elif once:
            _collect_once(config, names, window)
    if not (once or dry_run):
        logs.configure(level=config.log.level, form=config.log.format)
        serving.collect_on_schedule(config, os.environ, names)


@main.command("check-config", short_help="Check the configuration.")
@config_option
def check_config(config: Config) -> None:
    """Check the configuration and every source's options; list the files that sources would read.

    Asks no database and no cloud.

    \b
    Example:
      finops-exporter check-config --config config.yaml
    """
    found = app.sources(config)
    for warning in [*config.warnings(), *serving.protection(config, os.environ).warnings()]:
        click.echo(f"warning: {warning}")
    unreadable = 0
    for source in found:
        try:
            plan = app.offline_plan(source)
        except app.OfflineError as error:
            click.echo(f"{source.name}: {error}; see collect --dry-run")
            continue
        unreadable += len(plan.plan.unreadable)
        printing.offline(plan)
    for watched in config.postgres:
        click.echo(f"postgres: {watched.name} is asked every {duration_text(watched.interval)}")
    if unreadable:
        sys.exit(PARTIAL)
    click.echo(f"ok: {len(found)} sources")


@main.command("migrate", short_help="Bring the schema up to date.")
@config_option
@click.option("--dry-run", is_flag=True, help="Print what would be applied; change nothing.")
def migrate_command(config: Config, *, dry_run: bool) -> None:
    """Bring the database's schema up to date (serve and collect do so themselves).

    \b
    Example:
      DATABASE_URL=postgresql://finops@db/finops finops-exporter migrate --dry-run
    """
    logs.configure(quiet=True)
    with app.database_of(config, os.environ) as database:
        names = app.migrate_store(database, dry_run=dry_run)
    verb = "would apply" if dry_run else "applied"
    for name in names:
        click.echo(f"{verb} {name}")
    if not names:
        click.echo("the schema is up to date")


@main.command(short_help="Print stored costs, exact.")
@config_option
@click.option(
    "--by",
    default="provider",
    show_default=True,
    metavar="KEY,...",
    help=(
        "Keys: provider, account, service, region, charge_category, month, day, any configured tag."
    ),
)
@click.option("--since", type=DAY, metavar="DAY", help="First day (UTC); default: first stored.")
@click.option("--until", type=DAY, metavar="DAY", help="Last day, inclusive; default: last stored.")
@click.option("--currency", metavar="CODE", help="Only what was billed in this currency.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json", "csv"]),
    default="table",
    show_default=True,
)
def costs(
    config: Config,
    *,
    by: str,
    since: date | None,
    until: date | None,
    currency: str | None,
    form: str,
) -> None:
    """Print stored costs, exact to the last digit, as they were billed.

    \b
    Examples:
      finops-exporter costs --by provider,month
      finops-exporter costs --by team --since 2026-11-01 --until 2026-11-20 --format json
      finops-exporter costs --by service,region,day --format csv > costs.csv
    """
    logs.configure(quiet=True)
    keys = cost_query.parse_keys(by, config.tags)
    with app.readable_store_of(config, os.environ) as database:
        table = cost_query.query(
            database,
            keys,
            since=since,
            until=until,
            currency=currency and currency.upper(),
        )
    if form == "json":
        click.echo(cost_query.as_json(table))
    elif form == "csv":
        click.echo(cost_query.as_csv(table), nl=False)
    else:
        printing.costs(table)


@main.command(short_help="Print how each source stands.")
@config_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
)
def sources(config: Config, form: str) -> None:
    """Print how each source stands: last run, newest complete day and the time since its end.

    "cost today" is what asking its APIs has cost today. Reads the database; asks no cloud. Times
    are UTC.

    \b
    Examples:
      finops-exporter sources --config config.yaml
      finops-exporter sources --format json
    """
    logs.configure(quiet=True)
    with app.readable_store_of(config, os.environ) as database:
        lines = app.source_lines(config, database)
    if form == "json":
        click.echo(source_table.as_json(lines))
    else:
        printing.sources(lines)


@main.command(short_help="Print the versions.")
@config_option
def version(config: Config) -> None:
    """Print the versions of the exporter, of Python and of the platform.

    \b
    Example:
      finops-exporter version
    """
    del config  # every command takes the option
    click.echo(
        f"finops-exporter {__version__} (Python {platform.python_version()}, {platform.platform()})"
    )


def _collect_once(config: Config, names: Sequence[str], window: Window | None) -> None:
    selected = app.chosen(config, names)
    with app.store_of(config, os.environ) as database, printing.progress() as progress:
        reports = app.collect_once(database, selected, window, progress)
    for report in reports:
        printing.report(report)
    exit_for(reports)


def _dry_run(config: Config, names: Sequence[str], window: Window | None) -> None:
    logs.configure(quiet=True)
    selected = app.chosen(config, names)
    # Not `store_of`, which would bring the schema up to date: that is a change.
    with app.database_of(config, os.environ) as database:
        plans = app.plans(database, selected, window)
    for one in plans:
        printing.plan(one)


def _window(since: date | None, until: date | None) -> Window | None:
    if since is None:
        if until is not None:
            raise UsageError("--until needs --since")
        return None
    last = until or app.utc_now().date()
    if since > last:
        raise UsageError(f"--since {since} is after --until {last}")
    return Window.inclusive(since, last)
