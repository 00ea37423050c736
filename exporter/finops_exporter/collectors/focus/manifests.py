"""What a manifest says that a delivery consists of: pure, no I/O.

Three kinds are known: of AWS Data Exports (`dataFiles`, addresses), of AWS' older Cost and Usage
Reports (`bucket` and `reportKeys`) and of Azure's exports (`blobs`, by name in their container).
"""

from __future__ import annotations

import json
from collections import defaultdict
from os.path import commonprefix
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from finops_exporter.collectors.focus.objects import StoredObject

Named = tuple[str, str]
"""Bucket and key of an object."""


def named_in(content: bytes, manifest: StoredObject) -> list[Named]:
    """The data files that the manifest names, each once, in its order.

    Raises ValueError with a sentence when it is none, or names nothing.
    """
    try:
        told = json.loads(content)
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})") from error
    except RecursionError:
        raise ValueError("is not JSON (it is nested too deeply)") from None
    if not isinstance(told, dict):
        raise ValueError("is no manifest: it must be a JSON object")  # noqa: TRY004 - of a file
    found = list(dict.fromkeys(_named(told, manifest)))
    if not found:
        raise ValueError("names no data file")
    return found


def _named(told: dict[str, Any], manifest: StoredObject) -> Iterator[Named]:
    if "dataFiles" in told:
        for one in _texts(told, "dataFiles"):
            yield _located(one, manifest)
    elif "reportKeys" in told:
        bucket = told.get("bucket", manifest.bucket)
        for one in _texts({"bucket": [bucket]}, "bucket"):
            bucket = one
        for one in _texts(told, "reportKeys"):
            yield bucket, one
    elif "blobs" in told:
        blobs = told["blobs"]
        if not isinstance(blobs, list) or not all(isinstance(blob, dict) for blob in blobs):
            raise ValueError("is malformed: blobs must be a list of objects")
        for one in _texts({"blobName": [blob.get("blobName") for blob in blobs]}, "blobName"):
            yield manifest.bucket, one
    else:
        raise ValueError("is no manifest that is known: it has no dataFiles, reportKeys or blobs")


def _texts(told: dict[str, Any], key: str) -> list[str]:
    values = told[key]
    if not isinstance(values, list) or not all(isinstance(one, str) and one for one in values):
        raise ValueError(f"is malformed: {key} must hold names of files")
    return values


def _located(address: str, manifest: StoredObject) -> Named:
    """The object at a full address, or else at a key in the manifest's own bucket."""
    scheme, separator, rest = address.partition("://")
    if not separator:
        return manifest.bucket, address
    bucket, _, key = rest.partition("/")
    if scheme != manifest.scheme or not bucket or not key:
        raise ValueError(f"names {address!r}, which is no {manifest.scheme}:// address of a file")
    return bucket, key


def prefixes(named: Iterable[Named]) -> list[Named]:
    """What to list to see all of the named objects: per folder, what their keys have in common."""
    folders: dict[Named, list[str]] = defaultdict(list)
    for bucket, key in named:
        folders[bucket, key.rpartition("/")[0]].append(key)
    return [
        (bucket, commonprefix(keys))  # noqa: RUF071 - a listing goes by characters
        for (bucket, _), keys in folders.items()
    ]
