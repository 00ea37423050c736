"""Replacing what a source declares complete: staged first, then swapped in one transaction."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

from finops_exporter.errors import StoreError
from finops_exporter.model import NONE
from finops_exporter.store import runs
from finops_exporter.store.copy_lines import CopyLines
from finops_exporter.store.database import LOCK_SPACE, Connection, rows, run
from finops_exporter.store.sql import sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from finops_exporter.model import (
        Account,
        Complete,
        ControlTotal,
        CostRow,
        Notice,
        Rejected,
    )

BATCH = 10_000
"""So many rows are held at once while they are staged."""

MANY_CHANGES = 20_000
"""Changed facts after which the planner's statistics are made anew at once."""


@dataclass(frozen=True, slots=True)
class Changes:
    """What swaps did to the facts: counts of facts, and of complete days that were restated."""

    written: int = 0
    removed: int = 0
    restated_days: int = 0

    def __add__(self, other: Changes) -> Changes:
        """Both, one after the other."""
        return Changes(
            self.written + other.written,
            self.removed + other.removed,
            self.restated_days + other.restated_days,
        )


@dataclass(slots=True)
class Declared:
    """Everything that came beside the rows: what is complete, withdrawn, left out, and known."""

    complete: list[Complete] = field(default_factory=list)
    withdrawn: list[str] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    controls: list[ControlTotal] = field(default_factory=list)
    accounts: list[Account] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)


class Staging:
    """A session's own table for the rows that come in; nothing stored changes before `swap`."""

    def __init__(self, connection: Connection, source: str) -> None:
        self._connection = connection
        self._source = source
        self._empty()

    def _empty(self) -> None:
        self._lines = CopyLines()
        for name in ("drop_stage", "create_stage", "create_stage_series"):
            run(self._connection, name)

    def add(self, cost_rows: Iterable[CostRow]) -> int:
        """Copy rows into the stage and return how many came; memory stays bounded."""
        incoming = iter(cost_rows)
        count = 0
        while batch := list(islice(incoming, BATCH)):
            with self._connection.cursor() as cursor:
                with cursor.copy(sql("copy_stage")) as copy:
                    for lines in self._lines.of(batch):
                        copy.write(lines)
                with cursor.copy(sql("copy_stage_series")) as copy:
                    for one in self._lines.unseen():
                        copy.write_row(one)
            count += len(batch)
        return count

    def swap(
        self,
        run_id: int,
        declared: Declared,
        result: runs.RunResult | None,
        now: datetime,
        lag: timedelta = timedelta(0),
    ) -> Changes:
        """Make the stage the truth of every declared part, in one transaction, and empty it.

        `result` ends the run with it; None leaves the run under way. `lag` is how long after
        midnight a day of this source counts as complete: what changes before that is no
        restatement.

        Raises StoreError, with nothing changed, when another source already gave money for the
        same account and day, or when a row lies outside the window of its part.
        """
        connection = self._connection
        with connection.transaction():
            run(connection, "lock_facts", {"space": LOCK_SPACE})
            self._name_parts(declared)
            self._check()
            changes = self._replace(run_id, now, now - lag)
            self._describe(declared)
            if changes.written + changes.removed >= MANY_CHANGES:
                run(connection, "analyze_store")
            if result is not None:
                runs.replace_rejections(connection, self._source, declared.rejected)
                runs.replace_notices(connection, self._source, declared.notices)
                runs.finish(connection, run_id, result, now)
            run(connection, "bump_generation", {"now": now})
        self._empty()
        return changes

    def close(self) -> None:
        """Drop the stage."""
        if not self._connection.broken:
            run(self._connection, "drop_stage")

    def _name_parts(self, declared: Declared) -> None:
        run(self._connection, "create_swap_tables")
        for part in declared.complete:
            window = part.window
            self._add_part(
                part.part,
                # A part read for some of its days only must be read again as a whole.
                part.fingerprint if window is None else f"partial:{part.fingerprint}",
                (window.since, window.until) if window else (None, None),
            )
        for key in declared.withdrawn:
            self._add_part(key, None, (None, None))
        if not self._lines.parts.keys() <= {part.part for part in declared.complete}:
            run(self._connection, "forget_undeclared")
            run(self._connection, "forget_unused_series")
        self._connection.execute("ANALYZE stage (part, day, number)")
        self._connection.execute("ANALYZE stage_series")

    def _add_part(self, part: str, fingerprint: str | None, days: tuple[object, object]) -> None:
        run(
            self._connection,
            "add_swap_part",
            {
                "part": part,
                "fingerprint": fingerprint,
                "since": days[0],
                "until": days[1],
                "withdrawn": fingerprint is None,
            },
        )

    def _check(self) -> None:
        for part, day in rows(self._connection, "rows_outside_window"):
            raise StoreError(f"{self._source}: {part!r} gave a row of {day}, outside its window")
        source = {"source": self._source, "no_account": NONE}
        for other, provider, account, first, last, days in rows(
            self._connection, "foreign_account_days", source
        ):
            raise StoreError(
                f"{self._source}: account {account!r} of {provider} already comes from the source "
                f"{other!r} ({days} days, {first} to {last}); the same money would count twice. "
                "Leave the account out of one of them, or give a renamed source its name back"
            )

    def _replace(self, run_id: int, now: datetime, over_until: datetime) -> Changes:
        connection = self._connection
        scope = {
            "source": self._source,
            "now": now,
            "over_until": over_until,
            "run_id": run_id,
        }
        run(connection, "upsert_parts", scope)
        run(connection, "resolve_parts", scope)
        run(connection, "add_groups")
        run(connection, "add_series")
        run(connection, "resolve_series")
        run(connection, "create_changes")
        connection.execute("ANALYZE changes")
        restated = run(connection, "record_restatements", scope)
        removed = run(connection, "apply_removed")
        written = run(connection, "apply_changed")
        for rollup in ("months", "days", "account_days", "part_months"):
            run(connection, f"roll_{rollup}", scope)
            run(connection, f"sweep_{rollup}", scope)
        return Changes(written=written, removed=removed, restated_days=restated)

    def _describe(self, declared: Declared) -> None:
        connection = self._connection
        run(connection, "clear_coverage")
        run(connection, "clear_controls")
        for part in declared.complete:
            for provider, instant in part.covered_until.items():
                values = {"part": part.part, "provider": provider, "covered_until": instant}
                run(connection, "add_coverage", values)
        with connection.cursor() as cursor:
            cursor.executemany(sql("add_control"), [asdict(one) for one in declared.controls])
            cursor.executemany(sql("upsert_account"), [asdict(one) for one in declared.accounts])
        run(connection, "drop_withdrawn_parts")


@contextmanager
def staging(connection: Connection, source: str) -> Iterator[Staging]:
    """A stage for one run of `source`; dropped afterwards whatever happened."""
    stage = Staging(connection, source)
    try:
        yield stage
    finally:
        stage.close()
