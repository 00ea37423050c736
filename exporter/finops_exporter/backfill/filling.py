"""From the store to one stream of OpenMetrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from finops_exporter.backfill.history import read
from finops_exporter.backfill.writing import END, Size, Writer
from finops_exporter.model import Progress

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from finops_exporter.backfill.history import History, Request
    from finops_exporter.store.database import Database


@dataclass(frozen=True, slots=True)
class Filled:
    """What was read, and how much was written of it."""

    history: History
    size: Size


def fill(
    database: Database,
    request: Request,
    labels: Mapping[str, str],
    write: Callable[[bytes], object],
    progress: Callable[[str, Progress], None],
) -> Filled:
    """Read the history and write it, with `labels` at every series; raises FinopsError."""
    history = read(database, request, progress)
    writer = Writer(history.points, labels)
    families = [*history.costs.families(), *history.ai.families()]
    size = writer.heartbeat(write)
    for done, (metric, series) in enumerate(families):
        progress("write", Progress(metric.name, done, len(families)))
        size = size.plus(writer.family(write, metric, series))
    write(END)
    return Filled(history, size.plus(Size(size_bytes=len(END))))
