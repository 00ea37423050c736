"""Prometheus itself: scrapes servers of the same bytes and says how long that took."""

from __future__ import annotations

import json
import subprocess
import time
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

import yaml

from integration.processes import free_port

from .processes import UnavailableError, first_answer, program, running
from .servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INTERVAL = "1s"
LIMIT_SECONDS = 60


def scrape_seconds(targets: Mapping[str, int], folder: Path, *, times: int) -> dict[str, float]:
    """Median scrape_duration_seconds of each target (name to port) over so many scrapes.

    Raises UnavailableError.
    """
    prometheus, port = program("prometheus", "prometheus"), free_port()
    folder.mkdir()
    configuration = folder / "prometheus.yml"
    jobs = [
        {"job_name": name, "static_configs": [{"targets": [f"{LOOPBACK}:{target}"]}]}
        for name, target in targets.items()
    ]
    timing = {"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}
    configuration.write_text(yaml.safe_dump({"global": timing, "scrape_configs": jobs}))
    command = (
        prometheus,
        f"--config.file={configuration}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    )
    with running(*command, stderr=subprocess.DEVNULL) as process:
        first_answer(process, port, "/-/ready")
        ask = partial(_ask, process, port)
        deadline = time.monotonic() + LIMIT_SECONDS
        # Those that failed do not count: they give no samples.
        while _fewest(ask("sum_over_time(up[5m])"), targets) < times:
            if time.monotonic() > deadline:
                raise UnavailableError(f"Prometheus cannot scrape them every {INTERVAL} here")
            time.sleep(0.5)
        if len(set(ask("scrape_samples_scraped").values())) != 1:
            raise AssertionError("Prometheus does not get the same samples from all")
        return ask("quantile_over_time(0.5, scrape_duration_seconds[5m])")


def _fewest(found: Mapping[str, float], targets: Mapping[str, int]) -> float:
    return min(found.get(name, 0) for name in targets)


def _ask(process: subprocess.Popen[str], port: int, query: str) -> dict[str, float]:
    """The value of a query for each target that has one."""
    path = f"/api/v1/query?query={quote(query)}"
    answer = json.loads(first_answer(process, port, path).body)
    return {one["metric"]["job"]: float(one["value"][1]) for one in answer["data"]["result"]}
