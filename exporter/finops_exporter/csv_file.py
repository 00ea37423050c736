"""CSV files of people: packed or not, and where in them something is wrong."""

from __future__ import annotations

import gzip
import io
import zlib
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Final

from finops_exporter.errors import FinopsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

GZIP: Final = b"\x1f\x8b"


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[str], Callable[[], int]]]:
    """The text of the file, unpacked if need be, and how many of its bytes were read so far.

    Raises FinopsError when it cannot be opened, or turns out to be unreadable inside.
    """
    try:
        with path.open("rb") as raw:
            packed = raw.read(len(GZIP)) == GZIP
            raw.seek(0)
            source = io.BufferedReader(gzip.GzipFile(fileobj=raw)) if packed else raw
            with io.TextIOWrapper(source, "utf-8-sig", newline="") as text:
                yield text, raw.tell
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise FinopsError(f"cannot read {path}: it is no whole gzip file ({error})") from error
    except UnicodeDecodeError as error:
        raise FinopsError(f"cannot read {path}: it is not UTF-8 ({error.reason})") from error
    except OSError as error:
        raise FinopsError(f"cannot read {path}: {error.strerror or error}") from error


def places(path: Path, header: Sequence[str], wanted: Sequence[str]) -> list[int]:
    """Where the wanted columns stand; raises FinopsError for one that is not there."""
    names = [name.strip() for name in header]
    if not any(names):
        raise FinopsError(f"{path} is empty: it has no header")
    for name in wanted:
        if name not in names:
            raise FinopsError(
                f"{path}, line 1: there is no column {name} (found: {', '.join(names)})"
            )
    return [names.index(name) for name in wanted]
