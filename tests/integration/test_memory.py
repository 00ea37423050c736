"""What a process holds: no library that nobody asked for, and bounded memory for many series."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from doubles.aws_support import server as aws_server
from integration.bills import charge, write_bill
from integration.feeding import fill
from integration.processes import (
    as_url,
    configure,
    environment,
    free_port,
    peak_megabytes,
    until,
)
from integration.test_aws_kill import bill_of_today
from integration.test_serve import serving

if TYPE_CHECKING:
    from pathlib import Path

    from finops_exporter.store.database import Database
    from integration.test_serve import Server

# A run of every source, then `serve` until it listens; what was imported by then is printed.
DRIVER = """
import gc, os, signal, sys
from pathlib import Path
from finops_exporter import app, cli, serving
from finops_exporter.config import load

config = load(Path(sys.argv[1]), {})
with app.store_of(config, {}) as database:
    for report in app.collect_once(database, app.sources(config)):
        assert report.outcome == "succeeded", report
serving.serve(config, {}, started=lambda _urls: os.kill(os.getpid(), signal.SIGTERM))
assert gc.get_freeze_count() == 0  # a library whose objects stay complains at the end
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""

HEAVY = {"azure", "boto3", "botocore", "duckdb", "google", "pandas", "pyarrow"}
"""What no process may load unless its configuration asks for it."""


def imported(config: Path) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, config],
        env=environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split()) & HEAVY


def test_without_sources_no_library_of_a_provider_is_loaded(
    database_url: str, tmp_path: Path
) -> None:
    assert imported(configured(tmp_path, database_url)) == set()


def test_files_are_read_without_duckdb_in_this_process(database_url: str, tmp_path: Path) -> None:
    bill = write_bill(tmp_path / "bill.csv", charge("2026-10-01", "1"))
    file = configured(tmp_path, database_url, {"name": "bill", "paths": [str(bill)]})
    assert imported(file) == set()


def test_an_aws_source_loads_the_library_of_aws_alone(database_url: str, tmp_path: Path) -> None:
    with aws_server(bill_of_today(), lambda: datetime.now(UTC)) as aws:
        source = {
            "type": "aws_cost_explorer",
            "name": "aws",
            "endpoint_url": aws.url,
            # Enough for all of the history in one run, on whatever day of the month.
            "daily_cap_usd": 5,
        }
        file = configured(tmp_path, database_url, source)
        assert imported(file) == {"boto3", "botocore"}


def configured(folder: Path, url: str, *sources: dict[str, Any]) -> Path:
    listen = f"127.0.0.1:{free_port()}"
    return configure(folder, as_url(url), *sources, server={"listen": listen})


@pytest.mark.parametrize(
    ("places", "series", "limit_megabytes"), [(4_500, 20_000, 160), (23_000, 100_000, 256)]
)
def test_many_series_and_ten_scrapers_stay_within_their_memory(
    database: Database,
    database_url: str,
    tmp_path: Path,
    *,
    places: int,
    series: int,
    limit_megabytes: int,
) -> None:
    fill(database, places)
    unfolded = configure(tmp_path, as_url(database_url), server={"max_series": series})
    with serving(unfolded) as server:
        until(lambda: server.answer("/-/ready").status == 200, "the first state is shown")
        body = server.answer("/metrics").body
        assert sum(not line.startswith(b"#") for line in body.splitlines()) >= series
        with ThreadPoolExecutor(10) as scrapers:
            sizes = list(scrapers.map(lambda _: scraped(server), range(30)))
        assert min(sizes) > 0
        # The most that it ever held: while it read, rendered, and served.
        assert peak_megabytes(server.process.pid) <= limit_megabytes


def scraped(server: Server) -> int:
    answer = server.answer("/metrics", **{"Accept-Encoding": "gzip"})
    assert answer.status == 200
    return len(answer.body)
