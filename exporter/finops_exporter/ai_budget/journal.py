"""What was admitted while the database was away: lines of a file, on the disk before the answer."""

from __future__ import annotations

import fcntl
import json
import os
import uuid
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

MOST_FILES = 64
"""How many processes may share a folder."""


class Journal:
    """A file of JSON objects, one a line, in a folder that several processes may share.

    Each process has a file of its own, which it locks; the file that one left behind is taken up by
    the next. Its first line names it: `id` is what the allowances in the database are held by.
    Raises FinopsError where the folder cannot be used.
    """

    def __init__(self, folder: Path, path: Path | None = None) -> None:
        with ExitStack() as stack:
            try:
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self.path, self._file = _own_file(folder, path)
                stack.callback(self._file.close)
                self._drop_torn_line()
                self.id = self._name()
            except BlockingIOError:
                raise
            except OSError as error:
                raise FinopsError(
                    f"ai.journal_dir: cannot write below {folder}: {error.strerror}"
                ) from error
            stack.pop_all()
        self._begin = len(_header(self.id))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written down."""
        return self.path.stat().st_size <= self._begin

    def append(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write them down; they are on the disk when this returns. Raises OSError."""
        end = self._file.seek(0, os.SEEK_END)
        try:
            self._file.write(b"".join(json.dumps(one).encode() + b"\n" for one in entries))
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(end)  # half a line would spoil the next one
            raise

    def entries(self) -> list[dict[str, Any]]:
        """What is written down, in order; raises FinopsError for what cannot be read."""
        self._file.seek(self._begin)
        found = []
        for number, line in enumerate(self._file, 2):
            try:
                found.append(dict(json.loads(line)))
            except (ValueError, TypeError) as error:
                raise FinopsError(
                    f"{self.path}:{number}: cannot be read; calls that were admitted while the "
                    "database was away are written there: correct the line, or move the file away "
                    "and restart, to go on without them"
                ) from error
        return found

    def left_behind(self) -> Iterator[Journal]:
        """The other journals of the folder that no process has and that say something; locked."""
        for path in sorted(self.path.parent.glob("journal-*.jsonl")):
            if path == self.path:
                continue
            try:
                other = Journal(path.parent, path)
            except BlockingIOError:
                continue  # somebody's
            if other.is_empty:
                other.close()
            else:
                yield other

    def clear(self) -> None:
        """Forget all: it is in the database now."""
        self._file.truncate(self._begin)
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Let another process take the file up."""
        self._file.close()

    def _name(self) -> str:
        self._file.seek(0)
        first = self._file.readline()
        with suppress(ValueError, TypeError, KeyError):
            name = str(json.loads(first)["journal"])
            if _header(name) == first:
                return name
        if first:
            raise FinopsError(f"{self.path}:1: is no journal of ours; move the file away")
        name = str(uuid.uuid4())
        self._file.write(_header(name))
        os.fsync(self._file.fileno())
        return name

    def _drop_torn_line(self) -> None:
        """A line without its end was being written when the process ended: nobody got an answer."""
        text = self._file.seek(0) or self._file.read()
        whole = text.rfind(b"\n") + 1
        if whole != len(text):
            self._file.truncate(whole)


def _header(name: str) -> bytes:
    return json.dumps({"journal": name}).encode() + b"\n"


def _own_file(folder: Path, path: Path | None) -> tuple[Path, Any]:
    """The file, or the first one that nobody has; BlockingIOError where somebody has it."""
    if path is not None:
        return path, _locked(path)
    for number in range(MOST_FILES):
        path = folder / f"journal-{number}.jsonl"
        try:
            file = _locked(path)
        except BlockingIOError:
            continue
        directory = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
        return path, file
    raise FinopsError(f"ai.journal_dir: {MOST_FILES} processes use {folder} already; add a folder")


def _locked(path: Path) -> Any:
    # Unbuffered: what append was told is gone must not be written later after all.
    file = path.open("a+b", buffering=0)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise
    return file
