"""Dashboards where there is little: one provider, no budgets, no AI tenants, or nothing at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from dashboard_files import PROMETHEUS, committed
from dashboard_variables import words
from integration.dashboard_asking import ask, opened
from integration.dashboard_history import answers, fill
from integration.dashboard_store import Story

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dashboard_files import Dashboard
    from integration.dashboard_history import Answers

OF_COSTS: Final = (
    *(("finops-cloud-cost", one) for one in ("Monthly Spend", "Cost by Region", "Top 10")),
    *(("finops-overview", one) for one in ("Month to Date", "Year to Date", "Top Spenders")),
)
OF_BUDGETS: Final = (
    ("finops-cloud-cost", "Monthly Budget"),
    ("finops-cloud-cost", "Budget Utilization"),
    ("finops-overview", "Budgets"),
)
OF_TENANTS: Final = (
    ("finops-ai-budget", "Total AI Spend MTD"),
    ("finops-ai-budget", "Cost by Model"),
)


def shown(server: Answers) -> dict[tuple[str, str], bool]:
    """Which panels have anything to show; AssertionError says which query does not run."""
    found: dict[tuple[str, str], bool] = {}
    for board in committed():
        for chosen in (opened(board, server), opened(board, server, {"provider": ("aws",)})):
            for panel, target in board.queries:
                if target.source_type == PROMETHEUS:
                    answer = ask(board, panel, target, server, chosen)
                    key = board.uid, panel.title
                    found[key] = found.get(key, False) or bool(answer)
    return found


def has(found: dict[tuple[str, str], bool], *panels: tuple[str, str]) -> set[bool]:
    """Whether these panels, called by the beginnings of their titles, show anything."""
    return {
        any(
            is_shown
            for (uid, title), is_shown in found.items()
            if (uid, title[: len(name)]) == (board, name)
        )
        for board, name in panels
    }


@pytest.mark.parametrize(
    ("story", "costs", "budgets", "tenants"),
    [
        (Story(providers=("aws",), tenants=False), True, True, False),
        (Story(providers=("gcp",), budgets=False), True, False, True),
        (Story(budgets=False, tenants=False), True, False, False),
        (Story(providers=(), budgets=False), False, False, True),
    ],
    ids=["one provider, no tenants", "one provider, no budgets", "costs alone", "no costs"],
)
def test_what_is_there_is_shown_and_nothing_else_fails(
    create_database: Callable[[str | None], str],
    template: str,
    tmp_path: Path,
    *,
    story: Story,
    costs: bool,
    budgets: bool,
    tenants: bool,
) -> None:
    fill(tmp_path, create_database(template), story, 2)
    with answers(tmp_path) as server:
        found = shown(server)
    assert has(found, *OF_COSTS) == {costs}
    assert has(found, *OF_BUDGETS) == {budgets}
    assert has(found, *OF_TENANTS) == {tenants}


def test_where_nothing_is_known_every_query_still_runs(tmp_path: Path) -> None:
    with answers(tmp_path) as server:
        assert not any(shown(server).values())
        assert [untold(board, server) for board in committed()] == [[], [], []]


def untold(board: Dashboard, server: Answers) -> list[str]:
    """Panels that would be empty without a word, or whose title keeps a variable in it."""
    chosen = opened(board, server)
    return [
        panel.title
        for panel in board.shown
        if not panel.defaults["noValue"]
        or "$" in words(board, panel.title, chosen).replace("$ ", "").replace("$1", "")
    ]
