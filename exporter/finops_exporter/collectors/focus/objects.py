"""The seam to stores of objects (S3 and its like): list, fetch, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime, timedelta
    from pathlib import Path
    from threading import Event

    from finops_exporter.collectors import Ask
    from finops_exporter.model import Api


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a listing tells it; other content means another `etag`.

    `size` is in bytes, `modified` an aware UTC datetime.
    """

    scheme: str
    bucket: str
    key: str
    size: int
    etag: str
    modified: datetime

    @property
    def url(self) -> str:
        """Its address, as people write it."""
        return f"{self.scheme}://{self.bucket}/{self.key}"


class ObjectError(Exception):
    """One place or object cannot be read, and others may be.

    `reason` is a short, stable word for metrics; the text is a sentence without its subject.
    """

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class ObjectStore(Protocol):
    """One kind of store; raises CollectError when there is no way in at all.

    `listing_api` and `fetching_api` are what a page of a listing and a GET are counted and paid as.
    """

    listing_api: Api
    fetching_api: Api

    def objects(self, bucket: str, prefix: str, ask: Ask) -> Iterator[StoredObject]:
        """All objects whose key begins with `prefix`, in any order; raises ObjectError."""
        ...

    def fetches(self, size: int) -> int:
        """How many GETs it takes to fetch an object of `size` bytes."""
        ...

    def fetch(self, one: StoredObject, into: Path, ask: Ask, stop: Event) -> Iterator[int]:
        """Write exactly what was listed to `into`; yields how many bytes are there, now and then.

        Raises ObjectError, and CollectError soon after `stop` is set.
        """
        ...

    def retry_after(self, error: Exception) -> timedelta | None:
        """See collectors.Collector.retry_after."""
        ...
