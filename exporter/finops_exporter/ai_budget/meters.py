"""What a process knows of its own ledger: the metrics finops_ai_*; absent until it is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prometheus_client.core import Metric

OUTCOMES = (
    "admitted",
    "admitted_fail_open",
    "shadow_exceeded",
    "shadow_busy",
    "exceeded",
    "busy",
    "unpriced",
    "unknown_tenant",
    "conflict",
    "unavailable",
    "error",
)
"""How a check may end; error is a mistake of ours."""

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class Meters(Collector):
    """Counts what a process decides; `registry` shows it."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._checks = Counter(
            "finops_ai_checks",
            "Checks that this process has answered, by outcome.",
            ["outcome"],
            registry=registry,
        )
        for outcome in OUTCOMES:
            # From the start: an increase is seen only of what was there before.
            self._checks.labels(outcome)
        self._seconds = Histogram(
            "finops_ai_check_seconds",
            "How long a check took until its answer, seconds.",
            buckets=SECONDS,
            registry=registry,
        )
        self._orphans = Counter(
            "finops_ai_orphans_charged",
            "Calls that were admitted and never reported, which this process charged with what was "
            "held for them.",
            registry=registry,
        )
        self._registry = registry
        self._up: bool | None = None
        self._is_pending: Callable[[], bool] | None = None
        registry.register(self)

    def close(self) -> None:
        """Show nothing any more."""
        for one in (self, self._checks, self._seconds, self._orphans):
            self._registry.unregister(one)

    @property
    def is_up(self) -> bool:
        """Whether the ledger's database answered when it was asked last."""
        return bool(self._up)

    @property
    def is_down(self) -> bool:
        """Whether it did not answer then; False as long as it was not asked."""
        return self._up is False

    def checked(self, outcome: str, seconds: float) -> None:
        """A check was answered."""
        self._checks.labels(outcome).inc()
        self._seconds.observe(seconds)

    def charged(self, orphans: int) -> None:
        """Calls were charged that nobody reported."""
        self._orphans.inc(orphans)

    def database_is(self, *, up: bool) -> None:
        """The ledger's database answered, or did not."""
        self._up = up

    def follow(self, is_pending: Callable[[], bool]) -> None:
        """Show what this says at each scrape: whether there are calls the database knows not of.

        It is asked because nobody could tell us in time: what counts them waits for the database.
        """
        self._is_pending = is_pending

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: what is not known is absent."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """The gauges that are known."""
        if self._up is not None:
            yield GaugeMetricFamily(
                "finops_ai_ledger_database_up",
                "Whether the database of the AI ledger answered when it was asked last.",
                value=float(self._up),
            )
        if self._is_pending is not None:
            yield GaugeMetricFamily(
                "finops_ai_ledger_fail_open",
                "Whether calls are admitted without the database, or wait to be counted.",
                value=float(self._is_pending()),
            )
