"""Every call of a remote API goes through here: paid, capped, retried, and ended with the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, TypeVar

from finops_exporter.errors import CollectError, NotSentError
from finops_exporter.model import money_text, utc_midnight
from finops_exporter.store import spending

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable
    from datetime import date, datetime

    from finops_exporter.collectors import Collector
    from finops_exporter.model import Api
    from finops_exporter.store.database import Connection

T = TypeVar("T")

ATTEMPTS = 6
"""So often is one call tried before its error counts."""

FIRST_WAIT = timedelta(seconds=1)
LONGEST_WAIT = timedelta(minutes=2)

LEAST_CAP_USD = Decimal(1)
"""What a source may pay a day at least, unless the configuration says less."""


_LATER = "it goes on with the first run after 00:00 UTC, or raise daily_cap_usd"


class CapReachedError(CollectError):
    """The source may not pay more today."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How calls wait: a clock (aware UTC), a wait and the dice for its jitter.

    The wait ends early when the run shall stop, and returns whether it did.
    """

    clock: Callable[[], datetime]
    wait: Callable[[timedelta], bool]
    dice: Random = field(default_factory=Random)

    @classmethod
    def until(cls, stop: threading.Event, clock: Callable[[], datetime]) -> Patience:
        """Real waiting, ended by `stop`."""
        return cls(clock, lambda wait: stop.wait(wait.total_seconds()))


class Asking:
    """The door of one run of one source; see collectors.Ask. Counts what it let through.

    `cap_usd` is what the source may pay on one day (UTC).
    """

    def __init__(
        self,
        connection: Connection,
        collector: Collector,
        deadline: datetime,
        patience: Patience,
    ) -> None:
        self._connection = connection
        self._collector = collector
        self._deadline = deadline
        self._patience = patience
        self.cap_usd = Decimal(0)
        self.requests = 0
        self.cost_usd = Decimal(0)

    def __call__(
        self, api: Api, call: Callable[[], T], prepare: Callable[[], object] = lambda: None
    ) -> T:
        """Make one call; see collectors.Ask."""
        for attempt in range(1, ATTEMPTS + 1):
            prepare()
            self._pay(api, retry=attempt > 1)
            try:
                return call()
            except Exception as error:
                if isinstance(error, NotSentError):
                    self._refund(api)
                wanted = self._collector.retry_after(error)
                if wanted is None or attempt == ATTEMPTS:
                    raise
                self._wait(max(wanted, self._back_off(attempt)), api, error)
        raise AssertionError("the last attempt returns or raises")

    def afford(self, least_usd: Decimal) -> None:
        """Raise CapReachedError when what is left today buys nothing that could be stored."""
        if least_usd <= self._left():
            return
        if least_usd > self.cap_usd:
            raise CapReachedError(
                f"{self._collector.name}: a run costs ${money_text(least_usd)} before anything"
                f" can be stored, more than the cap of ${money_text(self.cap_usd)} a day; raise "
                "daily_cap_usd"
            )
        raise CapReachedError(
            f"{self._collector.name}: ${money_text(max(self._left(), Decimal(0)))} of the cap of "
            f"${money_text(self.cap_usd)} a day is left, and a run costs "
            f"${money_text(least_usd)}; {_LATER}"
        )

    def spare(self, next_usd: Decimal, daily_usd: Decimal) -> None:
        """Raise CapReachedError when so much more would leave too little for today's other runs.

        `daily_usd` is what the source is planned to cost a day.
        """
        now = self._patience.clock()
        rest_of_day = utc_midnight(now.date() + timedelta(days=1)) - now
        needed = next_usd + daily_usd * Decimal(rest_of_day / timedelta(days=1))
        if needed > self._left():
            raise CapReachedError(
                f"{self._collector.name}: the history is not read to its end, because the rest of "
                f"the cap of ${money_text(self.cap_usd)} a day is needed for the newest days; "
                f"{_LATER}"
            )

    def _left(self) -> Decimal:
        return self.cap_usd - spending.spent(self._connection, self._collector.name, self._today)

    def _refund(self, api: Api) -> None:
        spending.refund(self._connection, self._collector.name, self._today, api)
        self.cost_usd -= api.request_usd

    @property
    def _today(self) -> date:
        return self._patience.clock().date()

    def _pay(self, api: Api, *, retry: bool) -> None:
        name = self._collector.name
        if self._patience.wait(timedelta()):
            raise CollectError(f"{name}: stopped before the run was through")
        if self._patience.clock() >= self._deadline:
            raise CollectError(f"{name}: took longer than its timeout")
        allowed = spending.pay(
            self._connection, name, self._today, api, cap_usd=self.cap_usd, retry=retry
        )
        if not allowed:
            raise CapReachedError(
                f"{name}: the cap of ${money_text(self.cap_usd)} a day is reached by asking "
                f"{api.name}; {_LATER}"
            )
        self.requests += 1
        self.cost_usd += api.request_usd

    def _back_off(self, attempt: int) -> timedelta:
        # Anywhere below the doubled wait: callers that were refused together come back apart.
        longest = min(LONGEST_WAIT, FIRST_WAIT * (1 << attempt))
        return longest * self._patience.dice.random()

    def _wait(self, wait: timedelta, api: Api, error: Exception) -> None:
        if self._patience.clock() + wait >= self._deadline:
            raise CollectError(
                f"{self._collector.name}: {api.name} cannot be asked again before the timeout: "
                f"{error}"
            ) from error
        if self._patience.wait(wait):
            raise CollectError(f"{self._collector.name}: stopped before the run was through")
