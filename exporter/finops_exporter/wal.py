"""The logs of PostgreSQL servers: read in the background, each in a thread, never at a scrape."""

from __future__ import annotations

import threading
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import structlog
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector, CollectorRegistry

from finops_exporter.errors import StoreError
from finops_exporter.exposition.catalogue import WAL_BYTES
from finops_exporter.store.wal import connected, position

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from prometheus_client.core import Metric

    from finops_exporter.postgres_config import WatchedDatabase
    from finops_exporter.store.database import Connection, Database
    from finops_exporter.store.wal import Position

    Connect: TypeAlias = Callable[[], AbstractContextManager[Connection]]

log = structlog.get_logger()


class Growth:
    """A counter out of positions: it begins with the first one and never falls.

    Another server, or another timeline of the same, begins elsewhere: only what is written from
    then on counts. Taken for a counter's reset, terabytes that lie before would count as new.
    """

    def __init__(self) -> None:
        self._last: Position | None = None
        self._written = 0

    def at(self, newest: Position) -> int:
        """The counter, in bytes, once the log ends at `newest`."""
        last = self._last
        if last is None:
            self._written = newest.written
        elif newest[:2] == last[:2]:
            if newest.written <= last.written:
                # A standby that starts anew has received less than before, for a while.
                return self._written
            self._written += newest.written - last.written
        self._last = newest
        return self._written


class Watch:
    """One database: `written` is its counter in bytes, None while it is not known."""

    def __init__(self, config: WatchedDatabase, connect: Connect) -> None:
        self.name = config.name
        self.written: int | None = None
        self._config = config
        self._connect = connect
        self._growth = Growth()
        self._problem: str | None = None

    def look(self) -> None:
        """Ask once; what goes wrong is told once, until it goes well again."""
        try:
            with self._connect() as connection:
                self.written = self._growth.at(position(connection, self._config.timeout))
        except StoreError as error:
            self.written = None
            if self._problem is None:
                log.warning("a log cannot be read", database=self.name, error=str(error))
            self._problem = str(error)
        else:
            if self._problem is not None:
                log.info("a log can be read again", database=self.name)
            self._problem = None

    def run(self, stop: threading.Event) -> None:
        """Look at every interval until `stop`."""
        while not stop.is_set():
            try:
                self.look()
            except Exception:  # a mistake of ours must not end the watch
                self.written = None
                log.exception("a log could not be looked at", database=self.name)
            stop.wait(self._config.interval.total_seconds())


class WalMeter(Collector):
    """Shows the counters that are known."""

    def __init__(self, watches: Sequence[Watch]) -> None:
        self._watches = watches

    def describe(self) -> Iterator[Metric]:
        """Nothing beforehand: what is not known is absent."""
        yield from ()

    def collect(self) -> Iterator[Metric]:
        """The family, with a sample of each database that answered last."""
        family = CounterMetricFamily(WAL_BYTES.name, WAL_BYTES.help, labels=WAL_BYTES.labels)
        for watch in self._watches:
            # Read once: a thread may replace it meanwhile.
            if (written := watch.written) is not None:
                family.add_metric([watch.name], written)
        if family.samples:
            yield family


@contextmanager
def watching(
    configured: Sequence[WatchedDatabase], own: Database, registry: CollectorRegistry
) -> Iterator[None]:
    """Watch the databases inside, and show them in `registry`; `own` is the one without a URL.

    Each has a thread of its own: one that hangs holds up nobody, nor the end of the process.
    """
    watches = [Watch(one, _way_to(one, own)) for one in configured]
    stop = threading.Event()
    with ExitStack() as stack:
        if watches:
            meter = WalMeter(watches)
            registry.register(meter)
            stack.callback(registry.unregister, meter)
        stack.callback(stop.set)
        for watch in watches:
            threading.Thread(
                target=watch.run, args=[stop], name=f"wal {watch.name}", daemon=True
            ).start()
        yield


def _way_to(config: WatchedDatabase, own: Database) -> Connect:
    if config.url is None:
        return own.connection
    url = config.url.get_secret_value()
    return lambda: connected(url, config.timeout)
