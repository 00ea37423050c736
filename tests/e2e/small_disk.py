"""A disk that can be filled up: a small file system in memory, with a database on it."""

from __future__ import annotations

import os
import subprocess
import uuid
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from finops_exporter.store.embedded import ROOT_HOME

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

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
def small_disk(admin: psycopg.Connection) -> Iterator[tuple[SmallDisk, str]]:
    """A small disk and the name of a tablespace on it; a skip where no disk can be mounted."""
    folder = ROOT_HOME / f"disk-{uuid.uuid4().hex[:8]}"
    server = Path(_data_directory(admin))
    if os.geteuid() != 0 or not server.exists():
        pytest.skip("needs root, to mount a small disk, and the tests' own PostgreSQL")
    owner = server.stat().st_uid
    folder.mkdir(parents=True)
    options = f"size={SIZE},mode=0755"
    mounted = subprocess.run(
        ["/bin/mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], check=False
    )
    try:
        if mounted.returncode:
            pytest.skip("needs the right to mount a small disk")
        place = folder / "tablespace"
        place.mkdir(mode=0o700)
        os.chown(place, owner, -1)
        name = f"small_{uuid.uuid4().hex[:8]}"
        made = sql.SQL("CREATE TABLESPACE {} LOCATION {}")
        admin.execute(made.format(sql.Identifier(name), sql.Literal(str(place))))
        try:
            yield SmallDisk(folder), name
        finally:
            admin.execute(sql.SQL("DROP TABLESPACE {}").format(sql.Identifier(name)))
    finally:
        if not mounted.returncode:
            subprocess.run(["/bin/umount", folder], check=True)
        folder.rmdir()


@contextmanager
def database_on(
    admin: psycopg.Connection, tablespace: str, template: str, server_url: str
) -> Iterator[str]:
    """The URL of a migrated database in that tablespace."""
    name = f"finops_test_{tablespace}"
    made = sql.SQL("CREATE DATABASE {} TEMPLATE {} TABLESPACE {}")
    admin.execute(made.format(*map(sql.Identifier, (name, template, tablespace))))
    try:
        yield make_conninfo(server_url, dbname=name)
    finally:
        admin.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name))
        )


def _data_directory(admin: psycopg.Connection) -> str:
    row = admin.execute("SHOW data_directory").fetchone()
    assert row
    return str(row[0])
