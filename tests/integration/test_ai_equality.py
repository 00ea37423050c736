"""The gauges equal the ledger (I11): chance makes calls, and sums over them are made by hand."""

from __future__ import annotations

import random
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias
from zoneinfo import ZoneInfo

import pytest

from finops_exporter.ai_model import Admission, Refusal, Tokens
from integration.ai_calls import HAIKU, OPUS, read
from integration.feeding import NOW

if TYPE_CHECKING:
    from integration.ai_calls import Calls, Shown

ZONES = {"west": "America/Los_Angeles", "home": "UTC", "east": "Asia/Tokyo", "nobody": "UTC"}
MODELS = (OPUS, HAIKU)
HOLD = timedelta(minutes=10)
Key: TypeAlias = tuple[str, str]


@dataclass
class Call:
    """What is known of a call: R under way, S reported, X charged without a report."""

    tenant: str
    model: str
    month: date
    reserved: Decimal | None
    expires: datetime
    state: str = "R"
    charged: Decimal = Decimal(0)
    tokens: Tokens = field(default_factory=Tokens)
    report: str = ""
    at: datetime = NOW


class Books:
    """Calls by name, limits, and the limits at which a call was refused in a month."""

    def __init__(self) -> None:
        self.calls: dict[str, Call] = {}
        self.limits: dict[Key, Decimal] = {}
        self.refused: dict[tuple[Key, date], Decimal] = {}

    def places(self, call: Call) -> list[Key]:
        return [(call.tenant, "*"), (call.tenant, call.model)]

    def spent(self, key: Key, month: date) -> Decimal:
        return sum(
            (call.charged for call in self.of(key, month) if call.state in "SX"), start=Decimal(0)
        )

    def of(self, key: Key, month: date) -> list[Call]:
        return [
            call for call in self.calls.values() if call.month == month and key in self.places(call)
        ]

    def expected(self, now: datetime) -> Shown:
        """The families, each as the sum that its HELP tells of."""
        found: dict[str, dict[tuple[str, ...], float]] = defaultdict(dict)
        months = {tenant: month_of(now, tenant) for tenant in ZONES}
        for (tenant, model), limit in self.limits.items():
            key, month = (tenant, model), months[tenant]
            held = [call.reserved or 0 for call in self.of(key, month) if call.state == "R"]
            found["ai_budget_limit_usd"][key] = float(limit)
            found["ai_budget_used_usd"][key] = float(self.spent(key, month))
            found["ai_budget_reserved_usd"][key] = float(sum(held))
            is_hit = limit <= self.refused.get((key, month), Decimal(-1))
            found["ai_budget_hard_limit_reached"][key] = float(is_hit)
        for tenant in ZONES:
            for model in MODELS:
                ended = [c for c in self.of((tenant, model), months[tenant]) if c.state in "SX"]
                if ended:
                    self._add_model(found, (tenant, model), ended)
        everything = (self.spent((tenant, "*"), months[tenant]) for tenant in ZONES)
        found["ai_budget_total_used_usd"][()] = float(sum(everything))
        under_way = sum(call.state == "R" for call in self.calls.values())
        found["finops_ai_open_reservations"][()] = under_way
        self._add_lately(found, now)
        return dict(found)

    def _add_model(self, found: Shown, key: Key, ended: list[Call]) -> None:
        found["ai_budget_cost_by_model_usd"][key] = float(sum(call.charged for call in ended))
        found["ai_budget_requests"][key] = sum(call.state == "S" for call in ended)
        for direction, kinds in (
            ("input", ("input",)),
            ("output", ("output",)),
            ("cache_read", ("cache_read",)),
            ("cache_write", ("cache_write_5m", "cache_write_1h")),
        ):
            numbers = [getattr(call.tokens, kind) for call in ended for kind in kinds]
            found["ai_budget_tokens"][*key, direction] = sum(numbers)

    def _add_lately(self, found: Shown, now: datetime) -> None:
        known = {call.tenant for call in self.calls.values()} | {name for name, _ in self.limits}
        for tenant in known:
            reported = [c for c in self.calls.values() if c.tenant == tenant and c.state == "S"]
            hour = [call for call in reported if step_of(call.at) > now - timedelta(hours=1)]
            found["ai_budget_tokens_last_hour"][tenant,] = sum(call.tokens.total for call in hour)
            found["ai_budget_cost_last_hour_usd"][tenant,] = float(
                sum(call.charged for call in hour)
            )
            over = (max(c.charged - c.reserved, Decimal(0)) for c in reported if c.reserved)
            found["ai_budget_estimate_overrun_usd_total"][tenant,] = float(sum(over))
            day = [c for c in reported if c.report and step_of(c.at) > now - timedelta(days=1)]
            for kind in {call.report for call in day}:
                of_kind = [call for call in day if call.report == kind]
                found["ai_budget_reports_24h"][tenant, kind] = len(of_kind)
                found["ai_budget_report_cost_24h_usd"][tenant, kind] = float(
                    sum(call.charged for call in of_kind)
                )


def month_of(now: datetime, tenant: str) -> date:
    return now.astimezone(ZoneInfo(ZONES[tenant])).date().replace(day=1)


def step_of(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 5 * 5, second=0, microsecond=0)


@pytest.mark.parametrize("seed", range(4))
def test_the_gauges_are_the_sums_over_all_calls(calls: Calls, seed: int) -> None:
    """Some days about the end of a month: refusals, losses, late reports and new limits."""
    chance = random.Random(seed)  # noqa: S311 - not for secrets
    books, block = Books(), calls.block()
    for tenant in ("west", "home", "east"):
        limit(calls, books, tenant, "*", Decimal(60))
    limit(calls, books, "west", OPUS, Decimal(30))
    now = datetime(2026, 11, 29, 12, tzinfo=UTC)
    seen: set[float] = set()
    for number in range(250):
        now += timedelta(seconds=chance.randrange(2400))
        tenant, model = chance.choice(list(ZONES)), chance.choice(MODELS)
        usd = Decimal(chance.randrange(1, 40_000)).scaleb(-4)
        under_way = [name for name, call in books.calls.items() if call.state in "RX"]
        match chance.randrange(8):
            case 0 | 1 | 2:
                ask(calls, books, f"call {number}", Call(tenant, model, now.date(), usd, now), now)
            case 3 | 4 if under_way:
                report(calls, books, chance.choice(under_way), usd, now)
            case 5:
                name = f"direct {number}"
                month = month_of(now, tenant)
                books.calls[name] = Call(tenant, model, month, None, now)
                report(calls, books, name, usd, now)
            case 6 if tenant != "nobody":
                limit(calls, books, tenant, "*", Decimal(chance.randrange(1, 60)))
            case _:
                sweep(calls, books, now)
        found, expected = read(block, now), books.expected(now)
        for name, samples in expected.items():
            assert found[name].keys() == samples.keys(), name
            for key, value in samples.items():
                assert found[name][key] == pytest.approx(value, abs=1e-9), (name, key)
        seen |= {*found["ai_budget_hard_limit_reached"].values()}
    assert {call.month.month for call in books.calls.values()} == {11, 12}
    assert seen == {0, 1}


def limit(calls: Calls, books: Books, tenant: str, model: str, usd: Decimal) -> None:
    calls.put(tenant, str(usd), model, timezone=ZONES[tenant])
    books.limits[tenant, model] = usd
    # Above the limit at which somebody was refused, nobody is refused any more, whatever follows.
    books.refused = {
        place: most
        for place, most in books.refused.items()
        if place[0] != (tenant, model) or most >= usd
    }


def ask(calls: Calls, books: Books, name: str, call: Call, now: datetime) -> None:
    """Whether it fits is the ledger's to say; what follows from the answer is not."""
    call.month, call.expires = month_of(now, call.tenant), now + HOLD
    assert call.reserved is not None
    answer = calls.check(name, call.tenant, call.model, str(call.reserved), now)
    if isinstance(answer, Admission):
        books.calls[name] = call
        return
    assert isinstance(answer, Refusal)
    for key in books.places(call):
        most = books.limits.get(key)
        if most is not None and books.spent(key, call.month) + call.reserved > most:
            place = (key, call.month)
            books.refused[place] = max(most, books.refused.get(place, most))


def report(calls: Calls, books: Books, name: str, usd: Decimal, now: datetime) -> None:
    chance = random.Random(name)  # noqa: S311 - not for secrets
    call = books.calls[name]
    call.state, call.charged, call.at = "S", usd, now
    call.tokens = Tokens(*(chance.randrange(1000) for _ in range(5)))
    call.report = chance.choice(["", "weekly", "audit"])
    calls.track(
        name, call.tenant, call.model, str(usd), now, tokens=call.tokens, report_type=call.report
    )


def sweep(calls: Calls, books: Books, now: datetime) -> None:
    lost = [c for c in books.calls.values() if c.state == "R" and c.expires <= now]
    for call in lost:
        assert call.reserved is not None
        call.state, call.charged = "X", call.reserved
    assert calls.sweep(now) == (len(lost), sum((call.charged for call in lost), start=Decimal(0)))
