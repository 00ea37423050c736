"""A Prometheus that holds what an exporter with a store would have told it for weeks.

The store is backfilled every hour, and so are the recordings of rules/ made of that, by the tools
that people use for it.
"""

from __future__ import annotations

import json
import runpy
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from finops_exporter import app
from finops_exporter.store.database import Database
from integration import dashboard_samples
from integration.dashboard_store import HOUR, NOW, Story, configured, feed
from integration.processes import invoke
from integration.scraping import prometheus
from integration.test_backfill import KEEP, MARKED, create_blocks
from rule_files import FILES
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from integration.scraping import Prometheus

# Points of hours are looked for until just before the one after next: what has ended has its last
# point an hour early, and is not to be found beside what took its place.
OPTIONS = (KEEP, "--query.lookback-delta=119m")

UNTIL = NOW.replace(day=20, hour=23, minute=0, second=0)
"""The newest point."""
MOMENT = UNTIL + timedelta(minutes=59)
"""When somebody looks."""

Series = tuple[dict[str, str], list[tuple[float, float]]]
"""Labels, and values with their times (seconds)."""


def fill(folder: Path, url: str, story: Story, days: int) -> None:
    """Feed an empty store, and make blocks of its last days and of their recordings."""
    database = Database(url, wait_seconds=30)
    database.open()
    feed(database, story)
    database.close()
    since = UNTIL.date() - timedelta(days=days - 1)
    file, config = folder / "history.om", configured(folder, url, story)
    labels = [f"--label={name}={value}" for name, value in MARKED.items()]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "utc_now", lambda: NOW)
        done = invoke(
            *("backfill", "--config", config, "--since", since, "--until", UNTIL.date()),
            *("--every", "1h", "--max-series", "1000", "--output", file, *labels),
        )
    assert done.exit_code == 0, done.stderr
    create_blocks("openmetrics", file, folder / "prometheus")
    more, last = folder / "more.om", int(UNTIL.timestamp())
    times = range(last - (days * 24 - 1) * 3600, last + 1, 3600)
    dashboard_samples.write(more, dashboard_samples.names(file), times, MARKED)
    create_blocks("openmetrics", more, folder / "prometheus")
    _record(folder, times[0])


def _record(folder: Path, since: int) -> None:
    split = runpy.run_path(str(ROOT / "tools" / "rules_in_order.py"))["main"]
    split(folder / "ordered", FILES)
    for level in sorted((folder / "ordered").iterdir()):
        with prometheus(folder, None, options=OPTIONS) as server:
            create_blocks(
                *("rules", f"--url=http://127.0.0.1:{server.port}", "--eval-interval=1h"),
                *(f"--start={since}", f"--end={int(MOMENT.timestamp())}"),
                *(f"--output-dir={folder / 'prometheus'}", level),
            )


@dataclass(frozen=True)
class Answers:
    """A Prometheus, asked as Grafana asks it; what it refuses is an AssertionError."""

    server: Prometheus

    def now(self, expr: str, at: datetime = MOMENT) -> list[Series]:
        """The values of an expression at a moment."""
        found = self._get("query", query=expr, time=at.timestamp())
        assert found["resultType"] in {"vector", "scalar"}, found["resultType"]
        if found["resultType"] == "scalar":
            return [({}, [_point(found["result"])])]
        return [(one["metric"], [_point(one["value"])]) for one in found["result"]]

    def course(self, expr: str, since: datetime, until: datetime, step: timedelta) -> list[Series]:
        """Its values over a time, whose ends are multiples of the step."""
        seconds = step.total_seconds()
        start, end = (one.timestamp() // seconds * seconds for one in (since, until))
        found = self._get("query_range", query=expr, start=start, end=end, step=seconds)
        return [(one["metric"], [*map(_point, one["values"])]) for one in found["result"]]

    def label_values(self, label: str, matching: str) -> list[str]:
        """The values of a label in the series that match (in all, if it is empty)."""
        given = {"match[]": matching} if matching else {}
        return list(self._get(f"label/{label}/values", **given))

    def _get(self, path: str, **parameters: object) -> Any:
        url = f"http://127.0.0.1:{self.server.port}/api/v1/{path}?{urlencode(parameters)}"
        try:
            with urlopen(url, timeout=60) as answer:
                return json.loads(answer.read())["data"]
        except HTTPError as error:
            said = json.loads(error.read()).get("error")
            raise AssertionError(f"{said} ({parameters.get('query', path)})") from None


def _point(given: list[Any]) -> tuple[float, float]:
    return float(given[0]), float(given[1])


@contextmanager
def answers(folder: Path) -> Iterator[Answers]:
    """A Prometheus on what is in a folder."""
    with prometheus(folder, None, options=OPTIONS) as server:
        yield Answers(server)


def as_of(found: Answers, expr: str, at: datetime) -> datetime:
    """The hour whose values a recording shows at a moment."""
    ((_, ((_, seconds),)), *_rest) = found.now(f"timestamp({expr})", at)
    moment = datetime.fromtimestamp(seconds, at.tzinfo)
    return moment - (moment - moment.replace(minute=0, second=0, microsecond=0)) % HOUR
