"""An Ask without a kernel: repeats what a collector calls transient, and counts; waits for none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import timedelta

    from finops_exporter.model import Api

T = TypeVar("T")

ATTEMPTS = 6


class Source(Protocol):
    """Whoever says which errors pass."""

    def retry_after(self, error: Exception) -> timedelta | None:
        """See collectors.Collector."""


class Asked:
    """For one source; `calls` by the name of the API, and the `waits` that were asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.calls: Counter[str] = Counter()
        self.waits: list[timedelta] = []

    def __call__(
        self, api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None
    ) -> T:
        for attempt in range(1, ATTEMPTS + 1):
            prepare()
            self.calls[api.name] += 1
            try:
                return call()
            except Exception as error:
                wait = self._source.retry_after(error)
                if wait is None or attempt == ATTEMPTS:
                    raise
                self.waits.append(wait)
        raise AssertionError("the last attempt returns or raises")
