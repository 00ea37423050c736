"""The commands `anomalies ...`: parse, call, print."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

import click

from finops_exporter import anomaly_desk, anomaly_text, app
from finops_exporter.errors import UsageError
from finops_exporter.parameters import DAY, config_option, system_user
from finops_exporter.store import anomalies as store
from finops_exporter.store.anomalies import PlannedChange, Status

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import date

    from finops_exporter.config import Config

NUMBER = click.IntRange(1, 2**63 - 1)
FORMAT = click.option(
    "--format", "form", type=click.Choice(["text", "json"]), default="text", show_default=True
)
BY = click.option(
    "--by", "who", metavar="NAME", help="Who says so; default: the user of the system."
)


@click.group(short_help="List, judge and announce cost anomalies.")
def anomalies() -> None:
    """Days on which a service cost more than it had reason to.

    `serve` judges each complete day as it arrives. What is acknowledged or dismissed alerts nobody
    any more; a pattern that was dismissed does not come back, unless it grows by half.
    """


@anomalies.command("list", short_help="Print the anomalies, the newest first.")
@config_option
@click.option(
    "--status",
    type=click.Choice(["open", "acknowledged", "false_positive", "all"]),
    default="open",
    show_default=True,
)
@click.option("--since", type=DAY, metavar="DAY", help="Only of this day (UTC) and later ones.")
@click.option("--withdrawn", is_flag=True, help="Also those that are none after a restatement.")
@FORMAT
def list_(config: Config, status: str, since: date | None, form: str, *, withdrawn: bool) -> None:
    """Print the anomalies, the newest first, and what is announced.

    \b
    Examples:
      finops-exporter anomalies list --config config.yaml
      finops-exporter anomalies list --status all --since 2026-11-01 --format json
    """
    with app.readable_store_of(config, os.environ) as database:
        asked = None if status == "all" else cast("Status", status)
        found = store.listed(database, status=asked, since=since, withdrawn=withdrawn)
        planned = store.planned(database, app.utc_now().date())
    if form == "json":
        click.echo(anomaly_desk.as_json(found, planned))
    else:
        anomaly_text.listed(found, planned)


def _deciding(name: str, status: Status, text: str) -> Callable[..., None]:
    """A command that gives anomalies a status."""

    @anomalies.command(name, short_help=text.partition(".")[0] + ".", help=text)
    @config_option
    @click.argument("ids", metavar="ID...", type=NUMBER, nargs=-1, required=True)
    @click.option("--note", help="Why; others will read it.")
    @BY
    def command(config: Config, ids: tuple[int, ...], note: str | None, who: str | None) -> None:
        with app.store_of(config, os.environ) as database:
            try:
                store.decide(
                    database, ids, status, note=note, who=who or system_user(), now=app.utc_now()
                )
            except LookupError as error:
                raise UsageError(
                    f"there is no anomaly #{error.args[0]}, so nothing was changed; see: "
                    "finops-exporter anomalies list --status all"
                ) from None
        told = " ".join(f"#{one}" for one in sorted(ids))
        click.echo(f"{told}: {status.replace('_', ' ')}")

    return cast("Callable[..., None]", command)


acknowledge = _deciding(
    "ack",
    "acknowledged",
    "Acknowledge anomalies: somebody looks after them. They alert nobody any more, nor does what "
    "goes on the day after.\n\n\b\nExample:\n  finops-exporter anomalies ack 12 --note "
    "'load test, ends on Friday'",
)
dismiss = _deciding(
    "dismiss",
    "false_positive",
    "Dismiss anomalies: they are none. The same pattern of the same service does not come back, "
    "unless it grows by half.\n\n\b\nExample:\n  finops-exporter anomalies dismiss 12 13 --note "
    "'quarterly backup'",
)
reopen = _deciding(
    "reopen",
    "open",
    "Open anomalies again: what was said of them holds no more.\n\n\b\nExample:\n  "
    "finops-exporter anomalies reopen 12",
)


@anomalies.command(short_help="Say why a day counts as an anomaly, and what drove it.")
@config_option
@click.argument("anomaly_id", metavar="ID", type=NUMBER)
@FORMAT
def explain(config: Config, anomaly_id: int, form: str) -> None:
    """Print the series, what was expected, and the regions and tags that changed most.

    \b
    Example:
      finops-exporter anomalies explain 12
    """
    with app.readable_store_of(config, os.environ) as database:
        found = anomaly_desk.explain(
            database, anomaly_desk.one_of(database, anomaly_id), config.tags, config.billing.rate
        )
    if form == "json":
        click.echo(anomaly_desk.explanation_json(found))
    else:
        anomaly_text.explained(found)


@anomalies.command(short_help="Announce a change, so that it alerts nobody.")
@config_option
@click.option("--provider", metavar="NAME")
@click.option("--account", "account_id", metavar="ID")
@click.option("--service", metavar="NAME")
@click.option("--from", "since", type=DAY, metavar="DAY", help="First day (UTC).")
@click.option("--to", "until", type=DAY, metavar="DAY", help="Last day, inclusive.")
@click.option("--note", help="What is planned; others will read it.")
@click.option("--forget", "change_id", type=NUMBER, metavar="N", help="Take announcement N back.")
@BY
def expect(
    config: Config,
    *,
    provider: str | None,
    account_id: str | None,
    service: str | None,
    since: date | None,
    until: date | None,
    note: str | None,
    change_id: int | None,
    who: str | None,
) -> None:
    """Announce a change: its anomalies are found and listed, but alert nobody.

    \b
    Examples:
      finops-exporter anomalies expect --service "Amazon EC2" --from 2026-12-01 \\
          --to 2026-12-03 --note "load test"
      finops-exporter anomalies expect --forget 4
    """
    if change_id is not None:
        _forget(config, change_id)
        return
    if since is None or until is None or not note:
        raise UsageError("--from, --to and --note are needed")
    if since > until:
        raise UsageError(f"--from {since} is after --to {until}")
    if not (provider or account_id or service):
        raise UsageError("one of --provider, --account and --service is needed")
    change = PlannedChange(
        0, provider, account_id, service, since, until, note, who or system_user()
    )
    with app.store_of(config, os.environ) as database:
        number = store.announce(database, change, app.utc_now())
    click.echo(f"announced as {number}; to take it back: anomalies expect --forget {number}")


def _forget(config: Config, change_id: int) -> None:
    with app.store_of(config, os.environ) as database:
        if not store.forget(database, change_id, app.utc_now()):
            raise UsageError(f"there is no announcement {change_id}; see: anomalies list")
    click.echo(f"announcement {change_id} is taken back")
