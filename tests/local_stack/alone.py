"""A folder belongs to one run at a time."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make the folder and keep other runs out of it; raises ClickException.

    Debian's Prometheus takes no lock: two would write into the same data, and whom Alertmanager
    tells would be replaced under the feet of the first run.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / "run.lock").open("ab")
    except OSError as error:
        raise click.ClickException(f"cannot write in {folder}: {error.strerror}") from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise click.ClickException(
                f"another run uses {folder}; end it, or choose another folder: "
                "make run DEMO_FOLDER=FOLDER"
            ) from None
        yield
