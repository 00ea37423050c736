"""One stack a module: its tests are causes that come one after the other, as in life."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from e2e.stack import Stack
from e2e.story import Story
from integration.databases import (
    admin,
    create_database,
    server_url,
    template,
)
from tables import pytest_terminal_summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from e2e.stack import Wishes

__all__ = [
    "admin",
    "create_database",
    "pytest_terminal_summary",
    "server_url",
    "template",
]


@pytest.fixture(scope="module")
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the module's processes have their files, and write what they have to say."""
    return tmp_path_factory.mktemp(str(request.module.__name__).rpartition(".")[2])


@pytest.fixture(scope="module")
def own_database(create_database: Callable[[str | None], str], template: str) -> str:
    """The URL of the module's own migrated database."""
    return create_database(template)


@pytest.fixture(scope="module")
def stack(wishes: Wishes, folder: Path, own_database: str) -> Iterator[Stack]:
    """What the module's fixture `wishes` asks for."""
    with Stack(wishes, folder, own_database) as found:
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
        one.delay.show(record_property)
