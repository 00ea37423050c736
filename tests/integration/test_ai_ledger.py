"""Many calls at once: no more is admitted than the limit allows, and no call is counted twice."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import psycopg
import pytest
from prometheus_client import CollectorRegistry

from finops_exporter.ai_model import (
    Admission,
    BudgetChange,
    Conflict,
    Refusal,
    Settlement,
    Terms,
)
from finops_exporter.errors import UnavailableError, UsageError
from finops_exporter.store.database import Database
from finops_exporter.store.ledger import WrongCallError, sweep
from integration.ledgers import Sums, a_check, a_ledger, a_track, budget, of_calls, sums
from integration.processes import until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finops_exporter.ai_budget.ledger import Ledger
    from finops_exporter.ai_model import Check


async def outcomes(ledger: Ledger, checks: Sequence[Check]) -> Counter[str]:
    found = await asyncio.gather(*(ledger.check(one) for one in checks))
    return Counter(one.reason if isinstance(one, Refusal) else "admitted" for one in found)


@pytest.mark.parametrize(
    ("calls", "each", "admitted"), [(200, "0.01", 100), (20, "0.60", 1), (3, "1", 1)]
)
def test_concurrent_calls_are_admitted_up_to_the_limit(
    database: Database, calls: int, each: str, admitted: int
) -> None:
    budget(database, "1")

    async def scenario() -> Counter[str]:
        async with a_ledger(database) as one, a_ledger(database) as another:
            checks = [a_check(each) for _ in range(calls)]
            first = outcomes(one, checks[::2])
            second = outcomes(another, checks[1::2])
            return sum(await asyncio.gather(first, second), Counter())

    assert asyncio.run(scenario()) == {"admitted": admitted, "busy": calls - admitted}
    assert sums(database) == Sums(Decimal(0), admitted * Decimal(each), 0)


def test_a_call_must_fit_the_budget_of_its_model_and_the_tenants(database: Database) -> None:
    budget(database, "1")
    budget(database, "0.3", model="small")

    async def scenario() -> list[object]:
        async with a_ledger(database) as ledger:
            return [
                await ledger.check(one)
                for one in (
                    a_check("0.3"),
                    a_check("0.01"),
                    a_check("0.7", model="large"),
                    a_check("0.01", model="large"),
                )
            ]

    first, second, third, fourth = asyncio.run(scenario())
    assert isinstance(first, Admission)
    assert isinstance(second, Refusal)
    assert (second.reason, second.model, second.limit_usd) == ("busy", "small", Decimal("0.3"))
    assert isinstance(third, Admission)
    assert third.share == 1
    assert isinstance(fourth, Refusal)
    assert (fourth.model, fourth.reserved_usd) == ("*", Decimal("1.0"))
    assert sums(database, model="small").held == Decimal("0.3")


def test_a_limit_that_is_lowered_while_calls_wait_holds_for_them(
    database: Database, database_url: str
) -> None:
    budget(database, "1")

    async def scenario() -> Counter[str]:
        async with a_ledger(database) as ledger:
            await ledger.check(a_check("0.1", name="first"))
            with psycopg.connect(database_url) as connection:
                with connection.transaction():
                    connection.execute("SELECT FROM budget_period FOR UPDATE")
                    checks = [a_check("0.1") for _ in range(5)]
                    waiting = asyncio.create_task(outcomes(ledger, checks))
                    await asyncio.to_thread(until_somebody_waits, database)
                    budget(database, "0.3")
                return await waiting

    assert asyncio.run(scenario()) == {"admitted": 2, "busy": 3}
    assert sums(database).held == Decimal("0.3")


def until_somebody_waits(database: Database) -> None:
    def waiting() -> bool:
        with database.connection() as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND wait_event_type = 'Lock'"
            ).fetchone()
        return row is not None and row[0] > 0

    until(waiting, "somebody waits for the lock")


@pytest.mark.parametrize(
    ("zone", "ends"),
    [
        ("Europe/Berlin", datetime(2026, 10, 31, 23, tzinfo=UTC)),
        ("America/Los_Angeles", datetime(2026, 11, 1, 7, tzinfo=UTC)),
    ],
)
def test_a_month_ends_by_the_clock_of_the_tenant(
    database: Database, zone: str, ends: datetime
) -> None:
    budget(database, "1", timezone=zone)
    now = [ends - timedelta(seconds=1)]

    async def scenario() -> None:
        async with a_ledger(database, server_now=lambda: now[0]) as ledger:
            old = a_check("0.8")
            assert isinstance(await ledger.check(old), Admission)
            refused = await ledger.check(a_check("1.5"))
            assert isinstance(refused, Refusal)
            assert (refused.reason, refused.retry_after) == ("exceeded", timedelta(seconds=1))
            (state,) = await ledger.status("acme")
            assert (state.period_start, state.resets_at) == (date(2026, 10, 1), ends)
            assert state.hard_limit_reached
            now[0] = ends
            assert isinstance(await ledger.check(a_check("0.9")), Admission)
            # What was asked for before the end counts before the end.
            assert isinstance(await ledger.track(a_track(old, "0.7")), Settlement)
            (state,) = await ledger.status("acme")
            assert state.period_start == date(2026, 11, 1)
            assert (state.used_usd, state.reserved_usd) == (Decimal(0), Decimal("0.9"))
            assert not state.hard_limit_reached

    asyncio.run(scenario())
    assert sums(database, start=date(2026, 10, 1)) == Sums(Decimal("0.7"), Decimal(0), 1)
    assert sums(database, start=date(2026, 11, 1)) == Sums(Decimal(0), Decimal("0.9"), 0)


def test_what_is_told_many_times_counts_once(database: Database) -> None:
    budget(database, "1")
    check = a_check("0.5")

    async def scenario() -> None:
        async with a_ledger(database) as one, a_ledger(database) as another:
            both = (one, another) * 10
            admissions = await asyncio.gather(*(ledger.check(check) for ledger in both))
            assert len({(a.reserved_usd, a.expires_at) for a in admissions}) == 1  # type: ignore[union-attr]
            settled = await asyncio.gather(*(ledger.track(a_track(check)) for ledger in both))
            assert {type(answer) for answer in settled} == {Settlement}
            other = await one.check(replace(check, print="something else"))
            assert isinstance(other, Conflict)
            assert "UUID" in other.detail
            assert isinstance(await one.track(a_track(check, "0.4")), Conflict)

    asyncio.run(scenario())
    assert sums(database) == Sums(Decimal("0.5"), Decimal(0), 1)


def test_a_raised_limit_holds_at_once_and_a_refusal_leaves_nothing(database: Database) -> None:
    budget(database, "1")

    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            check = a_check("2")
            before = everything(database)
            refused = await ledger.check(check)
            assert isinstance(refused, Refusal)
            assert refused.reason == "exceeded"
            assert everything(database) == before
            assert (await ledger.status("acme"))[0].hard_limit_reached
            await ledger.put(BudgetChange("acme", limit_usd=Decimal(3)))
            assert not (await ledger.status("acme"))[0].hard_limit_reached
            # The same id is judged anew.
            assert isinstance(await ledger.check(check), Admission)

    asyncio.run(scenario())


def everything(database: Database) -> list[object]:
    with database.connection() as connection:
        return [
            connection.execute("SELECT * FROM ai_reservations").fetchall(),
            connection.execute("SELECT * FROM ai_token_usage").fetchall(),
            connection.execute(
                "SELECT * FROM budget_period WHERE spent_usd > 0 OR reserved_usd > 0"
            ).fetchall(),
        ]


def test_unknown_tenants_follow_the_policy(database: Database) -> None:
    async def scenario() -> None:
        async with a_ledger(database) as allowing:
            check = a_check("5")
            answer = await allowing.check(check)
            assert isinstance(answer, Admission)
            assert (answer.share, answer.warns) == (None, False)
            assert await allowing.status("acme") == []
        async with a_ledger(database, Terms(deny_unknown=True)) as denying:
            refused = await denying.check(a_check("5"))
            assert isinstance(refused, Refusal)
            assert refused.reason == "unknown_tenant"
            assert isinstance(await denying.track(a_track(a_check("1"))), Refusal)
            # What was admitted before is counted nevertheless.
            assert isinstance(await denying.track(a_track(check)), Settlement)

    asyncio.run(scenario())
    assert sums(database) == Sums(Decimal(5), Decimal(0), 1)


@pytest.mark.parametrize(("of_all", "of_one"), [(False, True), (True, False)])
def test_a_budget_that_is_not_enforced_decides_and_refuses_nobody(
    database: Database, *, of_all: bool, of_one: bool
) -> None:
    budget(database, "1", enforce=of_one)
    registry = CollectorRegistry()

    async def scenario() -> None:
        async with a_ledger(database, Terms(enforce=of_all), registry=registry) as ledger:
            for usd, shadow in (("0.6", None), ("0.6", "busy"), ("1.1", "exceeded")):
                answer = await ledger.check(a_check(usd))
                assert isinstance(answer, Admission)
                assert answer.shadow == shadow
            assert not (await ledger.status("acme"))[0].hard_limit_reached

    asyncio.run(scenario())
    assert sums(database).held == Decimal("2.3")
    for outcome in ("admitted", "shadow_busy", "shadow_exceeded"):
        labels = {"outcome": outcome}
        assert registry.get_sample_value("finops_ai_checks_total", labels) == 1


def test_what_cannot_be_read_spoils_only_its_own_call(database: Database) -> None:
    budget(database, "1")

    async def scenario() -> list[object]:
        async with a_ledger(database) as ledger:
            checks = [a_check("0.1"), a_check("0.1", model="nul\0"), a_check("0.1")]
            return await asyncio.gather(
                *(ledger.check(one) for one in checks), return_exceptions=True
            )

    first, second, third = asyncio.run(scenario())
    assert isinstance(first, Admission)
    assert isinstance(second, WrongCallError)
    assert isinstance(third, Admission)
    assert sums(database).held == Decimal("0.2")


def test_a_budget_is_changed_in_parts(database: Database) -> None:
    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            with pytest.raises(UsageError, match="no budget for model 'small' yet: a limit"):
                await ledger.put(BudgetChange("acme", "small", owner="ann"))
            await ledger.put(
                BudgetChange("acme", limit_usd=Decimal(5), timezone="Europe/Berlin", owner="ann")
            )
            state = await ledger.put(BudgetChange("acme", critical=True))
            found = state.budget
            assert (found.limit_usd, found.timezone, found.owner) == (
                Decimal(5),
                "Europe/Berlin",
                "ann",
            )
            assert (found.critical, found.soft_limit_ratio) == (True, Decimal("0.8"))

    asyncio.run(scenario())


def test_who_spends_most_comes_first(database: Database) -> None:
    async def scenario() -> list[tuple[str, Decimal, int]]:
        async with a_ledger(database) as ledger:
            for tenant, usd in (("a", "1"), ("b", "3"), ("c", "2"), ("b", "0.5")):
                await ledger.track(a_track(a_check(usd, tenant)))
            found = await ledger.top_consumers(2)
            return [(one.tenant_id, one.used_usd, one.tokens.total) for one in found]

    assert asyncio.run(scenario()) == [("b", Decimal("3.5"), 30), ("c", Decimal(2), 15)]


def test_without_a_database_nothing_is_decided() -> None:
    away = Database("postgresql://127.0.0.1:1/nothing", wait_seconds=0.2)
    away.open()
    registry = CollectorRegistry()

    async def scenario() -> None:
        async with a_ledger(away, registry=registry) as ledger:
            for question in (
                ledger.check(a_check("1")),
                ledger.track(a_track(a_check("1"))),
                ledger.status("acme"),
            ):
                with pytest.raises(UnavailableError, match="unreachable"):
                    await question
            assert not await ledger.ask_whether_up()
            assert not ledger.is_up

    asyncio.run(scenario())
    away.close()
    assert registry.get_sample_value("finops_ai_ledger_database_up") == 0
    labels = {"outcome": "unavailable"}
    assert registry.get_sample_value("finops_ai_checks_total", labels) == 1


def test_what_waits_at_the_end_is_still_decided(database: Database) -> None:
    budget(database, "1")

    async def scenario() -> list[object]:
        async with a_ledger(database) as ledger:
            waiting = [asyncio.ensure_future(ledger.check(a_check("0.01"))) for _ in range(50)]
            await asyncio.sleep(0)
            ledger.stop()
            with pytest.raises(UnavailableError, match="ending"):
                await ledger.check(a_check("0.01"))
            return await asyncio.gather(*waiting)

    assert {type(one) for one in asyncio.run(scenario())} == {Admission}
    assert of_calls(database) == (Decimal(0), Decimal("0.5"))


def test_a_tenant_that_somebody_locks_keeps_no_other_from_being_decided(
    database: Database, database_url: str
) -> None:
    for tenant in ("locked", "free"):
        budget(database, "100", tenant)
    quick = Database(database_url, lock_seconds=0.05)
    quick.open()

    async def scenario() -> None:
        async with a_ledger(quick) as ledger:
            await ledger.check(a_check("1", "locked"))
            with psycopg.connect(database_url) as other:
                other.execute("SELECT FROM budget_period WHERE tenant_id = 'locked' FOR UPDATE")
                for _ in range(3):
                    found = await asyncio.gather(
                        ledger.check(a_check("1", "locked")),
                        *(ledger.check(a_check("1", "free")) for _ in range(5)),
                        return_exceptions=True,
                    )
                    assert isinstance(found[0], UnavailableError)
                    assert "tenant 'locked' are in use" in str(found[0])
                    assert {type(one) for one in found[1:]} == {Admission}

    asyncio.run(scenario())
    quick.close()
    assert sums(database, "free").held == 15


def test_expired_calls_of_others_end_although_one_tenant_is_locked(
    database: Database, database_url: str
) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)

    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            for tenant in ("locked", "free"):
                await ledger.check(a_check("1", tenant))

    asyncio.run(scenario())
    with psycopg.connect(database_url) as other, database.connection() as connection:
        other.execute("SELECT FROM budget_period WHERE tenant_id = 'locked' FOR UPDATE")
        assert sweep(connection, charge=True, most=10, now=later) == (1, Decimal(1))
        other.rollback()
        assert sweep(connection, charge=True, most=10, now=later) == (1, Decimal(1))


def test_a_call_that_has_ended_is_not_allowed_again(database: Database) -> None:
    budget(database, "1")
    reported, released = a_check("0.5"), a_check("0.25")
    later = datetime.now(UTC) + timedelta(hours=1)

    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            await ledger.check(reported)
            await ledger.track(a_track(reported))
            await ledger.check(released)
            with database.connection() as connection:
                sweep(connection, charge=False, most=10, now=later)
            for check in (reported, released):
                answer = await ledger.check(check)
                assert isinstance(answer, Conflict)
                assert "reported already, or was given up" in answer.detail

    asyncio.run(scenario())
    assert sums(database) == Sums(Decimal("0.5"), Decimal(0), 1)


def test_tenants_that_are_refused_leave_nothing_behind(database: Database) -> None:
    async def scenario() -> None:
        async with a_ledger(database, Terms(deny_unknown=True)) as ledger:
            for question in (ledger.check(a_check("1")), ledger.track(a_track(a_check("1")))):
                assert isinstance(await question, Refusal)

    asyncio.run(scenario())
    with database.connection() as connection:
        assert connection.execute("SELECT * FROM budget_period").fetchall() == []


def test_a_limit_that_was_raised_meanwhile_has_refused_nobody(database: Database) -> None:
    budget(database, "0.1")

    async def scenario() -> list[bool]:
        async with a_ledger(database) as ledger:
            reached = []
            await ledger.check(a_check("1"))
            for limit in ("0.1", "5", "0.05"):
                budget(database, limit)
                reached.append((await ledger.status("acme"))[0].hard_limit_reached)
            return reached

    assert asyncio.run(scenario()) == [True, False, False]


def test_a_zone_that_the_database_does_not_know_is_refused(database: Database) -> None:
    async def scenario() -> None:
        async with a_ledger(database) as ledger:
            change = BudgetChange("acme", limit_usd=Decimal(1), timezone="posixrules-of-mars")
            with pytest.raises(UsageError, match="knows no time zone"):
                await ledger.put(change)

    asyncio.run(scenario())
