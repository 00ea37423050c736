"""One stack a module: its tests are causes that come one after the other, as in life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.delays import PROPERTY, pytest_terminal_summary
from e2e.stack import Stack
from e2e.story import Story
from integration.databases import admin, create_database, server_url, template

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from e2e.stack import Wishes

__all__ = [
    "admin",
    "create_database",
    "pytest_terminal_summary",
    "server_url",
    "template",
]


@pytest.fixture(scope="module")
def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    create_database: Callable[[str | None], str],
    template: str,
) -> Iterator[Stack]:
    """What the module asks for with `wishes(folder, database_url)`, on a database of its own."""
    folder = tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])
    url = create_database(template)
    wishes: Wishes = request.module.wishes(folder, url)
    with Stack(wishes, folder, url) as found:
        yield found
        assert found.receivers.refused == []


@pytest.fixture
def story(
    stack: Stack, record_property: Callable[[str, object], None]
) -> Iterator[Callable[[str, str], Story]]:
    """Begin the story of an alert and its cause."""
    told: list[Story] = []

    def begin(alert: str, cause: str) -> Story:
        told.append(Story(alert, cause, stack.receivers))
        return told[-1]

    yield begin
    for one in told:
        record_property(PROPERTY, one.delay.row)
