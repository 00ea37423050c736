"""OpenMetrics with times: family by family, series by series, point by point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from finops_exporter.exposition.catalogue import LIVE_METRICS
from finops_exporter.exposition.render import number_text, openmetrics_head, series_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from finops_exporter.backfill.record import Changes, Key, Run
    from finops_exporter.backfill.steps import Steps
    from finops_exporter.exposition.metric import Metric

LOOKBACK_SECONDS: Final = 300
"""For so long Prometheus takes a sample for the current one."""

END: Final = b"# EOF\n"

_LINES_AT_ONCE: Final = 20_000
_SNAPSHOT: Final = LIVE_METRICS["finops_snapshot_timestamp_seconds"]


class Size(NamedTuple):
    """How much a history is; `size_bytes` as OpenMetrics."""

    series: int = 0
    samples: int = 0
    size_bytes: int = 0

    def plus(self, other: Size) -> Size:
        """Both together."""
        return Size(*(one + more for one, more in zip(self, other, strict=True)))


class Writer:
    """Writes histories of the same points; every series gets `labels` beside its own."""

    def __init__(self, points: Steps, labels: Mapping[str, str]) -> None:
        self._labels = dict(labels)
        self._points = points
        self._visible = LOOKBACK_SECONDS // points.every
        self._times = [str(points.first + n * points.every) for n in range(points.count)]

    def heartbeat(self, write: Callable[[bytes], object]) -> Size:
        """That the values held at every point, which recordings look at; returns how much it is."""
        start = series_text(_SNAPSHOT.name, self._labels, self._labels.values())
        size = self._put(write, [openmetrics_head(_SNAPSHOT)], 0)
        for begin in range(0, self._points.count, _LINES_AT_ONCE):
            times = self._times[begin : begin + _LINES_AT_ONCE]
            size = size.plus(
                self._put(write, [f"{start}{time}.0 {time}\n" for time in times], len(times))
            )
        return size._replace(series=1)

    def family(
        self,
        write: Callable[[bytes], object],
        metric: Metric,
        series: Sequence[tuple[Key, Changes]],
    ) -> Size:
        """One family; nothing where it has no sample at any point."""
        size = Size()
        for key, changes in series:
            runs = list(changes.runs(self._points.count, self._visible))
            if not runs:
                continue
            if not size.series:
                size = self._put(write, [openmetrics_head(metric)], 0)
            start = self._start(metric, key)
            for lines, samples in self._lines(start, runs):
                size = size.plus(self._put(write, [lines], samples))
            size = size._replace(series=size.series + 1)
        return size

    def _start(self, metric: Metric, key: Key) -> str:
        labels = sorted(zip(metric.labels, key, strict=True))
        names = [*self._labels, *(name for name, _ in labels)]
        return series_text(
            metric.name, names, [*self._labels.values(), *(text for _, text in labels)]
        )

    def _lines(self, start: str, runs: Iterable[Run]) -> Iterator[tuple[str, int]]:
        """Many lines at a time: what they have in common is written once for a run."""
        for run in runs:
            line = f"{start}{number_text(run.value)} "
            between = f"\n{line}"
            for begin in range(run.begin, run.end, _LINES_AT_ONCE):
                times = self._times[begin : min(run.end, begin + _LINES_AT_ONCE)]
                yield f"{line}{between.join(times)}\n", len(times)

    @staticmethod
    def _put(write: Callable[[bytes], object], texts: Iterable[str], samples: int) -> Size:
        written = "".join(texts).encode()
        write(written)
        return Size(0, samples, len(written))
