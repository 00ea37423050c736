"""What the AI ledger should answer and hold, by rules written down a second time, without SQL."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import ZoneInfo

from finops_exporter.ai_model import Admission, Conflict, Refusal, Settlement

if TYPE_CHECKING:
    from datetime import date, datetime, timedelta

    from finops_exporter.ai_model import Check, Reason, Track

NOTHING = Decimal(0)


class Key(NamedTuple):
    """Whose sums: a tenant's month of a model, or of all models (*)."""

    tenant: str
    model: str
    start: date


@dataclass
class Sums:
    spent: Decimal = NOTHING
    held: Decimal = NOTHING
    orphaned: Decimal = NOTHING
    overrun: Decimal = NOTHING
    requests: int = 0
    tokens: int = 0


@dataclass
class Limit:
    usd: Decimal
    zone: str = "UTC"
    enforce: bool = True


@dataclass
class Call:
    tenant: str
    model: str
    keys: tuple[Key, ...]
    state: str
    held: Decimal | None = None
    charged: Decimal | None = None
    expires: datetime | None = None
    check: Check | None = None
    track: Track | None = None


@dataclass
class LedgerModel:
    """A ledger in memory. `hold` is how long a call may take."""

    hold: timedelta
    limits: dict[tuple[str, str], Limit] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    sums: defaultdict[Key, Sums] = field(default_factory=lambda: defaultdict(Sums))
    # Where more than the limit may be spent: it was lowered, or calls cost more than was held.
    excused: set[Key] = field(default_factory=set)

    def check(self, check: Check, now: datetime) -> Admission | Refusal | Conflict:
        if known := self.calls.get(check.request_id):
            if known.check != check or known.state == "S":
                return Conflict(check.request_id, "")
            assert known.held is not None
            assert known.expires is not None
            return Admission(check.request_id, known.held, known.expires, None, warns=False)
        keys = self._keys(check.tenant_id, check.model, now)
        over, hit = [], []
        for key in keys:
            limit, sums = self.limits.get((key.tenant, key.model)), self.sums[key]
            if limit is None or not limit.enforce:
                continue
            if sums.spent + check.reserve_usd > limit.usd:
                over.append(key)
            elif sums.spent + sums.held + check.reserve_usd > limit.usd:
                hit.append(key)
        if over or hit:
            reason: Reason = "exceeded" if over else "busy"
            return Refusal(check.request_id, reason, self.hold, (over or hit)[0].model)
        for key in keys:
            self.sums[key].held += check.reserve_usd
            if not self._is_enforced(key):
                self.excused.add(key)
        expires = now + self.hold
        self.calls[check.request_id] = Call(
            check.tenant_id, check.model, keys, "R", check.reserve_usd, None, expires, check
        )
        return Admission(check.request_id, check.reserve_usd, expires, None, warns=False)

    def track(self, track: Track, now: datetime) -> Settlement | Conflict:
        call = self.calls.get(track.request_id)
        if call is None:
            keys = self._keys(track.tenant_id, track.model, track.at or now)
            call = Call(track.tenant_id, track.model, keys, "new")
            self.excused.update(keys)
        elif (call.tenant, call.model) != (track.tenant_id, track.model):
            return Conflict(track.request_id, "")
        elif call.state == "S":
            if call.track is not None and call.track.print != track.print:
                return Conflict(track.request_id, "")
            assert call.charged is not None
            over = max(call.charged - call.held, NOTHING) if call.held is not None else NOTHING
            return Settlement(track.request_id, call.charged, over, None, warns=False)
        over = max(track.cost_usd - call.held, NOTHING) if call.held is not None else NOTHING
        if over:
            self.excused.update(call.keys)
        for key in call.keys:
            sums = self.sums[key]
            if call.state == "R":
                sums.held -= call.held or NOTHING
            elif call.state == "X":
                sums.spent -= call.charged or NOTHING
                sums.orphaned -= call.charged or NOTHING
            sums.spent += track.cost_usd
            sums.overrun += over
            sums.requests += 1
            sums.tokens += track.tokens.total
        call.state, call.charged, call.track = "S", track.cost_usd, track
        self.calls[track.request_id] = call
        return Settlement(track.request_id, track.cost_usd, over, None, warns=False)

    def sweep(self, now: datetime) -> int:
        ended = 0
        for call in self.calls.values():
            if call.state != "R" or call.expires is None or call.expires > now:
                continue
            assert call.held is not None
            ended += 1
            call.state, call.charged = "X", call.held
            for key in call.keys:
                self.sums[key].held -= call.held
                self.sums[key].spent += call.held
                self.sums[key].orphaned += call.held
        return ended

    def limit(self, tenant: str, model: str, usd: Decimal, zone: str, *, enforce: bool) -> None:
        """Set a budget; what is above it already stays."""
        self.limits[tenant, model] = Limit(usd, zone, enforce)
        for key, sums in self.sums.items():
            if (key.tenant, key.model) == (tenant, model) and sums.spent + sums.held > usd:
                self.excused.add(key)

    def overspent(self) -> list[Key]:
        """Whose limit is broken although nothing excuses it."""
        return [
            key
            for key, sums in self.sums.items()
            if key not in self.excused
            and self._is_enforced(key)
            and sums.spent + sums.held > self.limits[key.tenant, key.model].usd
        ]

    def _is_enforced(self, key: Key) -> bool:
        limit = self.limits.get((key.tenant, key.model))
        return limit is not None and limit.enforce

    def _keys(self, tenant: str, model: str, at: datetime) -> tuple[Key, ...]:
        own = self.limits.get((tenant, "*"), Limit(NOTHING))
        of_model = self.limits.get((tenant, model), own)
        return (
            Key(tenant, "*", _month(at, own.zone)),
            Key(tenant, model, _month(at, of_model.zone)),
        )


def _month(at: datetime, zone: str) -> date:
    return at.astimezone(ZoneInfo(zone)).date().replace(day=1)
