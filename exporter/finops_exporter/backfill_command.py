"""The command `backfill`: parse, call, print; what it does lies in the package backfill."""

from __future__ import annotations

import os
import re
import sys
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finops_exporter import app, printing, values
from finops_exporter.backfill.filling import fill
from finops_exporter.backfill.history import Request
from finops_exporter.backfill.steps import DAY as ONE_DAY
from finops_exporter.backfill.steps import bounds, check_every
from finops_exporter.command_line import ended_by_signals
from finops_exporter.errors import UsageError
from finops_exporter.exposition.ai import AiSettings
from finops_exporter.exposition.ai_catalogue import AI_METRICS
from finops_exporter.exposition.catalogue import COST_METRICS, FINOPS_METRICS
from finops_exporter.model import duration_text
from finops_exporter.new_file import replaced
from finops_exporter.parameters import DAY, config_option

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

    from finops_exporter.backfill.filling import Filled
    from finops_exporter.config import Config

STDOUT = Path("-")
USUAL_DAYS = 400
LABELS = {"job": "finops", "instance": "backfill"}
TAKEN = {
    "provider",
    *(
        label
        for metrics in (COST_METRICS, FINOPS_METRICS, AI_METRICS)
        for metric in metrics.values()
        for label in metric.labels
    ),
}
"""Labels that families have of their own."""

_LABEL = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)=([^\n\ud800-\udfff]+)")
"""Python reads bytes that are no UTF-8 as lone surrogates, which cannot be written."""


class Every(click.ParamType[timedelta]):
    """A length of time as in the configuration."""

    name = "duration"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Read it; fails with what would be right."""
        try:
            found = values.duration(value)
        except ValueError as error:
            self.fail(f"{error}, not {value!r}", param, ctx)
        if not isinstance(found, timedelta):
            self.fail("must be a duration such as 5m, 1h or 1d", param, ctx)
        return found


@click.command(short_help="Write history for Prometheus, as OpenMetrics with times.")
@config_option
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where it goes (-: standard output); replaced only when it is whole.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 3_660),
    help="How far back from the newest point (or --until), as far as anything is stored; "
    f"default: {USUAL_DAYS}.",
)
@click.option("--since", type=DAY, metavar="DAY", help="First day (UTC), instead of --days.")
@click.option("--until", type=DAY, metavar="DAY", help="Last day, inclusive; default: until now.")
@click.option(
    "--every",
    type=Every(),
    default="5m",
    show_default=True,
    help="How far points are apart: 1m to 1d, a whole part of an hour or of a day.",
)
@click.option(
    "--max-series",
    type=click.IntRange(1, 50_000),
    default=25,
    show_default=True,
    help="Series a family of a provider may have; the smallest are summed up in __other__.",
)
@click.option(
    "--label",
    "given",
    multiple=True,
    metavar="NAME=VALUE",
    help="A label of every series; repeatable. Default: job=finops, instance=backfill.",
)
@click.option("--dry-run", is_flag=True, help="Print how much it would be; write nothing.")
def backfill(
    config: Config,
    *,
    output: Path | None,
    days: int | None,
    since: date | None,
    until: date | None,
    every: timedelta,
    max_series: int,
    given: tuple[str, ...],
    dry_run: bool,
) -> None:
    """Write what /metrics would have shown, for promtool tsdb create-blocks-from openmetrics.

    Each point has the values as of its own time, from days that were over by then. Amounts are as
    restated so far: what the providers corrected later is in them. Budgets, rates, names and tags
    are those of today. What nobody knows any more (how sources did, what was held or refused of AI
    budgets) is not there. Changes nothing in the database.

    Give the labels of your scrape where its series are to go on, and as --until the day before
    Prometheus began to scrape. 400 days every five minutes may be gigabytes (--dry-run tells):
    docs/backfill.md writes a month at a time, and has the commands that follow.

    \b
    Examples:
      finops-exporter backfill --dry-run --config config.yaml
      finops-exporter backfill --days 400 --output history.om
      finops-exporter backfill --since 2026-10-01 --until 2026-10-31 --output october.om
      finops-exporter backfill --output history.om --label instance=finops-1:9836
    """
    check_every(every)
    if days is not None and since is not None:
        raise UsageError("--days and --since say the same; give one of them")
    if output is None and not dry_run:
        raise UsageError("--output is needed: the file that is to be written (-: standard output)")
    labels = parse_labels(given)
    now = app.utc_now()
    begin, end = bounds(days or USUAL_DAYS, since, until, now)
    request = Request(
        since=begin,
        until=end,
        every=every,
        settings=replace(app.settings(config, app.sources(config)), max_series=max_series),
        ai=_ai(config, max_series),
        kept_since=now - config.ai.usage_retention if config.ai.usage_retention else None,
        configured=config.configured_budgets(),
    )
    target = None if dry_run else output
    with (
        ended_by_signals(),
        printing.progress() as progress,
        # First: who cannot write should not read for minutes.
        _opened(target) as write,
        app.readable_store_of(config, os.environ) as database,
    ):
        done = fill(database, request, labels, write, progress)
    for line in _summary(request, done, target):
        click.echo(line, err=target == STDOUT)


def parse_labels(given: tuple[str, ...]) -> dict[str, str]:
    """The labels of every series; raises UsageError for one that cannot be."""
    found: dict[str, str] = {}
    for text in given:
        match = _LABEL.fullmatch(text)
        if match is None:
            raise UsageError(f"--label: must be NAME=VALUE, such as job=finops, not {text!r}")
        name, value = match.groups()
        if name in found:
            raise UsageError(f"--label: {name} is given twice")
        if name in TAKEN or name.startswith("__"):
            raise UsageError(f"--label: {name} is a label that series have of their own")
        found[name] = value
    return LABELS | found


def _ai(config: Config, max_series: int) -> AiSettings | None:
    if not config.ai.enabled:
        return None
    return AiSettings(min(config.ai.max_tenants, max_series), max_series)


@contextmanager
def _opened(output: Path | None) -> Iterator[Callable[[bytes], object]]:
    """Where the bytes go; None: nowhere."""
    if output is None:
        yield lambda _: None
    elif output == STDOUT:
        yield sys.stdout.buffer.write
        sys.stdout.buffer.flush()
    else:
        with replaced(output) as file:
            yield file.write


def _summary(request: Request, done: Filled, output: Path | None) -> Iterator[str]:
    history, size = done.history, done.size
    points = history.points
    first, last = points.at(0), points.at(points.count - 1)
    yield (
        f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M} (UTC), every "
        f"{duration_text(request.every)}: {points.count:,} points"
    )
    where = f" in {output}" if output not in {None, STDOUT} else ""
    much = printing.size(size.size_bytes)
    yield f"{size.series:,} series, {size.samples:,} samples, {much}{where}"
    yield _known("costs", history.costs_since, request.since)
    yield _known("AI budgets", history.ai_since, request.since)


def _known(what: str, since: datetime | None, asked: datetime) -> str:
    if since is None:
        return f"{what}: nothing is stored"
    if since - asked < ONE_DAY:
        return f"{what}: all of it"
    return f"{what}: from {since:%Y-%m-%d %H:%M} on, as far as they are stored"
