"""The commands `ai tenants`, `status`, `set` and `remove`: parse, call, print."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, get_args

import click

from finops_exporter import ai_desk, ai_text, app
from finops_exporter.ai_model import ALL_MODELS, MOST_USD, BudgetChange, FailMode, Tier
from finops_exporter.ai_parameters import LABEL, NAME, NOTHING, TIME_ZONE, Number
from finops_exporter.errors import UsageError
from finops_exporter.parameters import config_option

if TYPE_CHECKING:
    from decimal import Decimal

    from finops_exporter.config import Config

USD = Number(0, MOST_USD)
FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
MODEL = click.option(
    "--model", type=NAME, default=ALL_MODELS, help="The budget of this model; default: of all."
)
DRY_RUN = click.option("--dry-run", is_flag=True, help="Print what would be done; change nothing.")


@click.command(short_help="Print all AI budgets and how they stand.")
@config_option
@click.option(
    "--over",
    type=Number(0, 1_000_000),
    metavar="PERCENT",
    help="Only budgets of which so much is used, or more.",
)
@FORMAT
def tenants(config: Config, over: Decimal | None, form: str) -> None:
    """Print all AI budgets and how they stand in their current month, by tenant and model.

    A budget is `exceeded` when it is used up, or a call did not fit it any more; `warning` from its
    soft limit on. A model * is the budget over all models. Held is what calls under way may cost.

    \b
    Examples:
      finops-exporter ai tenants --config config.yaml
      finops-exporter ai tenants --over 80 --format json
    """
    with app.readable_store_of(config, os.environ, NOTHING) as database:
        found = ai_desk.standings(database, app.utc_now(), over_percent=over)
    if form == "json":
        click.echo(ai_desk.as_json(found))
    elif found:
        ai_text.budgets(found)
    else:
        click.echo("no AI budget is set" if over is None else f"no AI budget is {over} % used")


@click.command(short_help="Print how a tenant stands.")
@click.argument("tenant", type=NAME)
@config_option
@click.option(
    "--calls",
    type=click.IntRange(0, 1000),
    default=10,
    show_default=True,
    help="How many of the newest calls are shown.",
)
@FORMAT
def status(config: Config, *, tenant: str, calls: int, form: str) -> None:
    """Print TENANT's budgets, what it used this month by model, and its newest calls.

    Where nothing is known of the tenant, the exit code is 1. Reads the database; changes nothing.

    \b
    Examples:
      finops-exporter ai status acme --config config.yaml
      finops-exporter ai status acme --calls 100 --format json
    """
    with app.readable_store_of(config, os.environ, NOTHING) as database:
        found = ai_desk.status(database, tenant, app.utc_now(), calls)
    if form == "json":
        click.echo(ai_desk.status_json(found))
        return
    verb = "allowed" if config.ai.unknown_tenant == "allow" else "refused"
    ai_text.status(found, f"its calls are {verb} (ai.unknown_tenant)")


@click.command("set", short_help="Set a tenant's AI budget.")
@click.argument("tenant", type=NAME)
@config_option
@MODEL
@click.option("--limit", "limit_usd", type=USD, metavar="USD", help="What a month may cost.")
@click.option(
    "--tier",
    type=click.Choice(get_args(Tier)),
    help="Gives the limit, unless --limit does: $500, $2,000, $10,000; custom has none.",
)
@click.option(
    "--soft-limit",
    type=Number(0, 100, above=True),
    metavar="PERCENT",
    help="From so much of the limit on callers are warned; default: 80.",
)
@click.option(
    "--time-zone", "timezone", type=TIME_ZONE, metavar="NAME", help="Whose months; default: UTC."
)
@click.option(
    "--fail-mode",
    type=click.Choice(get_args(FailMode)),
    help="What becomes of calls while the database is away; default: fail_closed, refused.",
)
@click.option(
    "--allowance",
    "allowance_usd",
    type=USD,
    metavar="USD",
    help="With fail_open: what each process sets aside for that time; default: 1.",
)
@click.option(
    "--enforce/--shadow",
    default=None,
    help="Refuse calls beyond the limit (the default), or only count them.",
)
@click.option("--owner", type=LABEL, help="Who answers for it.")
@click.option("--critical/--not-critical", default=None, help="Whether it matters more to alerts.")
@DRY_RUN
def set_(
    config: Config,
    *,
    tenant: str,
    model: str,
    soft_limit: Decimal | None,
    dry_run: bool,
    **keys: object,
) -> None:
    """Set TENANT's budget over all models, or of one: a new one, or some of an old one.

    Only what is given changes, at once and for each replica. What was spent this month stays spent.

    \b
    Examples:
      finops-exporter ai set acme --tier professional --owner "data team"
      finops-exporter ai set acme --limit 2500 --dry-run
      finops-exporter ai set acme --model gpt-4o --limit 300 --soft-limit 70
      finops-exporter ai set acme --time-zone Europe/Berlin --shadow
    """
    given = {key: value for key, value in keys.items() if value is not None}
    if soft_limit is not None:
        given["soft_limit_ratio"] = soft_limit / 100
    if not given:
        raise UsageError("nothing to set; see: finops-exporter ai set --help")
    change = ai_desk.with_tier_limit(BudgetChange(tenant, model, **given))  # type: ignore[arg-type]  # click knows the types
    store = partial(app.readable_store_of, nothing=NOTHING) if dry_run else app.store_of
    with store(config, os.environ) as database:
        done = ai_desk.set_budget(database, change, app.utc_now(), dry_run=dry_run)
    ai_text.changed(done, change, dry_run=dry_run)


@click.command(short_help="Remove a tenant's AI budget.")
@click.argument("tenant", type=NAME)
@config_option
@MODEL
@DRY_RUN
def remove(config: Config, *, tenant: str, model: str, dry_run: bool) -> None:
    """Remove TENANT's budget over all models, or that of one. What was spent stays known.

    From then on only its other budgets limit its calls.

    \b
    Examples:
      finops-exporter ai remove acme --model gpt-4o
      finops-exporter ai remove acme --dry-run
    """
    store = partial(app.readable_store_of, nothing=NOTHING) if dry_run else app.store_of
    with store(config, os.environ) as database:
        found = ai_desk.remove_budget(database, tenant, model, app.utc_now(), dry_run=dry_run)
    ai_text.removed(found, dry_run=dry_run)
