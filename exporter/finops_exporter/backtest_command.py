"""The command `backtest`: parse, call, print; what it does lies in the package backtest."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops_exporter import app, backtest_text, printing
from finops_exporter.analysis import anomalies, forecast
from finops_exporter.backtest import alerts
from finops_exporter.backtest.replaying import Request, replay
from finops_exporter.command_line import ended_by_signals
from finops_exporter.errors import UsageError
from finops_exporter.parameters import config_option

if TYPE_CHECKING:
    from finops_exporter.config import Config

FILE = click.Path(path_type=Path, dir_okay=False)


@click.command(short_help="Judge history as alerts and forecasts would have.")
@config_option
@click.option(
    "--input",
    "source",
    type=FILE,
    metavar="FILE",
    help="Daily costs as CSV (or CSV.gz): series_id, date, and the column of --column.",
)
@click.option(
    "--column",
    type=click.Choice(["cost_usage", "cost_total"]),
    help="What to judge of --input; default: cost_usage.",
)
@click.option("--flags", type=FILE, metavar="FILE", help="Where the anomalies of --input go.")
@click.option(
    "--forecasts",
    type=FILE,
    metavar="FILE",
    help="Where forecasts of the month's end go, as of the 5th, 10th, 15th and 20th.",
)
@click.option(
    "--method",
    type=click.Choice(anomalies.METHODS),
    help="How anomalies are found; default: anomalies.method of the configuration.",
)
@click.option(
    "--forecast-method",
    type=click.Choice(forecast.METHODS),
    help="How months are forecast; default: forecasts.method of the configuration.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="Of what is printed without --input.",
)
def backtest(
    config: Config,
    *,
    source: Path | None,
    column: str | None,
    flags: Path | None,
    forecasts: Path | None,
    method: anomalies.Method | None,
    forecast_method: forecast.Method | None,
    form: str,
) -> None:
    """Judge history day by day, each day by what was there until then.

    Without --input: how often each alert on cost would have fired on the stored usage, at its
    threshold and at others, through the newest complete day and 400 days back. Look at it before
    you switch alerts on.

    With --input: the days that would have been flagged, and what would have been forecast; the two
    newest days of each forecast count as not settled yet and are not looked at. A day may be
    missing; files are replaced only when they are whole.

    \b
    Examples:
      finops-exporter backtest --config config.yaml
      finops-exporter backtest --format json
      finops-exporter backtest --input costs.csv.gz --flags flags.csv --forecasts forecasts.csv
      finops-exporter backtest --input costs.csv --column cost_total --method iqr --flags flags.csv
    """
    method = method or config.anomalies.method
    if source is None:
        if column or flags or forecasts:
            raise UsageError("--column, --flags and --forecasts need --input")
        _alerts(config, method, form)
        return
    if flags is None and forecasts is None:
        raise UsageError("--input needs --flags or --forecasts: where what is found goes")
    ahead = forecast_method or config.forecasts.method
    request = Request(source, column or "cost_usage", method, ahead, flags, forecasts)
    with ended_by_signals(), printing.progress() as progress:
        done = replay(request, progress)
    backtest_text.replayed(request, done)


def _alerts(config: Config, method: anomalies.Method, form: str) -> None:
    with ended_by_signals(), printing.progress() as progress:
        step = partial(progress, "judge")
        settings = app.settings(config, app.sources(config))
        with app.readable_store_of(config, os.environ) as database:
            found = alerts.alert_history(database, settings, method, app.utc_now(), step)
    if form == "json":
        click.echo(alerts.as_json(found))
    else:
        backtest_text.alert_history(found)
