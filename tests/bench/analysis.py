"""Anomalies and forecasts: how good they are beside the usual methods, how fast beside MSTL.

Quality is measured on the judging seeds of the labelled series (bench/series), which no method was
tuned on. Percentages are given so that less is better: what is missing of F1, precision and recall.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from integration.processes import environment
from shared import ROOT

from .harness import NotMeasured, Row, say, within
from .processes import VARIABLES
from .series.batch import DAYS
from .series.made import JUDGING, make
from .series.measuring import AS_OF, accuracy, day_over_day, flags_of, quality

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .harness import Result
    from .series.batch import Batch
    from .series.judging import Quality

MSTL = "MSTL of statsmodels"
PYTHON = ROOT / ".cache/bench-venv/bin/python"
"""The environment of the baselines, which `make bench` sets up."""

SCRIPT = ROOT / "tests/bench/decompose_series.py"

ONE_CORE = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
ROUNDS = 5
QUICK_BAR = 50
"""Wider than other bars of quick runs: ours waits for memory, which others on a shared machine use
too, and MSTL does not; the same ratio was 65x and 95x within an hour."""

DECOMPOSED = 40
"""So few series tell what MSTL takes for one: it takes them one after the other."""

BATCH_SERIES = 600
NEWEST_DAYS = 3
USAGE = {"F1": 15, "precision": 10, "recall": 20}
"""Percent: how much of each may be missing on usage."""

FALSE_ALARMS = 1.0
DELAY_DAYS = 2.0
TOTALS_F1 = 20
MAPE = dict(zip(AS_OF, (10, 7, 5, 3.5), strict=True))
BIAS = 1
COVERED = {80: (82, 5), 95: (95.5, 2.5)}
"""Percent: the middle of what may be covered, and how far off it may be."""


def rows(*, quick: bool) -> Iterator[Result]:
    """Quality first, then time and memory."""
    say("quality of anomalies and forecasts")
    batches = [make(seed, BATCH_SERIES) for seed in (JUDGING[:1] if quick else JUDGING)]
    yield from _anomalies(batches)
    yield from _forecasts(batches)
    yield from _cost(quick=quick)


def _anomalies(batches: list[Batch]) -> Iterator[Row]:
    ours = quality(batches, flags_of("weekday_median"), lambda batch: batch.usage)
    yield from (within(f"usage: {name} missing", _missing(ours)[name], limit, "percent")
                for name, limit in USAGE.items())  # fmt: skip
    alarms = "usage: false alarms a series-month"
    yield within(alarms, 100 * ours.false_per_month, FALSE_ALARMS, "percent")
    yield within("usage: mean delay of events", ours.delay, DELAY_DAYS, "days")
    totals = quality(batches, flags_of("weekday_median"), lambda batch: batch.total)
    yield within("billed totals: F1 missing", _missing(totals)["F1"], TOTALS_F1, "percent")
    for name, flags in (
        ("day over day > 20 %", day_over_day),
        ("z-score", flags_of("zscore")),
        ("quartiles", flags_of("iqr")),
    ):
        theirs = quality(batches, flags, lambda batch: batch.usage)
        pairs = [
            ("usage: F1 missing", _missing(theirs)["F1"], _missing(ours)["F1"]),
            (alarms, 100 * theirs.false_per_month, 100 * ours.false_per_month),
        ]
        for what, baseline, found in pairs:
            yield Row(what, name, baseline, found, None, unit="percent")


def _missing(found: Quality) -> dict[str, float]:
    shares = {"F1": found.f1, "precision": found.precision, "recall": found.recall}
    return {name: 100 * (1 - share) for name, share in shares.items()}


def _forecasts(batches: list[Batch]) -> Iterator[Row]:
    for as_of in AS_OF:
        what = f"month's end as of day {as_of}"
        ours, linear = (accuracy(batches, name, as_of) for name in ("weekday_profile", "linear"))
        yield within(f"{what}: MAPE", 100 * ours.mape, MAPE[as_of], "percent")
        yield within(f"{what}: bias", 100 * abs(ours.bias), BIAS, "percent")
        for level, share in ((80, ours.covered80), (95, ours.covered95)):
            middle, off = COVERED[level]
            found = abs(100 * share - middle)
            yield within(f"{what}: {level} % interval off {middle} %", found, off, "percent")
        yield Row(
            f"{what}: MAPE", "linear", 100 * linear.mape, 100 * ours.mape, None, unit="percent"
        )


def _cost(*, quick: bool) -> Iterator[Result]:
    count = 3_000 if quick else 10_000  # with fewer, what a process needs to warm up weighs more
    speed = f"detect and forecast {count} series x {DAYS} days"
    many = f"peak memory, 100000 series x {DAYS} days"
    say(speed)
    with tempfile.TemporaryDirectory() as name:
        whole, few = Path(name) / "whole.npy", Path(name) / "few.npy"
        usage = make(JUDGING[0], 1_000).usage
        np.save(whole, usage)
        np.save(few, usage[np.isfinite(usage).all(axis=1)][:DECOMPOSED])  # MSTL takes no gaps
        ours = (sys.executable, "-m", f"{__package__}.judge_series", whole)
        if _has_statsmodels():
            seconds = _seconds((*ours, count // 1_000, DAYS), (PYTHON, SCRIPT, few))
            theirs = seconds[MSTL] * count / DECOMPOSED
            yield Row(speed, MSTL, theirs, seconds["ours"], QUICK_BAR if quick else 100)
        else:
            reason = f"statsmodels is not in {PYTHON.parent.parent.relative_to(ROOT)}"
            yield NotMeasured(speed, MSTL, reason)
        if quick:
            yield NotMeasured(many, "limit", "takes a full run")
        else:
            yield within(many, _told(*ours, 100, NEWEST_DAYS)["megabytes"], 1_000)


def _has_statsmodels() -> bool:
    code = "import importlib.util as u, sys; sys.exit(u.find_spec('statsmodels') is None)"
    return PYTHON.exists() and not subprocess.run([PYTHON, "-c", code], check=False).returncode


def _seconds(ours: tuple[object, ...], theirs: tuple[object, ...]) -> dict[str, float]:
    """Both sides take turns; the quickest of each.

    The same work by one thread each time: whatever else the machine does only adds to it.
    """
    taken: dict[str, list[float]] = {"ours": [], MSTL: []}
    for _ in range(ROUNDS):
        taken[MSTL].append(_told(*theirs)["seconds"])
        taken["ours"].append(_told(*ours)["seconds"])
    return {name: min(seconds) for name, seconds in taken.items()}


def _told(*command: object) -> dict[str, float]:
    done = subprocess.run(
        [*map(str, command)],
        env=environment(VARIABLES | ONE_CORE),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
    )
    told: dict[str, float] = json.loads(done.stdout)
    return told
