"""Which objects a pattern of a remote store stands for: pure, no I/O.

A pattern is `scheme://bucket/` and a glob over keys, read as a glob over files is: `*`, `?` and
`[...]` do not cross a `/`, `**` stands for any folders, and names with a leading dot are hidden.
A folder called `{version}` stands for the newest of the folders beside each other; a pattern that
ends in `.json` stands for manifests.
"""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from finops_exporter.collectors.focus.objects import StoredObject

VERSION = "{version}"
"""Stands in a pattern for folders of which only the newest is read."""

MANIFEST = ".json"
"""How the names of manifests end, in any case."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,253}[A-Za-z0-9]")
_MAGIC = re.compile(r"[*?\[]")
_ANY_FOLDERS = "**"


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern of a store; `segments` are the names between the slashes of its keys."""

    text: str
    scheme: str
    bucket: str
    segments: tuple[str, ...]

    @property
    def prefix(self) -> str:
        """What every key that matches begins with."""
        literal: list[str] = []
        for segment in self.segments:
            found = _MAGIC.search(segment)
            if found or segment == VERSION:
                return "/".join([*literal, segment[: found.start()] if found else ""])
            literal.append(segment)
        return "/".join(literal)

    @property
    def names_manifests(self) -> bool:
        """Whether it stands for manifests rather than for the data itself."""
        return self.segments[-1].lower().endswith(MANIFEST)

    @property
    def is_versioned(self) -> bool:
        """Whether it stands for the newest of folders beside each other."""
        return VERSION in self.segments

    def match(self, key: str) -> int | None:
        """Which of the names in `key` stands for `{version}` (-1 without one); None: no match."""
        return _match(self.segments, key.split("/"), 0)


def parsed(text: str, known: Iterable[str]) -> Pattern | None:
    """The pattern, or None for local files; raises ValueError for what can be neither."""
    url = _URL.fullmatch(text)
    if url is None:
        if VERSION in text.split("/"):
            raise ValueError(
                f"{VERSION} stands for folders of a remote store such as s3://; for local files"
                " name the folder or write *"
            )
        if text.lower().endswith(MANIFEST):
            raise ValueError(
                "manifests are read from a remote store such as s3:// only; for local files name"
                " the data, such as *.parquet"
            )
        return None
    scheme, rest = url[1].lower(), url[2]
    if scheme not in known:
        starts = " or ".join(f"{one}://" for one in sorted(known))
        raise ValueError(f"must be a local path or start with {starts}")
    bucket, _, keys = rest.partition("/")
    if not _BUCKET.fullmatch(bucket) or not keys or keys.endswith("/"):
        raise ValueError(f"must name a bucket and its objects, such as {scheme}://bucket/**/*.csv")
    segments = tuple(keys.split("/"))
    versions = [segment for segment in segments if VERSION in segment]
    if len(versions) > 1 or versions not in ([], [VERSION]) or segments[-1] == VERSION:
        raise ValueError(f"{VERSION} must be the whole name of one folder, and at most once")
    return Pattern(text, scheme, bucket, segments)


def _match(segments: Sequence[str], names: Sequence[str], place: int) -> int | None:
    """See Pattern.match; `place` is that of the first of `names` in the key."""
    if not segments:
        return None if names else -1
    first, rest = segments[0], segments[1:]
    if first == _ANY_FOLDERS:
        if not rest:
            return None if any(map(_is_hidden, names)) or not names else -1
        found = _match(rest, names, place)
        if found is not None or not names or _is_hidden(names[0]):
            return found
        return _match(segments, names[1:], place + 1)
    if not names or not _is_like(names[0], first):
        return None
    found = _match(rest, names[1:], place + 1)
    return place if found == -1 and first == VERSION else found


def _is_like(name: str, segment: str) -> bool:
    if segment == VERSION:
        return bool(name) and not _is_hidden(name)
    if not _MAGIC.search(segment):
        return name == segment
    if not name or (_is_hidden(name) and not segment.startswith(".")):
        return False
    return fnmatch.fnmatchcase(name, segment)


def _is_hidden(name: str) -> bool:
    return name.startswith(".")


def chosen(pattern: Pattern, listed: Iterable[StoredObject]) -> dict[str, list[StoredObject]]:
    """The objects of `listed` that `pattern` stands for, sorted by key, by what they make up.

    Each stands for itself under its own address, but without its version: so what a newer version
    holds takes the place of what the older one held. The data of a version make up one whole.
    """
    versions: dict[str, dict[str, list[StoredObject]]] = {}
    plain: list[StoredObject] = []
    for one in listed:
        place = pattern.match(one.key)
        if place is None or one.key.endswith("/"):
            continue
        if place < 0:
            plain.append(one)
            continue
        names = one.key.split("/")
        beside = "/".join([*names[:place], VERSION])
        versions.setdefault(beside, {}).setdefault(names[place], []).append(one)
    found = {one.url: [one] for one in plain}
    for beside, folders in versions.items():
        _, newest = max((_modified(objects), name) for name, objects in folders.items())
        for one in sorted(folders[newest], key=lambda one: one.key):
            found.setdefault(_whole(pattern, beside, one), []).append(one)
    return dict(sorted(found.items()))


def _whole(pattern: Pattern, beside: str, one: StoredObject) -> str:
    """What `one` belongs to, of the newest folder that stands for `beside`."""
    if pattern.names_manifests:
        rest: Sequence[str] = one.key.split("/")[beside.count("/") + 1 :]
    else:
        rest = pattern.segments[pattern.segments.index(VERSION) + 1 :]
    return f"{pattern.scheme}://{pattern.bucket}/{'/'.join([beside, *rest])}"


def _modified(objects: Iterable[StoredObject]) -> datetime:
    return max(one.modified for one in objects)
