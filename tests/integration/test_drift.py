"""Rollups never drift: whatever is declared in whatever order, kept sums are those of the facts.

The facts themselves are held against a plain model of what was declared, which knows neither SQL
nor differences: a part is a list of rows, and a delivery replaces those of its days.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal, localcontext
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from finops_exporter.errors import StoreError
from finops_exporter.model import FULL_CUT, NONE, CostRow, Window
from finops_exporter.store import checks
from finops_exporter.store.runs import RunResult
from integration import feeding
from integration.feeding import NOW

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from finops_exporter.store.database import Database

FIRST = date(2026, 10, 30)
DAYS = 5
"""Of two months, so that a window may lie in both."""

PARTS = ("a", "b", "c")
OWN_ACCOUNT = {"one": "111", "two": "222"}
SHARED_ACCOUNT = "333"

Key = tuple[object, ...]


class Amounts(NamedTuple):
    billed: Decimal
    effective: Decimal
    estimated: bool


@dataclass(frozen=True)
class Delivery:
    """What a source says at once: rows, the parts that are complete or gone, their days."""

    rows: Sequence[CostRow]
    complete: Sequence[str]
    withdrawn: Sequence[str]
    window: Window | None

    @property
    def counting(self) -> list[CostRow]:
        """The rows of parts that are declared complete."""
        return [row for row in self.rows if row.part in self.complete]

    def holds(self, day: date) -> bool:
        return self.window is None or self.window.since <= day < self.window.until


@dataclass
class Model:
    """What was declared last of each part of each source."""

    parts: dict[tuple[str, str], list[CostRow]] = field(default_factory=dict)

    def refuses(self, source: str, said: Delivery) -> bool:
        """Whether a row is outside its window, or another source has its account and day."""
        taken = {
            (row.provider, row.account_id, row.day)
            for (other, _), rows in self.parts.items()
            if other != source
            for row in rows
            if row.account_id != NONE
        }
        return any(
            not said.holds(row.day) or (row.provider, row.account_id, row.day) in taken
            for row in said.counting
        )

    def take(self, source: str, said: Delivery) -> None:
        for part in said.complete:
            kept = [row for row in self.parts.get((source, part), ()) if not said.holds(row.day)]
            self.parts[source, part] = kept + [row for row in said.rows if row.part == part]
        for part in said.withdrawn:
            self.parts.pop((source, part), None)

    def facts(self) -> dict[Key, Amounts]:
        found: dict[Key, Amounts] = {}
        with localcontext(prec=200):
            for (source, part), rows in self.parts.items():
                for row in rows:
                    key = (source, part, row.day, *_series(row))
                    old = found.get(key, Amounts(Decimal(0), Decimal(0), estimated=False))
                    found[key] = Amounts(
                        old.billed + row.billed,
                        old.effective + row.effective,
                        old.estimated or row.estimated,
                    )
        return found


def _series(row: CostRow) -> Key:
    return (
        row.cut,
        row.provider,
        row.account_id,
        row.service,
        row.region,
        row.charge_category,
        row.currency,
        tuple(sorted(row.tags.items())),
    )


STORED = """
    SELECT p.source, p.part, f.day, g.cut, g.provider, g.account_id, g.service, s.region,
           g.charge_category, g.currency, s.tags, f.billed, f.effective, f.estimated
    FROM cost_facts f
    JOIN cost_series s USING (series_id)
    JOIN cost_groups g USING (group_id)
    JOIN cost_parts p USING (part_id)
"""


def stored(database: Database) -> dict[Key, Amounts]:
    with database.connection() as connection:
        found = connection.execute(STORED).fetchall()
    return {(*row[:10], tuple(sorted(row[10].items()))): Amounts(*row[11:]) for row in found}


def stored_parts(database: Database) -> set[tuple[Any, ...]]:
    with database.connection() as connection:
        return set(connection.execute("SELECT source, part FROM cost_parts").fetchall())


def drifts(database: Database) -> dict[str, checks.Drift]:
    """The rollups that are not what the facts say, by what `doctor` reads."""
    with checks.reading(database) as connection:
        seen = {one.table: checks.drift(connection, one) for one in checks.ROLLUPS}
    return {table: drift for table, drift in seen.items() if drift.wrong}


def swap(database: Database, source: str, said: Delivery) -> None:
    feeding.swap(
        database,
        said.rows,
        source=source,
        parts=said.complete,
        withdrawn=said.withdrawn,
        window=said.window,
    )


def truncate(database: Database) -> None:
    with database.connection() as connection:
        tables = [
            "cost_parts",
            "cost_groups",
            "source_runs",
            *(one.table for one in checks.ROLLUPS),
        ]
        connection.execute(f"TRUNCATE {', '.join(tables)} CASCADE".encode())


# Up to 28 digits after the point, as some providers bill, and amounts that cancel each other out.
amounts = st.one_of(
    st.sampled_from([Decimal(0), Decimal("1.5"), Decimal("-1.5")]),
    st.builds(
        lambda digits, places: Decimal(f"{digits}E-{places}"),
        st.integers(-(10**30), 10**30),
        st.sampled_from([0, 2, 9, 28]),
    ),
)


def rows_of(*accounts: str) -> st.SearchStrategy[list[CostRow]]:
    """Rows with few of each dimension, so that they meet."""
    row = st.builds(
        CostRow,
        day=st.integers(0, DAYS - 1).map(lambda offset: FIRST + timedelta(days=offset)),
        provider=st.sampled_from(["aws", "aws", "gcp"]),
        account_id=st.sampled_from(accounts),
        service=st.sampled_from(["S3", "EC2"]),
        region=st.just("eu"),
        charge_category=st.sampled_from(["Usage", "Credit"]),
        billed=amounts,
        effective=amounts,
        currency=st.sampled_from(["USD", "USD", "EUR"]),
        tags=st.sampled_from([{}, {"team": "data"}]),
        estimated=st.booleans(),
        part=st.sampled_from(PARTS),
        cut=st.sampled_from([FULL_CUT, FULL_CUT, "account"]),
    )
    return st.builds(_with_twins, st.lists(row, max_size=8), st.integers(0, 2))


def _with_twins(rows: list[CostRow], count: int) -> list[CostRow]:
    """Rows with equal keys are one fact: some that differ in the rest, and cancel each other."""
    twins = [row._replace(billed=-row.billed, estimated=not row.estimated) for row in rows[:count]]
    return rows + twins


windows = st.tuples(st.integers(0, DAYS - 1), st.integers(0, DAYS - 1)).map(
    lambda pair: Window.inclusive(*(FIRST + timedelta(days=offset) for offset in sorted(pair)))
)
some_parts = st.lists(st.sampled_from(PARTS), unique=True)


@st.composite
def deliveries(draw: st.DrawFn, *accounts: str, astray: bool = True) -> Delivery:
    """Whole parts or a window of them; `astray`: rarely with a row outside the window."""
    rows = draw(rows_of(*accounts))
    complete = draw(some_parts)
    window = draw(st.none() | windows)
    withdrawn = [part for part in draw(some_parts) if part not in complete] if not window else []
    said = Delivery(rows, complete, withdrawn, window)
    if astray and draw(st.integers(0, 4)) == 0:
        return said
    return Delivery([row for row in rows if said.holds(row.day)], complete, withdrawn, window)


class History(RuleBasedStateMachine):
    """Two sources replace, restate and withdraw; some of what they say is refused."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        truncate(self.database)
        self.model = Model()

    def _say(self, source: str, said: Delivery) -> None:
        if self.model.refuses(source, said):
            with pytest.raises(StoreError, match=r"outside its window|already comes from"):
                swap(self.database, source, said)
        else:
            swap(self.database, source, said)
            self.model.take(source, said)

    @rule(said=deliveries(OWN_ACCOUNT["one"], NONE))
    def first_source(self, said: Delivery) -> None:
        self._say("one", said)

    @rule(said=deliveries(OWN_ACCOUNT["two"], NONE))
    def second_source(self, said: Delivery) -> None:
        self._say("two", said)

    @rule(said=deliveries(SHARED_ACCOUNT), source=st.sampled_from(["one", "two"]))
    def money_that_both_claim(self, said: Delivery, source: str) -> None:
        self._say(source, said)

    @rule(said=deliveries(OWN_ACCOUNT["one"], NONE, astray=False))
    def a_swap_that_fails_after_everything_was_written(self, said: Delivery) -> None:
        # The run is written down last, and refuses an outcome that there is not.
        with pytest.raises(StoreError, match="source_runs_outcome_check"):
            feeding.swap(
                self.database,
                said.rows,
                source="one",
                parts=said.complete,
                withdrawn=said.withdrawn,
                window=said.window,
                result=RunResult(cast("Any", "unheard-of")),
            )

    @invariant()
    def facts_are_what_was_declared(self) -> None:
        assert stored(self.database) == self.model.facts()
        assert stored_parts(self.database) == self.model.parts.keys()

    @invariant()
    def rollups_are_what_the_facts_say(self) -> None:
        assert drifts(self.database) == {}


# A failure is made small before it is told, which takes minutes.
@pytest.mark.timeout(900)
def test_no_history_makes_the_rollups_drift(database: Database) -> None:
    run_state_machine_as_test(
        type("History", (History,), {"database": database}),
        settings=settings(max_examples=30, stateful_step_count=15, deadline=None),
    )


histories = st.tuples(
    *(
        st.lists(deliveries(account, NONE, astray=False), min_size=1, max_size=4)
        for account in OWN_ACCOUNT.values()
    )
)


def at_once(*work: Callable[[], object]) -> list[BaseException]:
    """Do all of it at the same time, a thread each, and return what went wrong."""
    failures: list[BaseException] = []
    together = threading.Barrier(len(work))

    def guarded(one: Callable[[], object]) -> None:
        try:
            together.wait()
            one()
        except BaseException as error:  # noqa: BLE001 - of a thread, which the test tells
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(one,)) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return failures


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(histories)
def test_two_sources_at_the_same_time_and_a_rebuild_between_them(
    database: Database, said: tuple[list[Delivery], list[Delivery]]
) -> None:
    truncate(database)
    model = Model()
    rebuilt: list[checks.Rebuilt] = []

    def collect(source: str, history: list[Delivery]) -> None:
        for one in history:
            swap(database, source, one)

    def rebuild() -> None:
        for _ in range(3):
            rebuilt.extend(checks.rebuild(database, NOW))

    sources = list(zip(OWN_ACCOUNT, said, strict=True))
    assert at_once(*(partial(collect, *one) for one in sources), rebuild) == []
    assert {(one.removed, one.written) for one in rebuilt} == {(0, 0)}
    for source, history in sources:
        for one in history:
            model.take(source, one)
    assert stored(database) == model.facts()
    assert drifts(database) == {}
