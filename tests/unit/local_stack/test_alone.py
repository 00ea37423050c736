"""A folder of `make run` belongs to one run at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import pytest

from local_stack.alone import alone

if TYPE_CHECKING:
    from pathlib import Path


def test_a_folder_in_use_is_told_with_the_remedy_and_free_afterwards(tmp_path: Path) -> None:
    folder = tmp_path / "demo" / "alerting"
    with alone(folder):
        with pytest.raises(click.ClickException, match=r"another run uses .*DEMO_FOLDER="):
            alone(folder).__enter__()
        with alone(tmp_path / "other"):
            pass
    with alone(folder):
        pass


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(click.ClickException, match=r"cannot write in .*file/below: Not a directory"),
        alone(tmp_path / "file" / "below"),
    ):
        pass
