"""The commands below `budget`: parse, call, print; what they do lies in budget_table and below."""

from __future__ import annotations

import difflib
import os
from typing import TYPE_CHECKING, get_args

import click

from finops_exporter import app, budget_table, logs, printing
from finops_exporter.budget_config import BudgetConfig, mistakes
from finops_exporter.errors import UsageError
from finops_exporter.explain import Place, validated
from finops_exporter.model import Basis, Period, Scope
from finops_exporter.parameters import config_option, system_user
from finops_exporter.store import budgets as store
from finops_exporter.yaml_source import Document, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from finops_exporter.config import Config
    from finops_exporter.exposition.families import Settings
    from finops_exporter.model import Budget

form_option = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
)
dry_run_option = click.option(
    "--dry-run", is_flag=True, help="Print what would be done; change nothing."
)


@click.group(short_help="Set budgets, and see how they stand.")
def budget() -> None:
    """Set budgets, and see how they stand.

    Budgets also come from the configuration (section budgets), which goes first: those that it
    names are changed there.
    """
    logs.configure(quiet=True)


@budget.command("list", short_help="Print the budgets.")
@config_option
@form_option
def list_budgets(config: Config, form: str) -> None:
    """Print the budgets: those that are stored, and those of the configuration.

    \b
    Example:
      finops-exporter budget list --config config.yaml
    """
    found = _budgets(config)
    if form == "json":
        click.echo(budget_table.as_json(found))
    else:
        printing.budgets(found)


@budget.command(short_help="Print how budgets stand.")
@click.argument("name", required=False)
@config_option
@form_option
def status(config: Config, name: str | None, form: str) -> None:
    """Print how each budget stands, or the one called NAME: as the metrics say, exact as JSON.

    Reads the database; changes nothing.

    \b
    Examples:
      finops-exporter budget status --config config.yaml
      finops-exporter budget status data --format json
    """
    settings, configured = _settings(config), config.configured_budgets()
    with app.readable_store_of(config, os.environ) as database:
        if name is not None:
            _known(name, budget_table.known(database, configured))
        states = budget_table.standings(database, configured, settings, app.utc_now(), only=name)
    if form == "json":
        click.echo(budget_table.states_as_json(states))
    else:
        printing.budget_states(states)


@budget.command("set", short_help="Set a budget.")
@click.argument("name")
@config_option
@click.option(
    "--scope", type=click.Choice(get_args(Scope)), required=True, help="What it is about."
)
@click.option("--value", help="Which one: an account's id, a tag's value. Not for organization.")
@click.option("--provider", help="Count only the costs of this provider.")
@click.option("--amount", required=True, help="What may be spent in a period.")
@click.option("--currency", metavar="CODE", help="What the amount is in; default: USD.")
@click.option("--period", type=click.Choice(get_args(Period)), required=True)
@click.option("--time-zone", metavar="NAME", help="By whose clock a period begins; default: UTC.")
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="PERCENT",
    help="Told once reached; repeatable; default: 50, 80, 100 and 120.",
)
@click.option("--channel", "channels", multiple=True, help="Who is to be told; repeatable.")
@click.option("--owner", help="Who answers for it.")
@click.option(
    "--basis", type=click.Choice(get_args(Basis)), help="Default: that of the configuration."
)
@click.option(
    "--credits/--no-credits",
    "include_credits",
    default=True,
    help="Whether credits make the spent sum smaller; default: they do.",
)
@dry_run_option
def set_budget(config: Config, *, dry_run: bool, **keys: object) -> None:
    """Set the budget NAME: a new one, or an old one anew with all that is given here.

    \b
    Examples:
      finops-exporter budget set data --scope team --value data --amount 5000 --period monthly
      finops-exporter budget set all --scope organization --amount 250000 --period yearly
        --currency EUR --time-zone Europe/Berlin --threshold 80 --threshold 100 --dry-run
    """
    wanted = _wanted(config, keys)
    settings, configured, now = _settings(config), config.configured_budgets(), app.utc_now()
    if dry_run:
        with app.readable_store_of(config, os.environ) as database:
            _refuse_configured(wanted.name, budget_table.known(database, configured))
            states = budget_table.standings(
                database, [*configured, wanted], settings, now, only=wanted.name
            )
        click.echo("would set, and then stand:")
        printing.budget_states(states)
        return
    with app.store_of(config, os.environ) as database:
        changed = store.put(database, wanted, system_user(), now)
        states = budget_table.standings(database, configured, settings, now, only=wanted.name)
    click.echo(f"{wanted.name}: {'set' if changed else 'was so already'}")
    printing.budget_problems(states)


@budget.command(short_help="End a budget.")
@click.argument("name")
@config_option
@dry_run_option
def delete(config: Config, *, name: str, dry_run: bool) -> None:
    """End the budget NAME. What is written down of its days stays.

    \b
    Example:
      finops-exporter budget delete data
    """
    found = _budgets(config)
    _known(name, found)
    _refuse_configured(name, found)
    if dry_run:
        click.echo(f"{name}: would end")
        return
    with app.store_of(config, os.environ) as database:
        store.end(database, name, app.utc_now())
    click.echo(f"{name}: ended")


def _settings(config: Config) -> Settings:
    return app.settings(config, app.sources(config))


def _budgets(config: Config) -> list[Budget]:
    with app.readable_store_of(config, os.environ) as database:
        return budget_table.known(database, config.configured_budgets())


def _wanted(config: Config, keys: Mapping[str, object]) -> Budget:
    """The budget that the options describe; raises ConfigError with every mistake in them."""
    raw = {key: value for key, value in keys.items() if value not in (None, ())}
    raw |= {key: list(value) for key, value in raw.items() if isinstance(value, tuple)}
    found = validated(
        BudgetConfig,
        raw,
        Place(Document("budget set")),
        problems=[
            Problem((key,), text) for key, text in mistakes(raw, config.tags, config.billing.rates)
        ],
    )
    _refuse_configured(found.name, config.configured_budgets())
    return found.budget(config.billing.basis, is_configured=False)


def _refuse_configured(name: str, budgets: Iterable[Budget]) -> None:
    if any(one.is_configured for one in budgets if one.name == name):
        raise UsageError(
            f"the budget {name!r} comes from the configuration; change it there (section budgets)"
        )


def _known(name: str, budgets: Iterable[Budget]) -> None:
    names = [one.name for one in budgets]
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        known = ", ".join(names) or "there is none"
        raise UsageError(f"there is no budget {name!r}{hint} (budgets: {known})")
