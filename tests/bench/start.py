"""From the start of `serve` to its first answer, with the last good data of a filled database."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from integration.feeding import fill
from integration.processes import environment

from .harness import Row, say
from .postgres import database_url, opened
from .processes import bare, exporter

if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARIES = """
import sys
from finops_exporter import cli

own = {"__main__", "finops_exporter", *sys.stdlib_module_names}
print(*(name for name in sys.modules if name.partition(".")[0] not in own))
"""


def rows(*, quick: bool) -> Iterator[Row]:
    """The baseline imports what our command imports, and serves the same bytes from a file."""
    places, rounds = (450, 3) if quick else (4_500, 7)
    say("start")
    libraries = _libraries()
    theirs, ours, series = [], [], 0
    with tempfile.TemporaryDirectory() as name, database_url() as url:
        _fill(url, places)
        body = Path(name) / "body"
        for _ in range(rounds):
            with exporter(Path(name), url) as started:
                ours.append(started.seconds)
                body.write_bytes(started.first.body)
                series = started.first.series
            with bare(body, libraries) as started:
                theirs.append(started.seconds)
    what = f"from start to the first page of {series} series"
    yield Row(what, "same libraries, same bytes", median(theirs), median(ours), None, "at most")


def _libraries() -> list[str]:
    listed = subprocess.run(
        [sys.executable, "-c", LIBRARIES],
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return listed.stdout.split()


def _fill(url: str, places: int) -> None:
    with opened(url) as store:
        fill(store, places)
        with store.connection() as connection:
            # What autovacuum has long done to a database that was filled before.
            connection.execute("VACUUM ANALYZE")
