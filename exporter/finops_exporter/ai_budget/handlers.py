"""Answers the requests of the API: what each of them asks of the ledger and of the prices."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from finops_exporter.ai_budget import answers, problems
from finops_exporter.ai_model import (
    FUTURE,
    PAST,
    TIER_LIMITS,
    BudgetChange,
    Check,
    Conflict,
    Refusal,
    Track,
)
from finops_exporter.errors import UnavailableError, UsageError
from finops_exporter.model import duration_text
from finops_exporter.web.api.problem import NOT_FOUND, ProblemError, invalid
from finops_exporter.web.api.route import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from finops_exporter.ai_budget.requests import (
        Call,
        CheckRequest,
        Nothing,
        OneTenant,
        SetRequest,
        Top,
        TrackRequest,
    )
    from finops_exporter.ai_budget.service_ports import Found, Ledger, PriceList, TokensOf
    from finops_exporter.ai_config import Ai
    from finops_exporter.ai_model import Tokens

UNPRICED_WAIT = timedelta(hours=1)
"""When to ask again for a model without a price: somebody has to configure it."""


class Budgets:
    """Answers what the routes are asked; `clock` gives the time, aware."""

    def __init__(
        self,
        ledger: Ledger,
        prices: PriceList,
        tokens_of: TokensOf,
        config: Ai,
        clock: Callable[[], datetime],
    ) -> None:
        self._ledger = ledger
        self._prices = prices
        self._tokens_of = tokens_of
        self._config = config
        self._clock = clock

    async def health(self, _asked: Nothing) -> Answer:
        """Whether the ledger can be asked."""
        if not self._ledger.is_up:
            raise UnavailableError("the database of the ledger is away")
        return Answer(answers.Health())

    async def tenant(self, asked: OneTenant) -> Answer:
        """How a tenant's budgets stand."""
        states = await self._ledger.status(asked.id)
        if not states:
            raise ProblemError(NOT_FOUND, "this tenant has no budget")
        return Answer(answers.tenant_status(asked.id, states))

    async def check(self, asked: CheckRequest) -> Answer:
        """Hold what a call can cost at most."""
        most = asked.max_output_tokens
        if most is None:
            most = self._config.default_max_output_tokens
        tokens = self._tokens(asked, most)
        price = self._prices.find(asked.model, self._clock())
        if price is None:
            return self._unpriced(asked)
        cost = price.cost(tokens, batch=asked.batch)
        found = await self._ledger.check(
            Check(asked.request_id, asked.tenant_id, asked.model, cost, asked.print())
        )
        if isinstance(found, Refusal):
            raise problems.refusal(found, cost)
        if isinstance(found, Conflict):
            raise problems.conflict(found)
        return Answer(answers.admitted(found), answers.warning(found))

    async def track(self, asked: TrackRequest) -> Answer:
        """Count what a call has cost, once."""
        now = self._clock()
        _refuse_wrong_clock(asked.time, now)
        tokens = self._tokens(asked, asked.output_tokens)
        price = self._prices.find(asked.model, asked.time or now)
        if price is None:
            raise problems.unpriced_usage(asked.model, asked.request_id)
        found = await self._ledger.track(_track(asked, tokens, price))
        if isinstance(found, Refusal):
            raise problems.refusal(found, None)
        if isinstance(found, Conflict):
            raise problems.conflict(found)
        return Answer(answers.tracked(found), answers.warning(found))

    async def set(self, asked: SetRequest) -> Answer:
        """Set what is given of a budget."""
        limit = asked.monthly_limit_usd
        if limit is None and asked.tier is not None:
            limit = TIER_LIMITS.get(asked.tier)
            if limit is None:
                raise invalid("monthly_limit_usd", "required with the tier custom, which has none")
        if limit is None and not await self._exists(asked.tenant_id, asked.model):
            raise invalid("monthly_limit_usd", "a new budget needs a limit, or a tier that has one")
        change = BudgetChange(
            asked.tenant_id,
            asked.model,
            limit_usd=limit,
            soft_limit_ratio=asked.soft_limit_ratio,
            timezone=asked.timezone,
            fail_mode=asked.fail_mode,
            allowance_usd=asked.allowance_usd,
            enforce=asked.enforce,
            tier=asked.tier,
            owner=asked.owner,
            critical=asked.critical,
        )
        try:
            state = await self._ledger.put(change)
        except UsageError as error:
            raise invalid("timezone", str(error)) from None
        return Answer(answers.tenant_status(asked.tenant_id, [state]))

    async def top(self, asked: Top) -> Answer:
        """Who has spent the most."""
        return Answer(answers.top_consumers(await self._ledger.top_consumers(asked.limit)))

    def _tokens(self, asked: Call, output: int) -> Tokens:
        if asked.uses_a_cache and asked.cache_included is None:
            raise invalid(
                "cache_included",
                "required when tokens of caches are given: true where input_tokens counts them too "
                "(OpenAI, OpenTelemetry), false where it does not (Anthropic)",
            )
        try:
            return self._tokens_of(
                input_tokens=asked.input_tokens,
                output_tokens=output,
                cache_read=asked.cache_read_tokens,
                cache_write_5m=asked.cache_write_tokens,
                cache_write_1h=asked.cache_write_1h_tokens,
                cache_included=bool(asked.cache_included),
            )
        except ValueError as error:
            raise invalid("input_tokens", str(error)) from None

    def _unpriced(self, asked: CheckRequest) -> Answer:
        """Not admitted; where no budget is enforced, admitted with nothing held for it."""
        if self._config.enforce:
            self._ledger.refused_unpriced()
            refused = Refusal(asked.request_id, "unpriced", UNPRICED_WAIT)
            raise problems.refusal(refused, None)
        nothing = Decimal(0)
        return Answer(
            answers.Admitted(
                asked.request_id,
                allowed=True,
                reserved_usd=nothing,
                expires_at=None,
                usage_ratio=None,
                shadow_refusal="unpriced",
                fail_open=False,
            )
        )

    async def _exists(self, tenant_id: str, model: str) -> bool:
        states = await self._ledger.status(tenant_id)
        return any(state.budget.model == model for state in states)


def _track(asked: TrackRequest, tokens: Tokens, price: Found) -> Track:
    return Track(
        asked.request_id,
        asked.tenant_id,
        asked.model,
        tokens,
        price.cost(tokens, batch=asked.batch),
        price.source,
        asked.print(),
        asked.report_type,
        asked.time,
    )


def _refuse_wrong_clock(at: datetime | None, now: datetime) -> None:
    """Refuse what a clock says that is ahead of ours, or much behind."""
    if at is None or now - PAST <= at <= now + FUTURE:
        return
    shown, ours = (f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in (at, now))
    if at > now:
        text = f"your clock is {duration_text(at - now)} ahead: it says {shown}, ours {ours}"
        raise invalid("time", f"{text}; at most {duration_text(FUTURE)} are allowed")
    text = f"{shown} is {duration_text(now - at)} ago by our clock, which says {ours}"
    raise invalid("time", f"{text}; at most {duration_text(PAST)} are allowed")
