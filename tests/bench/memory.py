"""What the exporter holds: idle, with one provider's library, and with a page of 20,000 series."""

from __future__ import annotations

import importlib.util
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from doubles.aws_support import bill, server
from integration.feeding import fill
from integration.processes import resident_megabytes, until

from .harness import Row, say, within
from .postgres import database_url, opened
from .processes import bare, exporter, first_answer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from .harness import Result

LEAST = ("aiohttp", "psycopg", "prometheus_client", "yaml")
SDKS = (
    *("boto3", "duckdb", "google.cloud.bigquery"),
    *("azure.identity", "azure.mgmt.costmanagement"),
)
"""What a program that loads all it might need would load; the row names those that are here."""
PLACES = 4_500
"""Enough for 20,000 series."""


def rows(*, quick: bool) -> Iterator[Result]:
    """Resident megabytes of the process alone; a quick run measures the same, it takes seconds.

    What a process holds differs by a percent from run to run, and more from system to system: a
    quick run, which guards every change, leaves room for that.
    """
    slack = 1.1 if quick else 1
    say("memory")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        idle = _idle(folder)
        yield within("idle memory, no source", idle, 85, slack=slack)
        yield _beside("with " + ", ".join(LEAST), _bare(folder, LEAST), idle)
        sdks = [name for name in SDKS if _is_here(name)]
        yield _beside("these and " + ", ".join(sdks), _bare(folder, [*LEAST, *sdks]), idle)
        with_aws = _with_aws(folder)
        yield within("memory after a run of aws_cost_explorer", with_aws, 110, slack=slack)
        series, held = _with_series(folder)
        yield within(f"memory of {series} series", held, 160, slack=slack)


def _idle(folder: Path) -> float:
    with database_url() as url, exporter(folder, url) as ours:
        return resident_megabytes(ours.process.pid)


def _beside(libraries: str, held: float, idle: float) -> Row:
    name = "idle memory, no source"
    return Row(name, f"bare, {libraries}", held, idle, None, "at most", unit="megabytes")


def _is_here(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:  # not even the package around it
        return False


def _bare(folder: Path, libraries: Sequence[str]) -> float:
    body = folder / "empty"
    body.touch()
    with bare(body, libraries) as theirs:
        return resident_megabytes(theirs.process.pid)


def _with_aws(folder: Path) -> float:
    """A whole run against a double of the service, so that every client was made and used."""
    today = datetime.now(UTC).date()
    days = bill(since=today - timedelta(days=60), until=today + timedelta(days=1))
    with (
        server(days, lambda: datetime.now(UTC)) as aws,
        database_url() as url,
        exporter(
            folder, url, {"type": "aws_cost_explorer", "name": "aws", "endpoint_url": aws.url}
        ) as ours,
    ):
        succeeded = b'finops_collector_success{collector="aws",provider="aws"} 1'
        until(lambda: succeeded in first_answer(ours.process, ours.port).body, "aws is read", 60)
        return resident_megabytes(ours.process.pid)


def _with_series(folder: Path) -> tuple[int, float]:
    with database_url() as url:
        with opened(url) as store:
            fill(store, PLACES)
        with exporter(folder, url) as ours:
            return ours.first.series, resident_megabytes(ours.process.pid)
