"""A PostgreSQL of a test's own, with durable commits, because it is killed."""

from __future__ import annotations

import os
import shutil
import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING

from finops_exporter.store.embedded import ROOT_HOME, EmbeddedPostgres
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Server:
    """An embedded server that can be started again."""

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._embedded = EmbeddedPostgres(data_dir)
        self.url = self._embedded.start()

    @property
    def is_up(self) -> bool:
        """Whether its process runs."""
        try:
            os.kill(self.pid, 0)
        except (OSError, ValueError, IndexError):
            return False
        return True

    @property
    def pid(self) -> int:
        return int((self._data_dir / "postmaster.pid").read_text().splitlines()[0])

    def restart(self) -> None:
        """Start it again after a kill, with recovery."""
        self._embedded.stop()
        self._embedded = EmbeddedPostgres(self._data_dir)
        self.url = self._embedded.start()

    def stop(self) -> None:
        self._embedded.stop()


@contextmanager
def killable_server() -> Iterator[Server]:
    """Such a server, which is gone with its data in the end."""
    home = (ROOT_HOME if os.geteuid() == 0 else ROOT / ".cache") / f"kill-{uuid.uuid4().hex[:8]}"
    server = Server(home / "postgres")
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(home, ignore_errors=True)
