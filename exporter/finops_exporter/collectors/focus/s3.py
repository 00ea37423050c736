"""Objects of S3, and of stores that speak its language; imported only where one is configured."""

from __future__ import annotations

from contextlib import closing, contextmanager
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

from botocore.exceptions import ClientError, FlexibleChecksumError, IncompleteReadError

from finops_exporter.collectors.aws_access import Clients, RefusedError, code, message
from finops_exporter.collectors.aws_options import Access
from finops_exporter.collectors.focus.objects import ObjectError, StoredObject
from finops_exporter.errors import CollectError
from finops_exporter.model import Api

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from threading import Event

    from finops_exporter.collectors import Ask
    from finops_exporter.collectors.focus.options import FocusOptions

# Prices of S3 Standard in us-east-1, 2026-11: $0.005 per 1,000 LIST, $0.0004 per 1,000 GET.
LIST = Api("aws", "s3:ListObjectsV2", Decimal("0.000005"))
GET = Api("aws", "s3:GetObject", Decimal("0.0000004"))

RANGE = 64 * 1024 * 1024
"""A GET asks for so many bytes at most: what breaks off is repeated from there, not from 0."""

CHUNK = 1024 * 1024
"""So many bytes are in memory at once."""

_CHANGED = {"PreconditionFailed", "412", "InvalidRange"}
_VANISHED = {"NoSuchKey", "404"}


class S3Store:
    """Buckets of S3; see objects.ObjectStore."""

    listing_api = LIST
    fetching_api = GET

    def __init__(self, options: FocusOptions, source: str) -> None:
        self._clients = Clients(options.aws or Access(), source)
        self._source = source

    def objects(self, bucket: str, prefix: str, ask: Ask) -> Iterator[StoredObject]:
        """All objects whose key begins with `prefix`; one page a call."""
        wanted = {"Bucket": bucket, "Prefix": prefix}
        seen: set[str] = set()
        while True:
            with self._explained(bucket):
                page = self._clients.call(
                    ask, LIST, "s3", partial(_page, wanted), member="IsTruncated"
                )
            for one in page.get("Contents", ()):
                yield StoredObject(
                    "s3", bucket, one["Key"], one["Size"], one["ETag"], one["LastModified"]
                )
            if not page.get("IsTruncated"):
                return
            token = page.get("NextContinuationToken", "")
            if not token or token in seen:
                raise ObjectError("unreadable", f"{bucket} gives no way to the rest of its listing")
            seen.add(token)
            wanted["ContinuationToken"] = token

    def fetches(self, size: int) -> int:
        """An object without a byte needs no GET."""
        return -(-size // RANGE)

    def fetch(self, one: StoredObject, into: Path, ask: Ask, stop: Event) -> Iterator[int]:
        """Write the object to `into`, each GET only if it is still the one that was listed."""
        with into.open("wb") as file:
            for start in range(0, one.size, RANGE):
                end = min(start + RANGE, one.size)
                with self._explained(one.bucket):
                    get = partial(_get, one, file, (start, end), stop)
                    self._clients.call(ask, GET, "s3", get)
                yield end

    def retry_after(self, error: Exception) -> timedelta | None:
        """A body that broke off or does not fit its checksum is asked for again."""
        if isinstance(error, IncompleteReadError | FlexibleChecksumError):
            return timedelta()
        return self._clients.retry_after(error)

    @contextmanager
    def _explained(self, bucket: str) -> Iterator[None]:
        try:
            yield
        except RefusedError as error:
            text = str(error).removeprefix(f"{self._source}: ")
            raise ObjectError("refused", text) from error
        except ClientError as error:
            raise _verdict(error, bucket) from error


def _page(wanted: dict[str, str], client: Any) -> Any:
    return client.list_objects_v2(**wanted)


def _get(
    one: StoredObject, file: BinaryIO, bounds: tuple[int, int], stop: Event, client: Any
) -> None:
    """Write the bytes from the first of `bounds` to before the second; the rest is cut off."""
    start, end = bounds
    wanted = {"Bucket": one.bucket, "Key": one.key, "IfMatch": one.etag}
    if bounds != (0, one.size):
        wanted["Range"] = f"bytes={start}-{end - 1}"
    file.seek(start)
    file.truncate()
    answer = client.get_object(**wanted)
    with closing(answer["Body"]) as body:
        # A store that does not know If-Match must not slip another object in.
        whole = answer.get("ContentRange", f"/{answer['ContentLength']}").rpartition("/")[2]
        if whole != str(one.size) or answer["ContentLength"] != end - start:
            raise _changed()
        for chunk in body.iter_chunks(CHUNK):
            if stop.is_set():
                raise CollectError(f"{one.url}: stopped before it was fetched")
            file.write(chunk)
    if file.tell() != end:
        raise _changed()


def _verdict(error: ClientError, bucket: str) -> ObjectError:
    match code(error):
        case found if found in _CHANGED:
            return _changed()
        case found if found in _VANISHED:
            return ObjectError("changed_while_read", "has vanished; it is read when it is back")
        case "InvalidObjectState":
            return ObjectError(
                "archived", "is archived; restore it, or leave it out of the pattern"
            )
        case "NoSuchBucket":
            return ObjectError("unreadable", f"there is no bucket {bucket}; correct its name")
        case found:
            return ObjectError("unreadable", f"S3 says {found}: {message(error)}")


def _changed() -> ObjectError:
    return ObjectError(
        "changed_while_read", "changed while it was read; it is read again next time"
    )
