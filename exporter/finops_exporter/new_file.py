"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import shutil
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def replaced(path: Path) -> Iterator[IO[bytes]]:
    """A file that takes the place of `path` when all went well, and leaves nothing otherwise.

    Links are followed, and whoever could not read the file before cannot read the new one. Raises
    FinopsError where it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise FinopsError(f"cannot write {path}: it is no ordinary file")
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            if target.exists():
                shutil.copymode(target, beside)
            yield file
        beside.replace(target)
    except OSError as error:
        raise FinopsError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        beside.unlink(missing_ok=True)
