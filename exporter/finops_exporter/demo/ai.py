"""The demo's AI tenants: invented calls of 35 days, a pure function of `now`, a seed and the past.

In the month of `now`, by each tenant's own clock, one of them is above its soft limit and below its
limit, and one has used up all of it; whatever day it is, also in the first minute of a month. The
others use what they need, which is far less than they may.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from zoneinfo import ZoneInfo

from finops_exporter.ai_model import TIER_LIMITS, BudgetChange, Check, Tokens, UsageRow
from finops_exporter.demo.tenants import MODEL_BUDGETS, TENANTS, Use

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from finops_exporter.demo.tenants import DemoTenant

Price: TypeAlias = "Callable[[str, datetime, Tokens], tuple[Decimal, str]]"
"""What a call of a model costs at an instant, and where the price comes from."""

DAYS = 35
"""How far back the calls reach."""

SOFT_SHARE, SOFT_GROWTH, HARD_SHARE = 0.84, 0.08, 1.02
"""How much of their limits the tenants use that are near theirs: the first grows with the month."""

_HOUR = timedelta(hours=1)
_SECOND = "%Y%m%dT%H%M%S"
_LARGEST = 3.0
_LEAST_USD = 0.05
"""What is not worth a call."""


class _Call(NamedTuple):
    """A call before its tokens are known; `size` times as large as a usual one."""

    id: str
    time: datetime
    use: Use
    size: float


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of an hour in which a tenant makes calls."""

    start: datetime
    end: datetime

    @property
    def hours(self) -> float:
        return (self.end - self.start) / _HOUR


def ai_budgets() -> tuple[BudgetChange, ...]:
    """The tenants' budgets: over all models as their tiers say, and a few of single models."""
    return (
        *(
            BudgetChange(
                one.id,
                limit_usd=TIER_LIMITS[one.tier],
                timezone=one.zone,
                tier=one.tier,
                owner=one.owner,
                critical=one.tier == "enterprise",
            )
            for one in TENANTS
        ),
        *(
            BudgetChange(tenant, model, limit_usd=limit)
            for (tenant, model), limit in MODEL_BUDGETS.items()
        ),
    )


def refused_call(now: datetime, price: Price) -> Check:
    """A call that does not fit the budget which is used up: so that one was refused."""
    tenant = next(one for one in TENANTS if one.shows == "exceeded")
    use = tenant.uses[0]
    usd, _ = price(use.model, now, use.tokens)
    return Check(f"demo-{tenant.id}-{now:{_SECOND}}-check", tenant.id, use.model, usd, "demo", now)


def ai_usage(
    now: datetime,
    price: Price,
    past: Mapping[str, tuple[datetime, Decimal]] | None = None,
    seed: int = 0,
) -> Iterator[UsageRow]:
    """The calls until `now` (aware), which go on from what is stored already.

    That is the `past` by tenant: when its newest call was made, and what it has used this month.
    """
    now = now.astimezone(UTC)
    for tenant in TENANTS:
        last, used_usd = (past or {}).get(tenant.id, (now - timedelta(days=DAYS), Decimal(0)))
        yield from _Tenant(tenant, now, price, last=last, used_usd=used_usd, seed=seed).rows()


def month_start(now: datetime, zone: str) -> datetime:
    """When the month of `now` began by the clock of a zone, in UTC."""
    local = now.astimezone(ZoneInfo(zone))
    return datetime(local.year, local.month, 1, tzinfo=local.tzinfo).astimezone(UTC)


class _Tenant:
    """Makes the calls of a tenant until `now` that are not made yet."""

    def __init__(
        self,
        tenant: DemoTenant,
        now: datetime,
        price: Price,
        *,
        last: datetime,
        used_usd: Decimal,
        seed: int,
    ) -> None:
        self._tenant, self._now, self._price, self._seed = tenant, now, price, seed
        self._zone = ZoneInfo(tenant.zone)
        self._since = max(last, now - timedelta(days=DAYS))
        self._used_usd = float(used_usd)
        self._usual = {use: float(price(use.model, now, use.tokens)[0]) for use in tenant.uses}

    def rows(self) -> Iterator[UsageRow]:
        begin = month_start(self._now, self._tenant.zone) if self._tenant.shows else self._now
        for stretch in _stretches(self._since, begin):
            for call in self._calls(stretch, self._needs(stretch)):
                yield self._row(call, call.size)
        if self._tenant.shows:
            yield from self._near_the_limit(max(self._since, begin))

    def _near_the_limit(self, since: datetime) -> Iterator[UsageRow]:
        """Calls that make up what is lacking, spread over the time as the usual ones are."""
        lacking = self._target() - self._used_usd
        if lacking < _LEAST_USD:
            return
        # In the first instant of a month there is no time to spread them over.
        stretches = list(_stretches(since, self._now)) or [_Stretch(self._now, self._now)]
        needs = [self._needs(one) for one in stretches]
        if not any(count for need in needs for count in need.values()):
            needs = [{use: float(use.calls) for use in need} for need in needs]
        whole = sum(self._usual[use] * count for need in needs for use, count in need.items())
        calls = [
            call
            for stretch, need in zip(stretches, needs, strict=True)
            for call in self._calls(
                stretch, {use: count * lacking / whole for use, count in need.items()}
            )
        ] or [_Call(f"demo-{self._tenant.id}-{self._now:{_SECOND}}", self._now, *self._first())]
        usual = sum(self._usual[call.use] * call.size for call in calls)
        for call in calls:
            yield self._row(call, call.size * lacking / usual)

    def _target(self) -> float:
        """What the tenant has used of its limit by now, in US dollars."""
        limit = float(TIER_LIMITS[self._tenant.tier])
        if self._tenant.shows == "exceeded":
            return limit * HARD_SHARE
        elapsed = (self._now - month_start(self._now, self._tenant.zone)) / timedelta(days=31)
        return limit * (SOFT_SHARE + SOFT_GROWTH * elapsed)

    def _first(self) -> tuple[Use, float]:
        """The tenant's first use, in its usual size."""
        return self._tenant.uses[0], 1.0

    def _needs(self, stretch: _Stretch) -> dict[Use, float]:
        """How many calls of each use there usually are in it."""
        local = stretch.start.astimezone(self._zone)
        # Days differ, and each differs by itself: the same, whoever asks.
        day = self._chance(f"{local:%Y-%m-%d}").uniform(0.85, 1.15)
        return {use: use.at(local) * stretch.hours * day for use in self._tenant.uses}

    def _calls(self, stretch: _Stretch, needs: Mapping[Use, float]) -> Iterator[_Call]:
        mark = f"{self._tenant.id}-{stretch.start:{_SECOND}}"
        chance = self._chance(f"{stretch.start:{_SECOND}}")
        number = 0
        for use, count in needs.items():
            for _ in range(int(count + chance.random())):
                time = stretch.start + (stretch.end - stretch.start) * chance.random()
                size = min(chance.lognormvariate(-0.05, 0.3), _LARGEST)  # of mean 1
                yield _Call(f"demo-{mark}-{number}", time, use, size)
                number += 1

    def _row(self, call: _Call, size: float) -> UsageRow:
        """The call, with `size` times the tokens of a usual one."""
        use, usual = call.use, call.use.tokens
        tokens = Tokens(
            round(usual.input * size),
            round(usual.output * size),
            round(usual.cache_read * size),
            round(usual.cache_write_5m * size),
            round(usual.cache_write_1h * size),
        )
        usd, source = self._price(use.model, call.time, tokens)
        return UsageRow(
            call.id, call.time, self._tenant.id, use.model, tokens, usd, source, use.report
        )

    def _chance(self, key: str) -> random.Random:
        """The same chances for the same key, on any machine."""
        return random.Random(f"{self._seed}/{self._tenant.id}/{key}")  # noqa: S311 -- no secret


def _stretches(since: datetime, until: datetime) -> Iterator[_Stretch]:
    """The time in between, cut at full hours (UTC)."""
    start = since
    while start < until:
        end = min(start.replace(minute=0, second=0, microsecond=0) + _HOUR, until)
        yield _Stretch(start, end)
        start = end
