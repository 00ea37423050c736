"""Which files the configured patterns stand for, and which places could not be looked into."""

from __future__ import annotations

import glob
import os
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from finops_exporter.model import Rejected

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

FORMATS = (".csv", ".csv.gz", ".parquet")
"""How the names of readable files end, in any case."""

_GZIP = ".gz"

_ROOT_ONLY = "lost+found"
"""The folder at the top of many volumes that only root may enter; it holds nobody's files."""


@dataclass(frozen=True, slots=True)
class Listing:
    """The files to read by absolute path, sorted, each once; and what is left out.

    `skipped` was seen and is not for us; behind `unlisted` there may be files that were not seen.
    """

    files: dict[str, os.stat_result] = field(default_factory=dict)
    skipped: list[Rejected] = field(default_factory=list)
    unlisted: list[Rejected] = field(default_factory=list)


def listing(patterns: Sequence[str]) -> Listing:
    """Look up all patterns; ~ and $VARIABLES are expanded."""
    found = Listing()
    matches: set[str] = set()
    closed: dict[str, Rejected] = {}
    for pattern in patterns:
        expanded = os.path.expanduser(os.path.expandvars(pattern))  # noqa: PTH111 - a glob
        files = {path for path in _matches(expanded) if not os.path.isdir(path)}  # noqa: PTH112
        if not files:
            found.unlisted.append(no_match(pattern))
        matches |= files
        closed |= {folder.part: folder for folder in _closed(expanded)}
    found.unlisted.extend(closed[folder] for folder in sorted(closed))
    for path in sorted(matches):
        if not is_readable(path):
            found.skipped.append(unsupported(path))
            continue
        try:
            found.files[path] = Path(path).stat()
        except OSError as error:
            message = f"cannot be read: {error.strerror}"
            found.unlisted.append(Rejected(path, "unreadable", message))
    _drop_doubles(found)
    return found


def is_readable(name: str) -> bool:
    """Whether files of this name hold a format that can be read."""
    return name.lower().endswith(FORMATS)


def no_match(pattern: str) -> Rejected:
    """What is said of a pattern that stands for nothing."""
    message = "no file matches; correct the pattern, or export the files"
    return Rejected(pattern, "no_match", message)


def unsupported(path: str) -> Rejected:
    """What is said of a file that is not for us."""
    message = f"only {', '.join(FORMATS)} can be read; narrow the pattern"
    return Rejected(path, "unsupported_format", message)


def packed_twins(paths: Collection[str]) -> list[str]:
    """Those of `paths` whose uncompressed content is there as well."""
    return [path for path in paths if path.lower().endswith(_GZIP) and path[: -len(_GZIP)] in paths]


def packed_twin(path: str) -> Rejected:
    """What is said of one of them."""
    plain = path[: -len(_GZIP)]
    message = f"is {plain} once more, compressed; remove one of the two or narrow the pattern"
    return Rejected(path, "duplicate_file", message)


def _matches(pattern: str) -> set[str]:
    return {os.path.abspath(match) for match in glob.glob(pattern, recursive=True)}  # noqa: PTH100, PTH207 - Path would lose ** and resolve links


def _closed(pattern: str) -> Iterator[Rejected]:
    """The folders that the pattern leads into and that glob leaves out without a word."""
    parts = pattern.split("/")
    if parts[-1] == "**":
        parts.append("*")
    magic = [glob.escape(part) != part for part in parts]
    if not any(magic):
        return
    for place in range(magic.index(True), len(parts)):
        # A folder in which one known name is looked up need not be readable.
        is_listed = magic[place] or parts[place - 1 : place] == ["**"]
        for folder in _matches("/".join([*parts[:place], ""]) or "./"):
            if os.path.basename(folder) == _ROOT_ONLY:  # noqa: PTH119 - a plain string
                continue
            try:
                Path(folder, "..").stat()  # needs the right to enter it
                if is_listed:
                    os.scandir(folder).close()
            except OSError as error:
                message = (
                    f"cannot be listed: {error.strerror}; allow the exporter to read and enter"
                    " this folder, or narrow the pattern"
                )
                yield Rejected(folder, "unreadable", message)


def _drop_doubles(found: Listing) -> None:
    """Keep one path of each file; no costs may count twice because they have two names."""
    packed = packed_twins(found.files)
    names: dict[tuple[int, int], list[str]] = defaultdict(list)
    for path, stat in found.files.items():
        names[stat.st_dev, stat.st_ino].append(path)
    for paths in names.values():
        # A link such as latest.csv moves on from file to file, and the costs must not.
        for path in sorted(paths, key=lambda path: (_links(path), path))[1:]:
            del found.files[path]
    for path in packed:
        if found.files.pop(path, None) is not None:
            found.skipped.append(packed_twin(path))


def _links(path: str) -> int:
    """How many symbolic links the path goes through."""
    return sum(step.is_symlink() for step in (Path(path), *Path(path).parents))
