"""Whatever is asked in whatever order: the ledger is the one that is written down a second time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from psycopg.errors import UniqueViolation

from doubles.ledger_model import Key, LedgerModel
from finops_exporter.ai_model import (
    Admission,
    Check,
    Conflict,
    Refusal,
    Settlement,
    Terms,
    Tokens,
    Track,
)
from finops_exporter.store.ledger import Asked, decide, sweep

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finops_exporter.store.database import Connection, Database
    from finops_exporter.store.ledger import Answer

TENANTS = ("north", "south")
MODELS = ("small", "large")
ZONES = ("UTC", "Europe/Berlin", "America/Los_Angeles")
TERMS = Terms(hold=timedelta(minutes=10))

# Amounts with a lot of digits too: sums must be exact.
usd = st.decimals(min_value=0, max_value=3, places=3) | st.decimals(
    min_value=0, max_value=1, places=18
)
ids = st.integers(0, 11).map("call-{}".format)
counts = st.integers(0, 1000)
limits = st.decimals(min_value=0, max_value=10, places=2)


@st.composite
def checks(draw: st.DrawFn) -> Check:
    tenant, model, amount = draw(st.sampled_from(TENANTS)), draw(st.sampled_from(MODELS)), draw(usd)
    return Check(draw(ids), tenant, model, amount, f"{tenant} {model} {amount}")


@st.composite
def tracks(draw: st.DrawFn) -> Track:
    tenant, model, amount = draw(st.sampled_from(TENANTS)), draw(st.sampled_from(MODELS)), draw(usd)
    tokens = Tokens(*(draw(counts) for _ in range(5)))
    what = f"{tenant} {model} {amount} {tokens}"
    return Track(draw(ids), tenant, model, tokens, amount, "test", what, "report")


class Machine(RuleBasedStateMachine):
    connection: ClassVar[Connection]

    def __init__(self) -> None:
        super().__init__()
        self.connection.execute(
            "TRUNCATE ai_token_budgets, budget_period, ai_reservations, ai_token_usage, "
            "ai_usage_buckets"
        )
        self.model = LedgerModel(TERMS.hold)
        # Hours before a month ends, in one zone after the other.
        self.now = datetime(2026, 10, 31, 22, 30, tzinfo=UTC)
        self.rows = 0

    @initialize(
        limits=st.tuples(limits, limits, limits),
        zones=st.tuples(*[st.sampled_from(ZONES)] * 3),
    )
    def begin(self, limits: tuple[Decimal, ...], zones: tuple[str, ...]) -> None:
        names = (("north", "*"), ("north", "small"), ("south", "large"))
        for (tenant, model), limit, zone in zip(names, limits, zones, strict=True):
            self.set_limit(tenant, model, limit, zone, enforce=True)

    @rule(
        tenant=st.sampled_from(TENANTS),
        model=st.sampled_from((*MODELS, "*")),
        limit=limits,
        zone=st.sampled_from(ZONES),
        enforce=st.booleans(),
    )
    def set_limit(
        self, tenant: str, model: str, limit: Decimal, zone: str, *, enforce: bool
    ) -> None:
        self.connection.execute(
            "INSERT INTO ai_token_budgets (tenant_id, model, monthly_limit_usd, timezone, enforce) "
            "VALUES (%s, %s, %s, %s, %s) ON CONFLICT (tenant_id, model) DO UPDATE SET "
            "monthly_limit_usd = EXCLUDED.monthly_limit_usd, timezone = EXCLUDED.timezone, "
            "enforce = EXCLUDED.enforce",
            [tenant, model, limit, zone, enforce],
        )
        self.model.limit(tenant, model, limit, zone, enforce=enforce)

    @rule(tenant=st.sampled_from(TENANTS), model=st.sampled_from((*MODELS, "*")))
    def remove_limit(self, tenant: str, model: str) -> None:
        self.connection.execute(
            "DELETE FROM ai_token_budgets WHERE (tenant_id, model) = (%s, %s)", [tenant, model]
        )
        self.model.limits.pop((tenant, model), None)

    @rule(calls=st.lists(checks(), min_size=1, max_size=8, unique_by=lambda one: one.request_id))
    def check(self, calls: list[Check]) -> None:
        found = decide(self.connection, [Asked("check", one) for one in calls], TERMS, self.now)
        for one, answer in zip(calls, found, strict=True):
            match self.model.check(one, self.now), answer:
                case Admission() as wanted, Admission():
                    assert answer.reserved_usd == wanted.reserved_usd
                    assert answer.expires_at == wanted.expires_at
                case Refusal() as wanted, Refusal():
                    assert (answer.reason, answer.model) == (wanted.reason, wanted.model)
                case wanted, _:
                    assert type(answer) is type(wanted) is Conflict

    @rule(calls=st.lists(tracks(), min_size=1, max_size=8, unique_by=lambda one: one.request_id))
    def track(self, calls: list[Track]) -> None:
        found = decide(self.connection, [Asked("track", one) for one in calls], TERMS, self.now)
        self._compare_settlements(calls, found)

    @rule(data=st.data(), share=st.sampled_from((0, Decimal("0.5"), 1, Decimal("1.5"))))
    def track_what_is_held(self, data: st.DataObject, share: Decimal) -> None:
        held = [
            (request_id, call)
            for request_id, call in self.model.calls.items()
            if call.state in "RX" and call.held is not None
        ]
        if not held:
            return
        request_id, call = data.draw(st.sampled_from(held))
        assert call.held is not None
        cost = call.held * share
        one = Track(request_id, call.tenant, call.model, Tokens(5, 7), cost, "test", f"{cost}")
        self._compare_settlements(
            [one], decide(self.connection, [Asked("track", one)], TERMS, self.now)
        )

    @rule(call=tracks(), repeated=st.booleans())
    def another_application_writes_down(self, call: Track, *, repeated: bool) -> None:
        known = self.model.calls.get(call.request_id)
        belongs_to_another = known is not None and (known.tenant, known.model) != (
            call.tenant_id,
            call.model,
        )
        # A row of usage is told apart by its time; the call that it is about by its id alone.
        times = []
        for _ in range(1 + repeated):
            self.rows += 1
            times.append(self.now + timedelta(microseconds=self.rows))
        statement = (
            "INSERT INTO ai_token_usage "
            "(request_id, time, tenant_id, model, input_tokens, cost_usd) "
            "SELECT %s, time, %s, %s, %s, %s FROM unnest(%s::timestamptz[]) AS time"
        )
        values = [
            call.request_id,
            call.tenant_id,
            call.model,
            call.tokens.input,
            call.cost_usd,
            times,
        ]
        if belongs_to_another:
            with pytest.raises(UniqueViolation, match="belongs to another call"):
                self.connection.execute(statement, values)
            return
        self.connection.execute(statement, values)
        if known is None or known.state != "S":
            tokens = Tokens(call.tokens.input)
            self.model.track(replace(call, tokens=tokens, at=self.now), self.now)
            # Nobody knows the content that a report of it through the API would have.
            self.model.calls[call.request_id].track = None

    @rule()
    def sweep(self) -> None:
        ended, _ = sweep(self.connection, charge=True, most=100, now=self.now)
        assert ended == self.model.sweep(self.now)
        left = self.connection.execute(
            "SELECT count(*) FROM ai_reservations WHERE state = 'R' AND expires_at <= %s",
            [self.now],
        ).fetchone()
        assert left == (0,)

    @rule(step=st.sampled_from((1, 11 * 60, 3600, 8 * 3600)))
    def time_passes(self, step: int) -> None:
        self.now += timedelta(seconds=step)

    @invariant()
    def the_sums_are_those_of_the_model(self) -> None:
        found = {
            Key(*row[:3]): row[3:]
            for row in self.connection.execute(
                "SELECT tenant_id, model, period_start, spent_usd, reserved_usd, orphaned_usd, "
                "overrun_usd, requests, input_tokens + output_tokens + cache_read_tokens "
                "+ cache_write_tokens FROM budget_period"
            )
        }
        nothing = (0, 0, 0, 0, 0, 0)
        wanted = {
            key: (one.spent, one.held, one.orphaned, one.overrun, one.requests, one.tokens)
            for key, one in self.model.sums.items()
        }
        for key in found.keys() | wanted.keys():
            assert found.get(key, nothing) == wanted.get(key, nothing), key

    @invariant()
    def nothing_is_overspent(self) -> None:
        assert self.model.overspent() == []

    @invariant()
    def the_sums_are_those_of_the_calls(self) -> None:
        row = self.connection.execute(
            "SELECT coalesce(sum(spent_usd), 0), coalesce(sum(reserved_usd), 0) "
            "FROM budget_period WHERE model = '*'"
        ).fetchone()
        calls = self.connection.execute(
            "SELECT coalesce(sum(charged_usd), 0), "
            "coalesce(sum(reserved_usd) FILTER (WHERE state = 'R'), 0) FROM ai_reservations"
        ).fetchone()
        assert row == calls

    def _compare_settlements(self, calls: Sequence[Track], found: Sequence[Answer | None]) -> None:
        for one, answer in zip(calls, found, strict=True):
            match self.model.track(one, self.now), answer:
                case Settlement() as wanted, Settlement():
                    assert (answer.cost_usd, answer.overrun_usd) == (
                        wanted.cost_usd,
                        wanted.overrun_usd,
                    )
                case wanted, _:
                    assert type(answer) is type(wanted) is Conflict


def test_the_ledger_is_the_one_written_down_a_second_time(database: Database) -> None:
    with database.connection() as connection:
        Machine.connection = connection
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=150,
                stateful_step_count=40,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
