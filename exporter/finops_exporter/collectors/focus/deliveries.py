"""What the remote paths of a source stand for: parts, each of one object or of a whole delivery.

The files that a manifest names, and those of the newest of versions, are one part together: a newer
delivery takes the place of the older one as a whole or not at all.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from finops_exporter.collectors.focus.listing import (
    is_readable,
    no_match,
    packed_twin,
    packed_twins,
    unsupported,
)
from finops_exporter.collectors.focus.manifests import named_in, prefixes
from finops_exporter.collectors.focus.objects import ObjectError
from finops_exporter.collectors.focus.patterns import MANIFEST, chosen
from finops_exporter.collectors.focus.schemes import SCHEMES
from finops_exporter.model import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import timedelta

    from finops_exporter.collectors import Ask
    from finops_exporter.collectors.focus.objects import ObjectStore, StoredObject
    from finops_exporter.collectors.focus.options import FocusOptions
    from finops_exporter.collectors.focus.patterns import Pattern
    from finops_exporter.model import Api

T = TypeVar("T")

SPOOL_PREFIX = "finops-focus-"
"""How the names of our private folders begin."""

MOST_MANIFEST_BYTES = 16 * 1024 * 1024
"""A manifest that is larger is none."""


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The objects of each part by its key; what is left out (see listing.Listing); and the calls.

    No object belongs to two parts.
    """

    parts: dict[str, tuple[StoredObject, ...]] = field(default_factory=dict)
    skipped: list[Rejected] = field(default_factory=list)
    unlisted: list[Rejected] = field(default_factory=list)
    requests: Counter[Api] = field(default_factory=Counter)


class Remote:
    """The stores of a source and what is looked for in them."""

    def __init__(self, options: FocusOptions, source: str) -> None:
        self._patterns = options.remote()
        self._stores: dict[str, ObjectStore] = {
            scheme: _store(scheme, options, source)
            for scheme in sorted({pattern.scheme for pattern in self._patterns})
        }

    def listing(self, ask: Ask) -> Deliveries:
        """Look up all patterns, and read the manifests among what is found."""
        found = Deliveries()
        claimed: set[str] = set()
        for pattern in self._patterns:
            for key, objects in self._matches(pattern, _counted(ask, found.requests), found):
                own = tuple(one for one in objects if one.url not in claimed)
                claimed.update(one.url for one in own)
                if own:
                    found.parts[key] = own
        for url in packed_twins(found.parts):
            del found.parts[url]
            found.skipped.append(packed_twin(url))
        # Patterns may overlap; what they leave out is told once.
        found.skipped[:] = dict.fromkeys(found.skipped)
        found.unlisted[:] = dict.fromkeys(found.unlisted)
        return found

    def _matches(
        self, pattern: Pattern, ask: Ask, found: Deliveries
    ) -> Iterator[tuple[str, list[StoredObject]]]:
        """Each part that the pattern stands for; what is left out goes to `found`."""
        store = self._stores[pattern.scheme]
        try:
            matches = chosen(pattern, store.objects(pattern.bucket, pattern.prefix, ask))
        except ObjectError as error:
            told = Rejected(pattern.text, error.reason, f"cannot be listed: {error}")
            found.unlisted.append(told)
            return
        if not matches:
            found.unlisted.append(no_match(pattern.text))
        for key, objects in matches.items():
            if pattern.names_manifests:
                (manifest,) = objects
                try:
                    yield key, self._delivery(store, manifest, ask)
                except ObjectError as error:
                    found.unlisted.append(Rejected(manifest.url, error.reason, str(error)))
            else:
                yield key, [one for one in objects if is_readable(one.key)]
                others = (unsupported(one.url) for one in objects if not is_readable(one.key))
                found.skipped.extend(others)

    def _delivery(self, store: ObjectStore, manifest: StoredObject, ask: Ask) -> list[StoredObject]:
        """The objects that a manifest names, sorted; raises ObjectError unless all are there."""
        try:
            named = named_in(_content(store, manifest, ask), manifest)
        except ValueError as error:
            raise ObjectError("bad_manifest", f"{error}; export it again") from error
        present = {
            (one.bucket, one.key): one
            for bucket, prefix in prefixes(named)
            for one in store.objects(bucket, prefix, ask)
        }
        for bucket, key in named:
            url = f"{manifest.scheme}://{bucket}/{key}"
            if (bucket, key) not in present:
                text = f"names {url}, which is not there; its delivery is left out until it is"
                raise ObjectError("missing_file", text)
            if not is_readable(key):
                raise ObjectError("unsupported_format", f"names {url}: {unsupported(url).message}")
        return sorted((present[one] for one in named), key=lambda one: one.url)

    def store(self, scheme: str) -> ObjectStore:
        """The store behind a scheme that the configuration names."""
        return self._stores[scheme]

    def requests(self, objects: Iterable[StoredObject]) -> Counter[Api]:
        """What fetching the objects takes."""
        found: Counter[Api] = Counter()
        for one in objects:
            store = self._stores[one.scheme]
            found[store.fetching_api] += store.fetches(one.size)
        return found

    def usd_a_run(self, stored: Mapping[str, str]) -> Decimal:
        """What a run costs that finds nothing new: the listings, and the manifests among `stored`.

        Of longer listings only the first page counts.
        """
        usd = Decimal(0)
        for pattern in self._patterns:
            store = self._stores[pattern.scheme]
            usd += store.listing_api.request_usd
            if pattern.names_manifests:
                each = store.listing_api.request_usd + store.fetching_api.request_usd
                usd += each * sum(key.lower().endswith(MANIFEST) for key in stored)
        return usd

    def retry_after(self, error: Exception) -> timedelta | None:
        """See collectors.Collector.retry_after."""
        waits = (store.retry_after(error) for store in self._stores.values())
        return next((wait for wait in waits if wait is not None), None)


def _content(store: ObjectStore, manifest: StoredObject, ask: Ask) -> bytes:
    if manifest.size > MOST_MANIFEST_BYTES:
        raise ValueError(f"has {manifest.size} bytes, which no manifest has")
    with TemporaryDirectory(prefix=SPOOL_PREFIX) as folder:
        path = Path(folder, "manifest")
        for _ in store.fetch(manifest, path, ask, Event()):
            pass
        return path.read_bytes()


def _counted(ask: Ask, requests: Counter[Api]) -> Ask:
    def counting(
        api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None
    ) -> T:
        requests[api] += 1
        return ask(api, call, prepare)

    return counting


def _store(scheme: str, options: FocusOptions, source: str) -> ObjectStore:
    """The store behind addresses that begin with `scheme`."""
    known = SCHEMES[scheme]
    made: ObjectStore = getattr(import_module(known.module), known.name)(options, source)
    return made
