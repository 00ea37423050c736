"""The command `customers`: what one of them costs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from finops_exporter import app, customer_table, printing
from finops_exporter.parameters import config_option

if TYPE_CHECKING:
    from decimal import Decimal

    from finops_exporter.config import Config


@click.command(short_help="Print what a customer costs.")
@config_option
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def customers(config: Config, form: str) -> None:
    """Print what a customer costs: of the last 30 days (UTC), and of the 30 before.

    Customers are counted by `serve`, as the section customers of the configuration says.

    \b
    Example:
      finops-exporter customers --config config.yaml
    """
    with app.readable_store_of(config, os.environ) as database:
        billing = config.billing
        found = customer_table.unit_costs(database, billing.basis, billing.rate, app.utc_now())
    if form == "json":
        click.echo(customer_table.as_json(found))
        return
    lines = [
        (
            one.name,
            f"{one.days.since} to {one.days.last}",
            _shown(one.customers, ""),
            _shown(one.cost_usd, "$"),
            _shown(one.per_customer_usd, "$"),
        )
        for one in found
    ]
    head = ("window", "days (UTC)", "customers", "cost", "a customer")
    printing.table(head, lines, numbers=(2, 3, 4))


def _shown(number: Decimal | None, unit: str) -> str:
    if number is None:
        return "unknown"
    return f"{unit}{number:,.2f}" if unit else f"{number:,f}"
