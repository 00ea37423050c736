"""What is served right now: the newest snapshot's bytes, and what follows the clock; swapped."""

from __future__ import annotations

import platform
import time
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from prometheus_client import REGISTRY, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics

from finops_exporter import __version__
from finops_exporter.errors import StoreError
from finops_exporter.exposition.ai import AiBlock
from finops_exporter.exposition.bodies import Blocks, Page, blocks, joined, page
from finops_exporter.exposition.budgets import record_budgets
from finops_exporter.exposition.catalogue import FINOPS_METRICS, LIVE_METRICS
from finops_exporter.exposition.metric import Family
from finops_exporter.exposition.render import Renderer
from finops_exporter.exposition.snapshot import Snapshot, build
from finops_exporter.memory import give_back
from finops_exporter.store.reads import generation

if TYPE_CHECKING:
    from datetime import date, datetime

    from finops_exporter.exposition.ai import AiSettings
    from finops_exporter.exposition.families import Settings
    from finops_exporter.store.database import Database


class Exposition:
    """The current page and how it comes about.

    `refresh` runs in one thread at a time; readers take `page` without a lock, because it is
    replaced as a whole. Errors keep the last good values: their age shows in
    finops_snapshot_timestamp_seconds. AI budgets are read at every refresh; `ai` is None where they
    are not to be shown. Without settings there is no snapshot: the page shows what the process
    knows of itself alone.
    """

    def __init__(
        self, database: Database, settings: Settings | None, ai: AiSettings | None = None
    ) -> None:
        self._database = database
        self._settings = settings
        self._renderer = Renderer()
        self._blocks = Blocks()
        self._ai = AiBlock(database, ai) if ai else None
        self._confirmed: datetime | None = None
        self._rendered_for: tuple[int, object] | None = None
        self._is_recorded = True
        self.snapshot: Snapshot | None = None
        self.problem: StoreError | None = None
        self.page = self._page()

    @property
    def is_ready(self) -> bool:
        """Whether the page shows all that it is to show."""
        if self._settings is None:
            return self._confirmed is not None
        return self.snapshot is not None

    def refresh(self, now: datetime) -> None:
        """Ask whether the store changed, rebuild if so, and render what follows the clock."""
        try:
            newest = generation(self._database)
            try:
                if self._settings is not None:
                    self._read(newest, self._settings, now)
            finally:
                # The store answers: what is wrong with one part need not hold up the other.
                if self._ai is not None:
                    self._ai.refresh(now)
            self._confirmed = now
            self.problem = None
            self.page = self._page()
            self._record(now)
        except StoreError as error:
            self.keep(error)

    @property
    def shows_ai(self) -> bool:
        """Whether AI budgets are on the page."""
        return self._ai is not None

    def keep(self, problem: StoreError) -> None:
        """Stay with the last good values, because the store cannot be used."""
        self.problem = problem
        self.page = self._page()

    def _read(self, newest: int, settings: Settings, now: datetime) -> None:
        state = (newest, self._clock(now, settings))
        if state != self._rendered_for:
            began = time.perf_counter()
            snapshot = build(self._database, settings, now)
            rendered = self._renderer.render([*snapshot.families, _took(began)])
            self._blocks = blocks(rendered)
            # Its bytes are all that is needed of the samples; they would take as much room again.
            self.snapshot = replace(snapshot, families=())
            self._rendered_for = (snapshot.generation, self._clock(now, settings))
            self._is_recorded = False
            give_back()

    def _clock(self, now: datetime, settings: Settings) -> frozenset[date]:
        """Time is part of the key: days become complete and periods move without new rows."""
        lags = {timedelta(0), *settings.lags.values()}
        states = self.snapshot.budgets if self.snapshot else ()
        zones = {state.zone for state in states if state.zone is not None}
        return frozenset(
            [
                *((now - lag).date() for lag in lags),
                *(now.astimezone(zone).date() for zone in zones),
            ]
        )

    def _record(self, now: datetime) -> None:
        """Write down what was seen of the budgets; the page is out already."""
        if self.snapshot is not None and not self._is_recorded:
            record_budgets(self._database, self.snapshot.generation, self.snapshot.budgets, now)
            self._is_recorded = True

    def _page(self) -> Page:
        samples: dict[str, dict[tuple[str, ...], float]] = {
            "finops_exporter_build_info": {(__version__, platform.python_version()): 1.0},
        }
        if self.problem is not None or self._confirmed is not None:
            samples["finops_database_up"] = {(): 0.0 if self.problem else 1.0}
        if self._confirmed is not None and self._settings is not None:
            samples["finops_snapshot_timestamp_seconds"] = {(): self._confirmed.timestamp()}
        families = [Family(LIVE_METRICS[name], found) for name, found in sorted(samples.items())]
        # A renderer of its own: the one of the snapshot may be at work in another thread.
        live = Renderer().render(families)
        return page(
            joined(self._blocks, self._ai.blocks) if self._ai else self._blocks,
            b"".join(chunk for one in live for chunk in (one.text, one.samples))
            + generate_latest(REGISTRY),
            b"".join(chunk for one in live for chunk in (one.openmetrics, one.samples))
            + openmetrics.generate_latest(REGISTRY),  # type: ignore[no-untyped-call]  # the library has no types here
        )


def _took(began: float) -> Family:
    seconds = time.perf_counter() - began
    return Family(FINOPS_METRICS["finops_snapshot_build_seconds"], {(): seconds})
