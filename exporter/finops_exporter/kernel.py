"""The kernel: runs a source, one process at a time, and writes down what came of it.

A source that fails never stops the others; what was stored before it failed stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from finops_exporter.analysis.due import due_at
from finops_exporter.asking import LEAST_CAP_USD
from finops_exporter.errors import FinopsError
from finops_exporter.model import duration_text, money_text
from finops_exporter.one_run import OneRun, Report
from finops_exporter.store import runs

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping
    from datetime import datetime, timedelta
    from decimal import Decimal

    from finops_exporter.asking import Patience
    from finops_exporter.collectors import Collector
    from finops_exporter.model import Progress, Window
    from finops_exporter.store.database import Connection, Database

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Source:
    """A configured collector, when it runs, and how long after midnight a day is complete.

    `cap_usd` is what asking may cost a day; None: twice what is planned, at least $1.
    """

    collector: Collector
    interval: timedelta
    timeout: timedelta
    lag: timedelta
    cap_usd: Decimal | None = None

    @property
    def name(self) -> str:
        """The configured name; what it stored belongs to this name."""
        return self.collector.name

    @property
    def is_paid(self) -> bool:
        """Whether asking costs money: such a source is not asked again because we restart."""
        return self.collector.daily_usd(self.interval, {}) > 0

    def daily_usd(self, stored: Mapping[str, str]) -> Decimal:
        """What asking is planned to cost a day."""
        return self.collector.daily_usd(self.interval, stored)

    def cap(self, stored: Mapping[str, str]) -> Decimal:
        """What may be paid a day."""
        if self.cap_usd is None:
            return max(LEAST_CAP_USD, 2 * self.daily_usd(stored))
        return self.cap_usd

    def low_cap(self, stored: Mapping[str, str]) -> str | None:
        """A sentence when the configured cap does not even allow what is planned."""
        planned = self.daily_usd(stored)
        if self.cap_usd is None or self.cap_usd >= planned:
            return None
        return (
            f"{self.name}: daily_cap_usd is ${money_text(self.cap_usd)}, but running every "
            f"{duration_text(self.interval)} is planned to cost ${money_text(planned)} a day; "
            "raise daily_cap_usd or interval"
        )


class Kernel:
    """Runs sources against a store.

    `stop` ends a run between two items; `progress` is told the source and how far it is;
    `patience` holds the clock, which gives aware UTC datetimes.
    """

    def __init__(
        self,
        database: Database,
        patience: Patience,
        stop: threading.Event,
        progress: Callable[[str, Progress], None] = lambda _source, _progress: None,
    ) -> None:
        self._database = database
        self._patience = patience
        self._stop = stop
        self._progress = progress

    def run(
        self, source: Source, window: Window | None = None, *, only_if_due: bool = False
    ) -> Report:
        """Collect `source` now; never raises for what a source or the database does.

        `only_if_due` skips it when another process has run it in the meantime.
        """
        began = self._patience.clock()
        try:
            with self._database.connection() as connection:
                report = self._run_locked(connection, source, window, only_if_due=only_if_due)
        except FinopsError as error:
            report = Report(source.name, "failed", error=str(error))
        self._log(report, self._patience.clock() - began)
        return report

    def next_run(self, source: Source) -> datetime:
        """When `source` is due by what the store knows of its runs; raises StoreError."""
        with self._database.connection() as connection:
            return self._due_at(connection, source)

    def _due_at(self, connection: Connection, source: Source) -> datetime:
        last = runs.last_run(connection, source.name)
        return due_at(last, source.interval, self._patience.clock())

    def _run_locked(
        self, connection: Connection, source: Source, window: Window | None, *, only_if_due: bool
    ) -> Report:
        with runs.source_lock(connection, source.name) as mine:
            if not mine:
                return Report(
                    source.name, "skipped", error="another process is collecting this source"
                )
            if only_if_due:
                due = self._due_at(connection, source)
                if due > self._patience.clock():
                    return Report(source.name, "skipped", error=f"due at {due:%Y-%m-%d %H:%M} UTC")
            one = OneRun(self._database, connection, source, self._patience, self._stop)
            return one.collect(window, lambda step: self._progress(source.name, step))

    def _log(self, report: Report, took: timedelta) -> None:
        write = log.info if report.outcome in {"succeeded", "skipped"} else log.warning
        write(
            "source collected" if report.outcome == "succeeded" else f"source {report.outcome}",
            source=report.source,
            seconds=round(took.total_seconds(), 3),
            parts=report.parts,
            unchanged=report.unchanged,
            withdrawn=report.withdrawn,
            rows=report.rows,
            facts_written=report.changes.written,
            facts_removed=report.changes.removed,
            restated_days=report.changes.restated_days,
            requests=report.requests,
            cost_usd=money_text(report.cost_usd),
            rejected=len(report.rejected),
            notices=[one.message for one in report.notices],
            error=report.error,
        )
