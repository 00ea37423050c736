"""What is served right now: the newest snapshot's bytes, and what follows the clock; swapped."""

from __future__ import annotations

import platform
import time
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, generate_latest

from finops_exporter import __version__
from finops_exporter.errors import StoreError
from finops_exporter.exposition.catalogue import FINOPS_METRICS, LIVE_METRICS, Family
from finops_exporter.exposition.render import Block, Page, block, page, render
from finops_exporter.exposition.snapshot import Snapshot, build
from finops_exporter.store.reads import generation

if TYPE_CHECKING:
    from datetime import datetime

    from finops_exporter.exposition.families import Settings
    from finops_exporter.store.database import Database


class Exposition:
    """The current page and how it comes about.

    `refresh` runs in one thread at a time; readers take `page` without a lock, because it is
    replaced as a whole. Errors keep the last good values: their age shows in
    finops_snapshot_timestamp_seconds.
    """

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._block = Block()
        self._confirmed: datetime | None = None
        self._rendered_for: tuple[int, object] | None = None
        self.snapshot: Snapshot | None = None
        self.problem: StoreError | None = None
        self.page: Page = page(Block(), b"")

    def refresh(self, now: datetime) -> None:
        """Ask whether the store changed, rebuild if so, and render what follows the clock."""
        try:
            self._read(now)
        except StoreError as error:
            self.keep(error)
        else:
            self.problem = None
            self.page = page(self._block, self._live())

    def keep(self, problem: StoreError) -> None:
        """Stay with the last good values, because the store cannot be used."""
        self.problem = problem
        self.page = page(self._block, self._live())

    def _read(self, now: datetime) -> None:
        # Time is part of the key: days become complete and months move without new rows.
        clock = frozenset(
            (now - lag).date() for lag in {timedelta(0), *self._settings.lags.values()}
        )
        state = (generation(self._database), clock)
        if state != self._rendered_for:
            began = time.perf_counter()
            snapshot = build(self._database, self._settings, now)
            text = render([*snapshot.families, _took(began)])
            self._block, self.snapshot = block(text), snapshot
            self._rendered_for = (snapshot.generation, clock)
        self._confirmed = now

    def _live(self) -> bytes:
        samples: dict[str, dict[tuple[str, ...], float]] = {
            "finops_database_up": {(): 0.0 if self.problem else 1.0},
            "finops_exporter_build_info": {(__version__, platform.python_version()): 1.0},
        }
        if self._confirmed is not None:
            samples["finops_snapshot_timestamp_seconds"] = {(): self._confirmed.timestamp()}
        families = [Family(LIVE_METRICS[name], found) for name, found in sorted(samples.items())]
        return render(families) + generate_latest(REGISTRY)


def _took(began: float) -> Family:
    seconds = time.perf_counter() - began
    return Family(FINOPS_METRICS["finops_snapshot_build_seconds"], {(): seconds})
