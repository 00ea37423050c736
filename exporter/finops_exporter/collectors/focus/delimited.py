"""What is read of a CSV file without DuckDB: its header, its checksum, and where it is broken."""

from __future__ import annotations

import csv
import gzip
import zlib
from io import TextIOWrapper
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20
csv.field_size_limit(1 << 30)


class Reject(Exception):  # noqa: N818 - it is a verdict on a file, not an error of ours
    """The file is left out: reason, message, and where it is known row, column and rows."""

    def __init__(self, reason: str, message: str, **place: Any) -> None:
        super().__init__(message)
        self.fields = {"reason": reason, "message": message, **place}


def verify_gzip(path: Path) -> None:
    """Read it once through: DuckDB notices a cut, but does not compare the checksum."""
    try:
        with gzip.open(path) as file:
            while file.read(_CHUNK):
                pass
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise Reject(
            "bad_gzip", f"cannot be decompressed ({error}); export or copy it again"
        ) from None


def _lines(path: Path, *, gzipped: bool) -> TextIOWrapper:
    """The text of a CSV file; bytes that are not UTF-8 become lone surrogates."""
    file = gzip.GzipFile(path) if gzipped else path.open("rb")
    return TextIOWrapper(file, encoding="utf-8-sig", errors="surrogateescape", newline="")


def header(path: Path, *, gzipped: bool) -> list[str]:
    """The column names."""
    with _lines(path, gzipped=gzipped) as file:
        for above, fields in enumerate(csv.reader(file)):
            if fields and above:
                # DuckDB loses every row of such a file when its line ends differ.
                raise Reject("bad_csv", "blank lines stand above the header; remove them")
            if fields:
                return fields
    raise Reject("empty_file", "the file has no text, not even a header; export it again")


def locate(path: Path, *, gzipped: bool) -> Reject | None:
    """Find the row that cannot be split into fields; slow, but only wrong files come here."""
    with _lines(path, gzipped=gzipped) as file:
        rows = (fields for fields in csv.reader(file, strict=True) if fields)
        width = len(next(rows))
        row = 0
        try:
            for row, fields in enumerate(rows, 1):
                if any(not field.isascii() and _undecoded(field) for field in fields):
                    return Reject(
                        "not_utf8",
                        "holds bytes that are not UTF-8; save the file as UTF-8",
                        row=row,
                    )
                if len(fields) != width:
                    return Reject(
                        "bad_csv",
                        f"has {len(fields)} fields where the header has {width};"
                        " put fields that hold a comma or a line break in double quotes",
                        row=row,
                    )
        except csv.Error as broken:
            return Reject("bad_csv", f"is not valid CSV ({broken})", row=row + 1)
    return None


def _undecoded(field: str) -> bool:
    return any("\udc80" <= letter <= "\udcff" for letter in field)
