"""A disk that can be filled up: a small file system in memory, with a database on it."""

from __future__ import annotations

import os
import subprocess
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from finops_exporter.store.database import Database
from finops_exporter.store.embedded import ROOT_HOME
from finops_exporter.store.migrate import migrate
from integration.killable import killable_server

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZE = "64m"
BLOCK = bytes(64 * 1024)


class SmallDisk:
    """Mounted at `folder`; the write-ahead log lies elsewhere, so the server itself goes on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"

    def fill(self) -> None:
        """Leave no room at all."""
        for block in (BLOCK, bytes(4096)):
            with suppress(OSError), self._ballast.open("ab", buffering=0) as file:
                while file.write(block) == len(block):
                    pass
        assert os.statvfs(self.folder).f_bavail == 0

    def free(self) -> None:
        """Make room again."""
        self._ballast.unlink()


@contextmanager
def small_disk() -> Iterator[tuple[SmallDisk, str]]:
    """A small disk and the URL of a migrated database on it; a skip where none can be mounted.

    Its server is its own: pages that do not fit on a full disk hold up all databases of a server.
    """
    if os.geteuid() != 0:
        pytest.skip("needs root, to mount a small disk")
    folder = ROOT_HOME / f"disk-{uuid.uuid4().hex[:8]}"
    with _mounted(folder), killable_server() as server:
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        with psycopg.connect(server.url, autocommit=True) as admin:
            os.chown(place, _owner(admin), -1)
            made = sql.SQL("CREATE TABLESPACE small LOCATION {}")
            admin.execute(made.format(sql.Literal(str(place))))
            admin.execute("CREATE DATABASE small TABLESPACE small")
        url = make_conninfo(server.url, dbname="small")
        database = Database(url, wait_seconds=30)
        database.open()
        migrate(database)
        database.close()
        yield SmallDisk(folder), url


@contextmanager
def _mounted(folder: Path) -> Iterator[None]:
    folder.mkdir(parents=True)
    options = f"size={SIZE},mode=0755"
    try:
        mounted = subprocess.run(
            ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False
        )
        if mounted.returncode:
            pytest.skip("needs the right to mount a small disk")
        try:
            yield
        finally:
            subprocess.run(["/bin/umount", folder], check=True)
    finally:
        folder.rmdir()


def _owner(admin: psycopg.Connection) -> int:
    """Whose files the server may use."""
    row = admin.execute("SHOW data_directory").fetchone()
    assert row
    return Path(str(row[0])).stat().st_uid
