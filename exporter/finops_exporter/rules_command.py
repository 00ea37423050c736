"""The command `rules`: what the alerts look at now."""

from __future__ import annotations

import os
from functools import partial

import click

from finops_exporter import alert_text, app, logs
from finops_exporter.alerts import catalogue, table, values
from finops_exporter.config import Config  # noqa: TC001 -- beside what is imported for real
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.parameters import config_option


@click.command(short_help="Print what the alerts look at now.")
@config_option
@click.option("--explain", "name", metavar="ALERT", help="Every label set of this alert.")
@click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
def rules(config: Config, name: str | None, form: str) -> None:
    """Print the alerts of rules/*.yaml, and on how much of what they look at they are met now.

    --explain prints the values that an alert looks at, its thresholds, and how far they are apart:
    those of /metrics, read from the database, without a Prometheus. What is absent there is
    unknown. How long a condition must hold before the alert fires is told, but whether it has is
    known to Prometheus alone. Changes nothing.

    \b
    Examples:
      finops-exporter rules --config config.yaml
      finops-exporter rules --explain BudgetExceeded80Percent
      finops-exporter rules --explain CloudCostSpike --format json
    """
    logs.configure(quiet=True)
    if name is not None:
        catalogue.called(name)
    now = app.utc_now()
    settings = app.settings(config, app.sources(config))
    ai = AiSettings(config.ai.max_tenants, config.server.max_series) if config.ai.enabled else None
    with app.readable_store_of(config, os.environ) as database:
        read = partial(values.read, database, settings, ai, config.configured_budgets(), now)
        told = table.answer(read, now, name)
    if form == "json":
        click.echo(table.as_json(told) if name is None else table.explained_as_json(told))
    elif name is None:
        alert_text.listed(told)
    else:
        alert_text.explained(told)
