"""Every panel of every dashboard, asked on weeks of history in a real Prometheus."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import promql_parser
import pytest

from dashboard_files import PROMETHEUS, committed
from dashboard_variables import promql
from finops_exporter.store.database import Database
from integration.dashboard_asking import ask, opened
from integration.dashboard_expected import EXPECTED, NOT_SUMMED, Expected, excused, expected
from integration.dashboard_history import Answers, answers, as_of, fill
from integration.dashboard_store import HOUR, Story
from integration.dashboard_sums import Amounts, Sums
from rule_files import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from dashboard_files import Dashboard, Panel, Target
    from dashboard_variables import Chosen, Value
    from integration.dashboard_history import Series
    from rule_files import Node

DAYS: Final = 37
BOARDS: Final = committed()

CHOICES: Final[tuple[Mapping[str, Value], ...]] = (
    {},
    {"provider": ("aws",)},
    {"provider": ("gcp", "azure")},
    {"account": ("prod.example", "test+example")},
    {"service": ("EC2 - Other", "Amazon Simple Storage Service (S3)")},
    {"region": ("eu-west-1",)},
    {"provider": ("aws",), "account": ("222222222222",), "region": ("eu-west-1",)},
    {"team": ("data",)},
    {"team": ("__untagged__", "web"), "provider": ("aws",)},
    {"environment": ("production",)},
    {"team": ("data",), "environment": ("production",)},
    {"team": ("data",), "service": ("EC2 - Other",)},
    {"account": ("sub-2",)},
    {"provider": ("aws", "gcp")},
    {"budget": "AWS"},
    {"budget": "Azure sub-2", "team": ("data",)},
    {"tenant": ("tenant-1", "tenant-3")},
    {"model": ("gpt-4o",)},
    {"tenant": ("tenant-2",), "model": ("gpt-4o", "gemini-2.0-flash")},
)
"""What is chosen, where a dashboard has such variables."""

CONSTANT: Final = {
    *("Monthly Budget", "Spend Trend vs Budget", "Budgets", "Tenants at Risk > 80 %"),
    *("Month to Date", "Top Spenders", "Top 10 Cost Drivers", "Storage Costs"),
}
"""Panels with queries that answer the same on every day of a month: limits, the month before, the
share of an account's only service."""

CLOUD: Final = "finops-cloud-cost"
MAY_BE_EMPTY: Final[dict[tuple[str, str, str], str]] = {
    (CLOUD, "Monthly Spend", "B"): "it tells of a chosen budget",
    (CLOUD, "Monthly Budget", "A"): "Azure has no budget, so there is none of it and another one",
    (CLOUD, "Spend Trend vs Budget", "B"): "the same",
    (CLOUD, "Budget Utilization", "A"): "the same, as there is none of Azure alone",
}
"""Queries that have nothing to show on our history, and why."""


@pytest.fixture(scope="module")
def store_url(create_database: Callable[[str | None], str], template: str) -> str:
    """The store behind the history."""
    return create_database(template)


@pytest.fixture(scope="module")
def history(store_url: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with blocks of 37 days of everything."""
    folder = tmp_path_factory.mktemp("dashboards")
    fill(folder, store_url, Story(), DAYS)
    return folder


@pytest.fixture(scope="module")
def server(history: Path) -> Iterator[Answers]:
    with answers(history) as found:
        yield found


@pytest.fixture(scope="module")
def store(store_url: str) -> Iterator[Database]:
    database = Database(store_url, wait_seconds=30)
    database.open()
    yield database
    database.close()


def choices(board: Dashboard) -> list[Mapping[str, Value]]:
    """Those of variables that the dashboard has."""
    known = {one.name for one in board.variables}
    return [one for one in CHOICES if set(one) <= known]


def asked(board: Dashboard) -> list[tuple[Panel, Target]]:
    """The queries of PromQL."""
    return [(panel, one) for panel, one in board.queries if one.source_type == PROMETHEUS]


def amounts(found: list[Series], labels: tuple[str, ...]) -> Amounts:
    """The newest value of each series, by its labels; a series more than once is a mistake."""
    listed = [(tuple(own.get(name, "") for name in labels), points[-1][1]) for own, points in found]
    assert len(listed) == len(dict(listed)), f"labels besides {labels} differ"
    return dict(listed)


@dataclass(frozen=True)
class Shown:
    """What a query answers to what was chosen."""

    board: Dashboard
    panel: Panel
    target: Target
    given: Mapping[str, Value]
    chosen: Chosen
    answer: list[Series]

    def __str__(self) -> str:
        given = " ".join(f"{name}={value}" for name, value in self.given.items()) or "All"
        return f"{self.board.uid}: {self.panel.title} {self.target.ref_id} ({given})"

    @property
    def expected(self) -> Expected | None:
        return expected(self.board.uid, self.panel.title, self.target.ref_id)


def everything(server: Answers) -> Iterator[Shown]:
    """Every query of PromQL, with everything chosen that can be."""
    for board in BOARDS:
        for given in choices(board):
            chosen = opened(board, server, given)
            for panel, target in asked(board):
                answer = ask(board, panel, target, server, chosen)
                yield Shown(board, panel, target, given, chosen, answer)


def test_every_panel_shows_what_sql_says(server: Answers, store: Database) -> None:
    # One test, so that no two workers make the history.
    shown = list(everything(server))
    assert empty(shown) == []
    mistakes = wrong(shown, server, store)
    assert not mistakes, "\n".join(mistakes)
    assert torn(shown, server) == []
    # Figures of three days before would be noticed.
    before = {str(one) for one in differing(shown, server, store, late=timedelta(days=3))}
    same = {
        one.panel.title for one in shown if one.expected and one.answer and str(one) not in before
    }
    assert {title.split(" (")[0] for title in same} <= CONSTANT


def empty(shown: list[Shown]) -> list[str]:
    """Queries that answer nothing while everything is chosen, or one provider."""
    found = [one for one in shown if not one.answer and set(one.given) <= {"provider"}]
    return [
        str(one)
        for one in found
        if not any(
            (one.board.uid, one.target.ref_id) == (uid, ref) and one.panel.title.startswith(title)
            for uid, title, ref in MAY_BE_EMPTY
        )
    ]


def wrong(shown: list[Shown], server: Answers, store: Database) -> list[str]:
    """Queries that answer something else than SQL."""
    assert sum(len(one.answer) for one in shown if one.expected) > 500
    return [
        f"{one} answers {amounts(one.answer, one.expected.labels)}"
        for one in differing(shown, server, store)
        if one.expected
    ]


def differing(
    shown: list[Shown], server: Answers, store: Database, *, late: timedelta = timedelta(0)
) -> Iterator[Shown]:
    """What is not as SQL says it, of the moment or of some time before."""
    for one in shown:
        if entry := one.expected:
            found = amounts(one.answer, entry.labels)
            known = known_at(server, one.chosen.of(one.panel, one.target), one.target)
            said = [entry.amounts(Sums(store, at - late), one.chosen) for at in known]
            if not any(found == pytest.approx(each, rel=1e-6, abs=1e-9) for each in said):
                yield one


def known_at(server: Answers, looks: Chosen, target: Target) -> list[datetime]:
    """The hour as of which a query's newest value is known, and the one before.

    Recordings of recordings are made at another place of the hour, and so may be an hour late.
    """
    moment = looks.until
    if not target.instant:
        step = looks.interval.total_seconds()
        moment = moment.fromtimestamp(moment.timestamp() // step * step, moment.tzinfo)
    newest = as_of(server, "total:ai_budget_used_usd:sum", moment)
    return [newest, newest - HOUR]


def torn(shown: list[Shown], server: Answers) -> list[str]:
    """Queries of which not exactly one branch answers (none, where something is chosen).

    `x{narrowed=~"$service"} or y{narrowed!~"$service"}` asks for a label that no series has.
    """
    found, compared = [], 0
    for one in shown:
        expr = promql(one.board, one.target.expr, one.chosen.of(one.panel, one.target))
        for branches in alternatives(parse(expr)):
            answering = [branch for branch in branches if server.now(branch)]
            compared += len(branches)
            if len(answering) > 1 or not (answering or one.given):
                found.append(f"{one}: {answering}")
    assert compared > 300
    return found


def alternatives(node: Node) -> list[list[str]]:
    """The sides of each outermost `or` of which some answer only where something is chosen."""
    if is_or(node):
        sides = [one.prettify() for one in operands(node)]
        return [sides] if any("narrowed!~" in one for one in sides) else []
    below = [getattr(node, name, None) for name in ("expr", "lhs", "rhs", "param")]
    below += getattr(node, "args", None) or []
    return [found for one in below if one is not None for found in alternatives(one)]


def operands(node: Node) -> list[Node]:
    if is_or(node):
        return [*operands(node.lhs), *operands(node.rhs)]
    return operands(node.expr) if isinstance(node, promql_parser.ParenExpr) else [node]


def is_or(node: Node) -> bool:
    return isinstance(node, promql_parser.BinaryExpr) and str(node.op) == "or"


def test_every_query_has_a_sum_or_a_reason() -> None:
    missing = [
        (board.uid, panel.title, target.ref_id)
        for board in BOARDS
        for panel, target in asked(board)
        if not expected(board.uid, panel.title, target.ref_id)
        and not excused(board.uid, panel.title)
    ]
    assert missing == []
    titles = {board.uid: [panel.title for panel in board.shown] for board in BOARDS}
    for uid, title, *_ in [*EXPECTED, *NOT_SUMMED, *MAY_BE_EMPTY]:
        assert [one for one in titles[uid] if one.startswith(title)], (uid, title)
