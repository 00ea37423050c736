"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when all went well, and leaves nothing otherwise.

    Links are followed, and whoever could not read the file before cannot read the new one. Raises
    FinopsError where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    beside = target.parent / f".{target.name}.{os.getpid()}.tmp"
    try:
        is_there = target.exists()
        if is_there and not target.is_file():
            raise FinopsError(f"cannot write {path}: it is no ordinary file")
        with beside.open("wb") as file:
            if is_there:
                shutil.copymode(target, beside)
            yield file
        beside.replace(target)
    except OSError as error:
        raise FinopsError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        # Where nothing could be made, nothing can be removed; the reason for that is told already.
        with suppress(OSError):
            beside.unlink()
