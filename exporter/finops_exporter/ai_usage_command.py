"""The commands `ai usage` and `ai import`: parse, call, print."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops_exporter import ai_desk, ai_text, ai_usage_query, app, printing
from finops_exporter.ai_budget.importing import given_price, import_usage
from finops_exporter.ai_budget.pricing import PriceList
from finops_exporter.ai_budget.usage_file import Columns, UsageFile
from finops_exporter.ai_parameters import LABEL, NAME, NOTHING, ONE_MODEL, Number
from finops_exporter.command_line import ended_by_signals
from finops_exporter.errors import UsageError
from finops_exporter.parameters import DAY, config_option

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date, datetime
    from decimal import Decimal

    from finops_exporter.ai_budget.rates import Found
    from finops_exporter.config import Config

PER_MILLION = Number(0, 1_000_000)


@click.command(short_help="Print AI usage, exact.")
@click.argument("tenant", type=NAME, required=False)
@config_option
@click.option(
    "--by",
    default="tenant,model",
    show_default=True,
    metavar="KEY,...",
    help=f"Keys: {', '.join(ai_usage_query.KEYS)}.",
)
@click.option("--since", type=DAY, metavar="DAY", help="First day (UTC); default: first kept.")
@click.option("--until", type=DAY, metavar="DAY", help="Last day, inclusive; default: last kept.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    show_default=True,
)
def usage(
    config: Config,
    *,
    tenant: str | None,
    by: str,
    since: date | None,
    until: date | None,
    form: str,
) -> None:
    """Print what calls used and cost, of all tenants or of TENANT, exact to the last digit.

    It adds up the single calls; those that ai.usage_retention has removed are not in it, which is
    told.

    \b
    Examples:
      finops-exporter ai usage --by tenant,day --since 2026-11-01
      finops-exporter ai usage acme --by model,report --format json
      finops-exporter ai usage --by tenant,model,day,report --format csv > usage.csv
    """
    keys = ai_usage_query.parse_keys(by)
    with app.readable_store_of(config, os.environ, NOTHING) as database:
        found = ai_usage_query.query(database, keys, tenant_id=tenant, since=since, until=until)
    if form == "json":
        click.echo(ai_usage_query.as_json(found))
    elif form == "csv":
        click.echo(ai_usage_query.as_csv(found), nl=False)
    else:
        ai_text.usage(found)
    ai_text.usage_notes(found)


@click.command("import", short_help="Import AI usage from a CSV file.")
@config_option
@click.option(
    "--csv",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="A row a call, below a header; CSV or CSV.gz.",
)
@click.option("--tenant", type=NAME, required=True, help="Whose calls they are.")
@click.option("--model", type=ONE_MODEL, required=True, help="Which model was called.")
@click.option("--time-column", default=Columns().time, show_default=True, metavar="NAME")
@click.option("--input-column", default=Columns().input, show_default=True, metavar="NAME")
@click.option("--output-column", default=Columns().output, show_default=True, metavar="NAME")
@click.option("--report-type", type=LABEL, default="", help="What the calls were for.")
@click.option(
    "--input-price",
    type=PER_MILLION,
    metavar="USD",
    help="Of a million input tokens; default: that of the price list when the call was made.",
)
@click.option("--output-price", type=PER_MILLION, metavar="USD", help="The same of output tokens.")
@click.option("--dry-run", is_flag=True, help="Print what would be imported; change nothing.")
def import_(
    config: Config,
    *,
    path: Path,
    tenant: str,
    model: str,
    time_column: str,
    input_column: str,
    output_column: str,
    report_type: str,
    input_price: Decimal | None,
    output_price: Decimal | None,
    dry_run: bool,
) -> None:
    """Import calls from a CSV file: all of them or, if a row is wrong, none.

    They count in the month of their own time (UTC where it has no zone), and are never refused. A
    call is known by its content and its place in the file: importing a file again, or one that has
    grown, brings only what is new.

    \b
    Examples:
      finops-exporter ai import --csv trace.csv --tenant acme --model gpt-4o --dry-run
      finops-exporter ai import --csv calls.csv.gz --tenant acme --model our-llama
        --time-column at --input-column prompt --output-column completion
        --input-price 0.10 --output-price 0.40 --report-type nightly
    """
    now = app.utc_now()
    retention = config.ai.usage_retention
    file = UsageFile(
        path,
        tenant,
        model,
        _price(config, model, input_price, output_price),
        Columns(time_column, input_column, output_column),
        report_type,
        kept_since=None if retention is None else now - retention,
    )
    store = partial(app.readable_store_of, nothing=NOTHING) if dry_run else app.store_of
    with (
        ended_by_signals(),
        store(config, os.environ) as database,
        printing.progress() as progress,
    ):
        found = import_usage(database, file, now, partial(progress, "import"), dry_run=dry_run)
    ai_text.imported(ai_desk.named(tenant, model), str(path), found, dry_run=dry_run)


def _price(
    config: Config, model: str, input_usd: Decimal | None, output_usd: Decimal | None
) -> Callable[[datetime], Found | None]:
    if input_usd is None and output_usd is None:
        return partial(PriceList(config.ai.prices, config.ai.unknown_model).find, model)
    if input_usd is None or output_usd is None:
        raise UsageError("--input-price and --output-price go together")
    return given_price(model, input_usd, output_usd)
