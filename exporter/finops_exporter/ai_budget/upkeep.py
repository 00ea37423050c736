"""What the ledger needs at times: lost calls are ended, rows of others priced, old rows deleted."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

import structlog

from finops_exporter.ai_model import FUTURE, PAST, Track
from finops_exporter.errors import FinopsError
from finops_exporter.store.ai_budgets import fail_open
from finops_exporter.store.ledger import (
    ContendedError,
    LockedError,
    Unpriced,
    count_priced,
    forget,
    forget_buckets,
    sweep,
    unpriced,
    unpriced_models,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from finops_exporter.ai_budget.fail_open import FailOpen
    from finops_exporter.ai_budget.ledger import Ledger
    from finops_exporter.ai_budget.meters import Meters
    from finops_exporter.ai_budget.pricing import PriceList
    from finops_exporter.ai_config import Ai
    from finops_exporter.store.database import Database

log = structlog.get_logger()

EVERY_SECONDS = 5.0
"""How often calls that were lost are looked for."""

FORGET_EVERY = timedelta(hours=1)
"""How often old rows are looked for."""

AT_ONCE = 1000
"""How many calls or rows are treated in one transaction."""

REMEMBER = PAST + FUTURE + timedelta(days=5)
"""A call is remembered at least as long as a repetition of its report would be accepted."""

BUCKETS_FOR = timedelta(days=9)
"""How long usage by five minutes is kept: the metrics look a week back, in any time zone."""


class Upkeep:
    """Does what is due; `round` and what it calls block. `server_now` as in Ledger."""

    def __init__(
        self,
        database: Database,
        config: Ai,
        prices: PriceList,
        meters: Meters,
        *,
        clock: Callable[[], datetime],
        fail_open: FailOpen | None = None,
        server_now: Callable[[], datetime | None] = lambda: None,
    ) -> None:
        self._database = database
        self._config = config
        self._prices = prices
        self._meters = meters
        self._clock = clock
        self._fail_open = fail_open
        self._server_now = server_now
        self._forgotten_at: datetime | None = None
        self._told: set[str] = set()
        self._problems: dict[str, str] = {}
        self._is_warned = False

    async def run(self, ledger: Ledger, stopping: asyncio.Event) -> None:
        """Do what is due every few seconds, until told to stop; what fails is tried again."""
        while not stopping.is_set():
            if await ledger.ask_whether_up():
                await asyncio.to_thread(self.round)
            try:
                async with asyncio.timeout(EVERY_SECONDS):
                    await stopping.wait()
            except TimeoutError:
                continue

    def round(self) -> None:
        """Do all that is due, each by itself; what fails alike is logged once."""
        for step in (self.sweep, self.price, self.renew, self.forget):
            try:
                step()
                self._problems.pop(step.__name__, None)
            except (ContendedError, LockedError):
                continue  # the next round is soon
            except FinopsError as error:
                is_new = str(error) not in self._problems.values()
                self._problems[step.__name__] = str(error)
                if is_new:
                    log.warning("the AI ledger could not be kept up", error=str(error))
            except Exception:
                # A mistake of ours must not end the process, which decides calls meanwhile.
                log.exception("the AI ledger could not be kept up")

    def renew(self) -> None:
        """Count the journal, and set aside anew what is due."""
        with self._database.connection() as connection:
            if self._fail_open is not None:
                self._fail_open.renew(connection)
                self._fail_open.adopt(connection)
            elif not self._is_warned and fail_open(connection, self._server_now()):
                self._is_warned = True
                log.warning(
                    "budgets with fail_open are not spent while the database is away: that needs a "
                    "folder that survives restarts, ai.journal_dir"
                )

    def sweep(self) -> None:
        """End the calls that were not reported in time."""
        charge = self._config.orphans == "charge"
        while True:
            with self._database.connection() as connection:
                ended, usd = sweep(connection, charge=charge, most=AT_ONCE, now=self._server_now())
            if ended:
                if charge:
                    self._meters.charged(ended)
                log.info("calls were not reported in time", calls=ended, charged_usd=str(usd))
            if ended < AT_ONCE:
                return

    def price(self) -> None:
        """Price the rows of other applications that say no cost, and count them."""
        with self._database.connection() as connection:
            models = unpriced_models(connection)
        unknown = [model for model in models if self._prices.find(model, self._clock()) is None]
        while len(unknown) < len(models):
            with self._database.connection() as connection, connection.transaction():
                found = unpriced(connection, unknown, AT_ONCE)
                priced = [(row, track) for row in found if (track := self._priced(row))]
                clashes = count_priced(connection, priced)
            self._tell_clashes(clashes)
            without = {row.model for row in found} - {row.model for row, _ in priced}
            unknown += [model for model in without if model not in unknown]
            if len(found) < AT_ONCE:
                break
        for model in set(unknown) - self._told:
            self._told.add(model)
            log.warning(
                "rows of ai_token_usage are not counted: their model has no price; give it one "
                "with ai.prices or ai.unknown_model",
                model=model,
            )

    def _tell_clashes(self, clashes: Sequence[str]) -> None:
        for request_id in clashes:
            if request_id not in self._told:
                self._told.add(request_id)
                log.warning(
                    "a row of ai_token_usage is not counted: its id belongs to another call",
                    request_id=request_id,
                )

    def _priced(self, row: Unpriced) -> Track | None:
        price = self._prices.find(row.model, row.time)
        if price is None:
            return None
        return Track(
            row.request_id,
            row.tenant_id,
            row.model,
            row.tokens,
            price.cost(row.tokens),
            price.source,
            "",
            row.report_type,
            row.time,
        )

    def forget(self) -> None:
        """Delete what is older than it is to be kept; sums and limits stay."""
        now = self._clock()
        if self._forgotten_at is not None and now - self._forgotten_at < FORGET_EVERY:
            return
        with self._database.connection() as connection:
            forget_buckets(connection, now - BUCKETS_FOR)
            if (keep := self._config.usage_retention) is not None:
                usage = calls = 0
                while rows := forget(connection, "usage", now - keep):
                    usage += rows
                while rows := forget(connection, "calls", now - max(keep, REMEMBER)):
                    calls += rows
                if usage or calls:
                    log.info("old AI usage is deleted; its sums stay", rows=usage, calls=calls)
        self._forgotten_at = now
