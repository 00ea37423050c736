"""Prometheus' own rule engine over what was recorded: which alerts fire, and when."""

from __future__ import annotations

import re
import subprocess
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

from shared import ROOT, tool
from simulated.recording import TICK, words

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from simulated.recording import Recording

RULES = ROOT / "rules"
_MINUTES = int(TICK.total_seconds()) // 60
_TICKS_A_DAY = 24 * 60 // _MINUTES
_FIRING = 'ALERTS{alertstate="firing"}'
_LESS_THAN_A_DAY = f"{24 * 60 - 1}m:{_MINUTES}m"
"""In a subquery: all ticks of a day, whether or not its left end counts."""

_QUESTIONS = (
    f"min_over_time(timestamp({_FIRING})[{_LESS_THAN_A_DAY}])",
    f"count_over_time({_FIRING}[{_LESS_THAN_A_DAY}])",
)
_LABEL = r'(\w+)="((?:[^"\\]|\\.)*)"'
_SAMPLE = re.compile(rf"{{((?:{_LABEL}(?:, )?)*)}} ([-+.\dE]+)")
_ANSWER = re.compile(r'expr: "(\w+)\(.*, time: (\S+),\n\s+exp: nil\n\s+got: (.*)')
_INSIGNIFICANT = {"alertstate", "component", "category", "provider", "owner", "period", "severity"}


@dataclass(frozen=True, slots=True)
class Fired:
    """An alert with one set of labels, from a tick of a day on; `ticks` of that day it fired."""

    name: str
    severity: str
    labels: Mapping[str, str]
    day: int
    since: datetime
    ticks: int

    @property
    def about(self) -> str:
        """The labels that tell it from others of its name."""
        shown = (text for label, text in self.labels.items() if label not in _INSIGNIFICANT)
        return " ".join(text for text in shown if text and not text.startswith("{{"))

    def has(self, **labels: str) -> bool:
        """Whether it has these labels, among others."""
        return labels.items() <= self.labels.items()


def fired(recordings: Sequence[Recording], files: Sequence[str], folder: Path) -> list[Fired]:
    """What fires on each day, the oldest first; each recording is what one replica has shown.

    Two files of rules are tried at a time.
    """
    with ThreadPoolExecutor(2) as pool:
        found = pool.map(lambda file: _fired(recordings, file, folder), files)
        return sorted((one for several in found for one in several), key=lambda one: one.since)


def needed(file: Path) -> dict[str, Any]:
    """The rules of a file but for recordings that no alert reads, and without annotations.

    Neither can change what fires: dashboards read the former, people the latter.
    """
    document: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    for group in document["groups"]:
        wanted: set[str] = set()
        kept = []
        for rule in reversed(group["rules"]):
            if "alert" in rule or rule["record"] in wanted:
                wanted |= words(rule["expr"])
                kept.append({key: part for key, part in rule.items() if key != "annotations"})
        group["rules"] = kept[::-1]
    return document


def _fired(recordings: Sequence[Recording], name: str, folder: Path) -> Iterator[Fired]:
    rules = folder / f"{name}.yaml"
    text = yaml.dump(needed(RULES / f"{name}.yaml"), Dumper=yaml.CSafeDumper, width=10_000)
    rules.write_text(text, encoding="utf-8")
    names = words(text)
    days = recordings[0].ticks // _TICKS_A_DAY
    tests = {
        "rule_files": [rules.name],
        "evaluation_interval": f"{_MINUTES}m",
        "tests": [
            {
                "interval": f"{_MINUTES}m",
                "input_series": [
                    {"series": series, "values": values}
                    for number, one in enumerate(recordings)
                    for series, values in one.series(names, f"replica-{number}", late=number)
                ],
                "promql_expr_test": [
                    {"expr": question, "eval_time": f"{_end(day)}m", "exp_samples": []}
                    for day in range(days)
                    for question in _QUESTIONS
                ],
            }
        ],
    }
    file = folder / f"{name}_test.yaml"
    file.write_text(yaml.dump(tests, Dumper=yaml.CSafeDumper, width=10_000), encoding="utf-8")
    told = subprocess.run(
        [tool("prometheus", "promtool"), "test", "rules", file],
        capture_output=True,
        text=True,
        check=False,
    )
    return _read(told.stdout + told.stderr, recordings[0].start)


def _end(day: int) -> int:
    """The minute of a day's last tick."""
    return ((day + 1) * _TICKS_A_DAY - 1) * _MINUTES


def _read(output: str, start: datetime) -> Iterator[Fired]:
    """What promtool got where nothing was expected."""
    samples: dict[str, dict[tuple[int, str], float]] = defaultdict(dict)
    for answer in _ANSWER.finditer(output):
        question, time, got = answer.groups()
        for labels, *_, number in _SAMPLE.findall(got):
            samples[question][_day(time), labels] = float(number)
    assert samples or "SUCCESS" in output, output[:5000]
    for (day, text), first in samples["min_over_time"].items():
        labels = dict(re.findall(_LABEL, text))
        yield Fired(
            labels.pop("alertname"),
            labels["severity"],
            labels,
            day,
            start + first * (TICK / TICK.total_seconds()),
            int(samples["count_over_time"][day, text]),
        )


def _day(time: str) -> int:
    """Of 3d23h45m the 3."""
    parts = {unit: int(number) for number, unit in re.findall(r"(\d+)([a-z]+)", time)}
    return 7 * parts.get("w", 0) + parts.get("d", 0)
