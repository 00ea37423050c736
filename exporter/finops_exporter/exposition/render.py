"""Samples as text: the format 0.0.4 and OpenMetrics 1.0, which differ in what stands above them.

Label text is written as prometheus_client writes it, to the byte (a test holds them together):
Prometheus remembers series by that text, so it must not change from one scrape to the next.
"""

from __future__ import annotations

from math import inf, isfinite
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from finops_exporter.exposition.metric import Family, Metric


class Rendered(NamedTuple):
    """A family: what stands above its samples in each format, and the samples, alike in both."""

    text: bytes
    openmetrics: bytes
    samples: bytes


class _Labelled(NamedTuple):
    """The keys of a family's samples in order, and how the line of each begins."""

    keys: Sequence[tuple[str, ...]]
    starts: Sequence[str]


class Renderer:
    """Writes families, and keeps their label text for the next time: it seldom changes."""

    def __init__(self) -> None:
        self._labelled: dict[str, _Labelled] = {}

    def render(self, families: Iterable[Family]) -> list[Rendered]:
        """The families that have samples, in their order; samples sorted by their label values."""
        shown = [family for family in families if family.samples]
        found = [self._rendered(family) for family in shown]
        names = {family.metric.name for family in shown}
        self._labelled = {name: one for name, one in self._labelled.items() if name in names}
        return found

    def _rendered(self, family: Family) -> Rendered:
        known = self._labelled.get(family.metric.name)
        if known is None or len(known.keys) != len(family.samples):
            known = self._label(family)
        try:
            numbers = [family.samples[key] for key in known.keys]
        except KeyError:  # as many samples as before, but others
            known = self._label(family)
            numbers = [family.samples[key] for key in known.keys]
        # A sum is finite only where every number is, and repr is the shortest text that reads back.
        written = map(repr if isfinite(sum(numbers)) else number_text, numbers)
        lines = [f"{start}{number}\n" for start, number in zip(known.starts, written, strict=True)]
        above = _heads(family.metric)
        return Rendered(above[0].encode(), above[1].encode(), "".join(lines).encode())

    def _label(self, family: Family) -> _Labelled:
        metric = family.metric
        # prometheus_client sorts labels by name; the order is decided once for the family.
        order = sorted(range(len(metric.labels)), key=metric.labels.__getitem__)
        names = [metric.labels[i] for i in order]
        keys = sorted(family.samples)
        starts = [series_text(metric.name, names, [key[i] for i in order]) for key in keys]
        found = self._labelled[metric.name] = _Labelled(keys, starts)
        return found


def series_text(name: str, labels: Iterable[str], values: Iterable[str]) -> str:
    """How the line of a sample begins, up to its number."""
    text = ",".join(
        [
            f'{label}="{_escape(value, quotes=True)}"'
            for label, value in zip(labels, values, strict=True)
        ]
    )
    return f"{name}{{{text}}} " if text else f"{name} "


def openmetrics_head(metric: Metric) -> str:
    """What stands above the samples of a family in OpenMetrics."""
    return _heads(metric)[1]


def number_text(number: float) -> str:
    """A number as both formats write it; NaN, +Inf and -Inf have names of their own."""
    if isfinite(number):
        return repr(number)
    return {inf: "+Inf", -inf: "-Inf"}.get(number, "NaN")


def _heads(metric: Metric) -> tuple[str, str]:
    """HELP and TYPE; OpenMetrics calls a counter by its name without _total, and knows units."""
    family = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
    unit = f"# UNIT {family} {metric.unit}\n" if metric.unit else ""
    text_help = f"# HELP {metric.name} {_escape(metric.help, quotes=False)}\n"
    openmetrics_help = f"# HELP {family} {_escape(metric.help, quotes=True)}\n"
    return (
        f"{text_help}# TYPE {metric.name} {metric.kind}\n",
        f"{openmetrics_help}# TYPE {family} {metric.kind}\n{unit}",
    )


def _escape(text: str, *, quotes: bool) -> str:
    if "\\" in text or "\n" in text:
        text = text.replace("\\", r"\\").replace("\n", r"\n")
    return text.replace('"', r"\"") if quotes and '"' in text else text
