"""Many series and ten scrapers at once, and Prometheus itself: our real `serve` beside nginx."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from integration.feeding import fill
from integration.processes import peak_megabytes

from . import nginx, prometheus
from .harness import NotMeasured, Row, bar, percentile99, say, within
from .postgres import database_url, opened
from .processes import UnavailableError, exporter, first_answer, server
from .scrapers import ACCEPT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .harness import Direction, Result
    from .processes import Started

SCRAPERS = 10
NGINX = "nginx, same gzip bytes"
MOST: Direction = "at most"


def rows(*, quick: bool) -> Iterator[Result]:
    """How long the slowest of a hundred scrapes takes, and what we hold and allocate meanwhile."""
    places, limit = (4_500, 160) if quick else (23_000, 256)
    with tempfile.TemporaryDirectory() as folder, _filled(Path(folder), places) as ours:
        series = f"{ours.first.series} series"
        say(f"{SCRAPERS} scrapers of {series}")
        yield from _beside_nginx(ours, series, Path(folder), quick=quick)
        _seconds_of(ours.port, 1)  # surely, also where there is no nginx
        peak = peak_megabytes(ours.process.pid)
        yield within(f"peak memory, {series}, {SCRAPERS} scrapers", peak, limit)
    yield from _allocated(quick=quick)


@contextmanager
def _filled(folder: Path, places: int) -> Iterator[Started]:
    with database_url() as url:
        with opened(url) as store:
            fill(store, places)
        with exporter(folder, url) as ours:
            yield ours


def _beside_nginx(ours: Started, what: str, folder: Path, *, quick: bool) -> list[Result]:
    """Both comparisons, as far as nginx and Prometheus can be had."""
    names = (
        f"scrape of {what}, gzip, {SCRAPERS} scrapers, p99",
        f"ingestion of {what} by Prometheus",
    )
    done: list[Result] = []
    packed = first_answer(ours.process, ours.port, headers=_asking("gzip"))
    try:
        with nginx.serving(*packed, folder / "nginx") as port:
            ports = {NGINX: port, "ours": ours.port}
            done.append(_row(names[0], _percentiles(ports, quick=quick), bar(3, MOST, quick=quick)))
            say(names[1])
            home, times = folder / "prometheus", 5 if quick else 15
            seconds = prometheus.scrape_seconds(ports, home, times=times)
            done.append(_row(names[1], seconds, bar(1.25, MOST, quick=quick)))
    except UnavailableError as error:
        done += [NotMeasured(name, NGINX, str(error)) for name in names[len(done) :]]
    return done


def _row(name: str, seconds: Mapping[str, float], most: float) -> Row:
    # How fast nginx is depends on the machine's kernel more than on us: told, not held against us.
    return Row(name, NGINX, seconds[NGINX], seconds["ours"], most, MOST, gating=False)


def _percentiles(ports: Mapping[str, int], *, quick: bool) -> dict[str, float]:
    """The median, over rounds in which every server has its turn, of what 99 of 100 keep."""
    found = defaultdict(list)
    for _ in range(5):
        for name, port in ports.items():
            found[name].append(percentile99(_seconds_of(port, 0.5 if quick else 2)))
    return {name: median(rounds) for name, rounds in found.items()}


def _allocated(*, quick: bool) -> Iterator[Row]:
    """What Python allocates for ten scrapes at once: of a body that is ready, next to nothing.

    A quarter of the body for each scrape is what the buffers of connections may come to.
    """
    series = 100_000
    with server("ours", series) as ours:
        for encoding in ("gzip", "identity"):
            name = f"allocated for {SCRAPERS} scrapers of {series} series, {encoding}"
            say(name)
            body = first_answer(ours.process, ours.port, headers=_asking(encoding)).body
            ours.ask("trace")
            _seconds_of(ours.port, 1, encoding)
            yield Row(
                name,
                "one body",
                len(body) / 1e6,
                int(ours.ask("peak")) / 1e6,
                bar(SCRAPERS / 4, MOST, quick=quick),
                MOST,
                # Prometheus asks for gzip. Of a long body CPython 3.11 copies what the socket does
                # not take at once.
                gating=encoding == "gzip",
                unit="megabytes",
            )


def _asking(encoding: str) -> dict[str, str]:
    return {"Accept": ACCEPT, "Accept-Encoding": encoding}


def _seconds_of(port: int, seconds: float, encoding: str = "gzip") -> list[float]:
    """How long each scrape of the scrapers took."""
    command = (sys.executable, "-m", f"{__package__}.scrapers", port, SCRAPERS, seconds, encoding)
    done = subprocess.run([*map(str, command)], stdout=subprocess.PIPE, check=True)
    found: list[float] = json.loads(done.stdout)
    return found
