"""Cost Explorer through a real SDK, a real kernel and a real store."""

from __future__ import annotations

import json
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from doubles.asked import Asked
from doubles.aws_bill import Bill, days_between
from doubles.aws_support import NOW, TAGS, bill, collector, line, read, server
from exporter_families import samples
from finops_exporter.asking import Patience
from finops_exporter.collectors.aws_access import Clients
from finops_exporter.collectors.aws_cost_explorer.answers import Metrics, groups
from finops_exporter.collectors.aws_cost_explorer.collector import CostExplorerCollector
from finops_exporter.collectors.aws_cost_explorer.options import CostExplorerOptions
from finops_exporter.collectors.aws_cost_explorer.pages import Pages
from finops_exporter.collectors.aws_cost_explorer.queries import body, tag
from finops_exporter.collectors.aws_options import Access
from finops_exporter.exposition.families import Settings
from finops_exporter.exposition.snapshot import build
from finops_exporter.kernel import Kernel, Source
from finops_exporter.model import ControlTotal, Window
from finops_exporter.store.cuts import NoCutError
from finops_exporter.store.reads import costs_by
from integration.feeding import cost, swap
from integration.test_costs import drift, fetch
from shared import shared_data

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from doubles.aws_bill import Line
    from doubles.moto_aws import Moto
    from finops_exporter.exposition.snapshot import Snapshot
    from finops_exporter.store.database import Database

LAG = timedelta(hours=24)
ALL = Window(date(2020, 1, 1), date(2030, 1, 1))
QUERIES: tuple[list[str], ...] = (
    [],
    ["account"],
    ["charge_category"],
    ["region", "service"],
    ["account", "charge_category", "service"],
    ["team"],
)
"""Between them they need every cut."""


def source(url: str, tags: Any = None, **options: Any) -> Source:
    given = CostExplorerOptions.model_validate({"endpoint_url": url, **options})
    collector = CostExplorerCollector("aws", given, TAGS if tags is None else tags)
    return Source(collector, timedelta(hours=6), timedelta(hours=1), LAG)


def kernel(
    database: Database,
    clock: Callable[[], datetime] = lambda: NOW,
    stops: Callable[[], bool] = lambda: False,
) -> Kernel:
    patience = Patience(clock, lambda _wait: stops(), Random(1))  # noqa: S311 -- dice for a jitter
    return Kernel(database, patience, threading.Event())


def totals(database: Database, window: Window = ALL) -> set[tuple[Decimal, Decimal]]:
    """Billed and effective, by every cut on its own."""
    found = set()
    for keys in QUERIES:
        sums = costs_by(database, keys, window)
        found.add(
            (
                sum((one.billed for one in sums), Decimal(0)),
                sum((one.effective for one in sums), Decimal(0)),
            )
        )
    return found


SETTINGS = Settings(
    basis="billed",
    hold=timedelta(days=5),
    tags=("team",),
    lags={"aws": LAG},
    intervals={"aws": timedelta(hours=6)},
    rate=lambda _currency, _day: Decimal(1),
    providers={"aws": "aws"},
)


def snapshot(database: Database, now: datetime) -> Snapshot:
    return build(database, SETTINGS, now)


def asked(database: Database) -> tuple[int, int, Decimal]:
    ((requests, retries, usd),) = fetch(
        database,
        "SELECT requests, retries, cost_usd FROM api_requests WHERE api = 'ce:GetCostAndUsage'",
    )
    return requests, retries, usd


def renamed(of: Bill, accounts: Sequence[str]) -> Bill:
    """The bill with these accounts in place of its own."""
    names = dict(zip(sorted({each.account for each in of.lines}), accounts, strict=True))
    lines = [replace(each, account=names[each.account]) for each in of.lines]
    return Bill(lines, groups_a_page=of.groups_a_page)


def answers_of(of: Bill, **options: Any) -> list[dict[str, Any]]:
    """What a run that reads it all is answered, page after page."""
    answers: list[dict[str, Any]] = []
    with server(of) as aws:
        usual = aws.answers["GetCostAndUsage"]

        def recorded(asked: Any) -> dict[str, Any]:
            answers.append(usual(asked))
            return answers[-1]

        aws.answers["GetCostAndUsage"] = recorded
        read(collector(aws, **options))
    return answers


def test_a_history_of_many_pages_and_accounts_restarted_in_the_middle(
    database: Database,
    moto: Moto,
) -> None:
    organizations = moto.client("organizations")
    organizations.create_organization(FeatureSet="ALL")
    for name in ("production", "staging", "research"):
        organizations.create_account(AccountName=name, Email=f"{name}@example.com")
    named = {
        account["Id"]: account["Name"]
        for account in organizations.list_accounts()["Accounts"]
        if account["Name"] in {"production", "staging", "research"}
    }
    of = renamed(bill(3, since=date(2026, 4, 1)), sorted(named))
    of.groups_a_page = 40
    answers = answers_of(of, history_months=7)
    assert len(answers) > 100
    moto.answers(answers)

    left = 60

    def stops() -> bool:
        nonlocal left
        left -= 1
        return left < 0

    real = source(moto.url, history_months=7)
    capped = Source(real.collector, real.interval, real.timeout, LAG, Decimal(50))
    first = kernel(database, stops=stops).run(capped)
    assert (first.outcome, first.error) == ("failed", "aws: stopped before the run was through")
    assert first.requests < len(answers)
    part = totals(database)
    assert part != {of.total(NOW, ALL.since, ALL.until)}

    later = NOW + timedelta(minutes=20)
    second = kernel(database, lambda: later).run(capped)
    assert second.outcome == "succeeded"
    assert totals(database) == {of.total(NOW, ALL.since, ALL.until)}
    assert drift(database) == []
    # What was stored at the checkpoint was not asked for again.
    assert second.unchanged == 2 * 4
    ((free,),) = fetch(
        database, "SELECT sum(requests) FROM api_requests WHERE api LIKE 'organizations:%'"
    )
    paid = first.requests + second.requests - free
    assert paid > len(answers) - 60
    assert asked(database) == (paid, 0, paid * Decimal("0.01"))
    runs = "SELECT sum(requests), sum(estimated_cost_usd) FROM source_runs"
    assert fetch(database, runs) == [(paid + free, paid * Decimal("0.01"))]
    shown = snapshot(database, later)
    assert {(labels[1], labels[2]) for labels in samples(shown, "finops_account_info")} == set(
        named.items()
    )
    assert (
        samples(shown, "finops_cloud_api_requests_total")[("aws", "ce:GetCostAndUsage")]
        == (asked(database)[0])
    )


def test_a_real_answer_replays_exactly_through_the_sdk(moto: Moto) -> None:
    path = shared_data("aws/ce_hms_GetCostAndUsage_by_tag.json")
    real = json.loads(path.read_text(encoding="utf-8"))["byUser"]
    first, second = real["ResultsByTime"][:11], real["ResultsByTime"][11:]
    moto.answers(
        [
            {**real, "ResultsByTime": first, "NextPageToken": "more"},
            {**real, "ResultsByTime": second},
        ]
    )
    asking = source(moto.url).collector
    pages = Pages("aws", Clients(Access(endpoint_url=moto.url), "aws"), Asked(asking))
    days = Window(date(2023, 12, 12), date(2024, 1, 11))
    answer = pages.of(body(days, ["BlendedCost"], [tag("CreatedBy")]))
    assert pages.count == 2
    found = list(groups(answer, Metrics("BlendedCost", "BlendedCost")))
    # MANIFEST.md: BlendedCost 5.9922584254
    assert sum(one.billed for one in found) == Decimal("5.9922584254")
    assert len({one.day for one in found} & set(days_between(days.since, days.until))) == 9


def test_queries_pick_the_cut_that_knows_and_say_when_none_does(database: Database) -> None:
    of = bill(2)
    with server(of) as aws:
        assert kernel(database).run(source(aws.url, history_months=2)).outcome == "succeeded"
    assert totals(database) == {of.total(NOW, ALL.since, ALL.until)}
    team = {one.key: one.billed for one in costs_by(database, ["account", "team"], ALL)}
    assert set(team) == {
        ("000000000001", "__untagged__"),
        ("000000000002", "__untagged__"),  # its taxes
        ("000000000002", "web"),
    }
    with pytest.raises(NoCutError, match="does not know service and team together"):
        costs_by(database, ["service", "team"], ALL)


def test_the_gauges_come_from_the_cut_that_knows_them(database: Database) -> None:
    of = bill(2)
    with server(of) as aws:
        kernel(database).run(source(aws.url, history_months=2))
    shown = snapshot(database, NOW)
    month = float(of.total(NOW, date(2026, 11, 1), date(2026, 12, 1))[0])
    for family in (
        "aws_cost_monthly_usd",
        "aws_cost_charge_category_monthly_usd",
        "aws_cost_allocated_monthly_usd",
    ):
        assert sum(samples(shown, family).values()) == pytest.approx(month, abs=1e-9)
    # At noon of the 21st the 20th is over for 12 h only: the 19th is the newest complete day.
    newest = samples(shown, "finops_billing_data_newest_day_timestamp_seconds")
    assert newest == {("aws",): datetime(2026, 11, 19, tzinfo=UTC).timestamp()}
    day = float(of.total(NOW, date(2026, 11, 19), date(2026, 11, 20))[0])
    for family in ("aws_cost_daily_usd", "aws_cost_usage_daily_usd"):
        of_day = {key: n for key, n in samples(shown, family).items() if key[0] == "1"}
        assert sum(of_day.values()) == pytest.approx(day, abs=1e-9)
    assert samples(shown, "aws_cost_unreconciled_usd") == {("2026-10",): 0, ("2026-11",): 0}
    assert samples(shown, "finops_collector_success") == {("aws", "aws"): 1}
    assert samples(shown, "finops_source_lag_seconds") == {("aws", "aws"): 86400}
    assert samples(shown, "finops_collector_interval_seconds") == {("aws", "aws"): 6 * 3600}
    assert samples(shown, "finops_cloud_api_budget_usd") == {("aws", "ce:GetCostAndUsage"): 1}


def test_what_does_not_tie_to_the_providers_total_is_shown(database: Database) -> None:
    of = bill(1)
    with server(of) as aws:
        usual = aws.answers["GetCostAndUsage"]

        def short(asked: Any) -> dict[str, Any]:
            """One cut forgets Lambda, as an API that loses groups would."""
            answer = usual(asked)
            if asked.get("GroupBy", [{}])[0].get("Key") == "SERVICE":
                for result in answer["ResultsByTime"]:
                    result["Groups"] = [g for g in result["Groups"] if g["Keys"][0] != "AWS Lambda"]
            return answer

        aws.answers["GetCostAndUsage"] = short
        kernel(database).run(source(aws.url, history_months=0))
    lost = sum(
        each.unblended
        for each in of.lines
        if each.service == "AWS Lambda" and each.day >= date(2026, 11, 1)
    )
    shown = samples(snapshot(database, NOW), "aws_cost_unreconciled_usd")
    assert shown == {("2026-11",): pytest.approx(float(lost), abs=1e-9)}


def run_at(database: Database, url: str, now: datetime, **options: Any) -> None:
    assert kernel(database, lambda: now).run(source(url, **options)).outcome == "succeeded"


def by_region(lines: Sequence[Line], until: date) -> dict[tuple[Any, ...], Decimal]:
    """What is billed before `until` by day, account, service and region, in plain Python."""
    found: dict[tuple[Any, ...], Decimal] = {}
    for each in lines:
        if each.day < until:
            key = (each.day, each.account, each.service, each.region)
            found[key] = found.get(key, Decimal(0)) + each.unblended
    return found


def test_a_month_that_is_restated_as_a_whole(database: Database) -> None:
    later = NOW + timedelta(days=3)
    of = bill(1, since=date(2026, 11, 1))
    restated = [replace(each, unblended=each.unblended * 2, known=later) for each in of.lines]
    of.lines = [*(replace(each, gone=later) for each in of.lines), *restated]
    now = NOW
    with server(of, lambda: now) as aws:
        run_at(database, aws.url, now, history_months=0)
        before = of.total(now, ALL.since, ALL.until)
        now = later
        run_at(database, aws.url, now, history_months=0)
    assert totals(database) == {of.total(later, ALL.since, ALL.until)}
    # Complete by the first run: through the 19th. Every line of theirs doubled.
    moved = sum(map(abs, by_region(of.lines[: len(restated)], until=date(2026, 11, 20)).values()))
    assert fetch(
        database, "SELECT sum(billed_moved), count(DISTINCT day) FROM cost_restatements"
    ) == [(moved, 19)]
    assert before != of.total(later, ALL.since, ALL.until)
    assert samples(snapshot(database, later), "aws_cost_restated_usd_total") == {
        (): pytest.approx(float(moved), abs=1e-9)
    }


def test_a_service_that_disappears_leaves_no_series(database: Database) -> None:
    later = NOW + timedelta(days=1)
    lines = [line("2026-11-02", "5"), line("2026-11-02", "7", service="Gone", gone=later)]
    now = NOW
    with server(Bill(lines), lambda: now) as aws:
        run_at(database, aws.url, now, history_months=0)
        assert len(samples(snapshot(database, now), "aws_cost_monthly_usd")) == 2
        now = later
        run_at(database, aws.url, now, history_months=0)
    assert totals(database) == {(Decimal(5), Decimal(5))}
    assert list(samples(snapshot(database, now), "aws_cost_monthly_usd").values()) == [5]
    assert drift(database) == []


def test_a_tag_that_appears_later_is_there_for_all_months(database: Database) -> None:
    of = bill(2)
    with server(of) as aws:
        kernel(database).run(source(aws.url, {}, history_months=2))
        with pytest.raises(NoCutError):
            costs_by(database, ["team"], ALL)
        assert samples(snapshot(database, NOW), "aws_cost_allocated_monthly_usd") == {}
        run_at(database, aws.url, NOW + timedelta(hours=6), history_months=2)
    assert totals(database) == {of.total(NOW, ALL.since, ALL.until)}


def test_a_tag_that_is_configured_no_more_is_withdrawn(database: Database) -> None:
    of = bill(2)
    with server(of) as aws:
        kernel(database).run(source(aws.url, history_months=2))
        run_at(database, aws.url, NOW + timedelta(hours=6), tags={}, history_months=0)
    assert fetch(database, "SELECT DISTINCT cut FROM cost_part_months WHERE cut LIKE '%tag%'") == []
    (sums,) = costs_by(database, [], ALL)
    assert sums.billed == of.total(NOW, ALL.since, ALL.until)[0]
    assert drift(database) == []


def test_a_source_that_is_configured_no_more_keeps_its_data_and_is_named(
    database: Database,
) -> None:
    of = bill(1)
    with server(of) as aws:
        kernel(database).run(source(aws.url, history_months=2))
    settings = Settings(
        basis="billed",
        hold=timedelta(days=5),
        tags=(),
        lags={},
        rate=lambda _currency, _day: Decimal(1),
    )
    shown = build(database, settings, NOW + timedelta(hours=3))
    assert samples(shown, "finops_collector_removed") == {("aws", "aws"): 1}
    assert samples(shown, "finops_collector_success") == {}
    assert sum(samples(shown, "aws_cost_monthly_usd").values()) == pytest.approx(
        float(of.total(NOW, date(2026, 11, 1), date(2026, 12, 1))[0]), abs=1e-9
    )


def late(day: str, known: str, amount: str = "60") -> list[Line]:
    """40 that are known in the morning, and the rest later."""
    morning = datetime.fromisoformat(f"{day}T06:00:00+00:00")
    rest = replace(line(day, amount), known=datetime.fromisoformat(f"{known}+00:00"))
    return [replace(line(day, "40"), known=morning), rest]


@pytest.mark.parametrize("options", [{"history_months": 0}, {"closed_after_days": 30}])
def test_the_last_day_of_a_month_is_read_to_its_end(
    database: Database, options: dict[str, Any]
) -> None:
    of = Bill(
        [*late("2026-11-29", "2026-11-29T20:00:00"), *late("2026-11-30", "2026-12-01T20:00:00")]
    )
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    with server(of, lambda: now) as aws:
        while now < datetime(2026, 12, 4, tzinfo=UTC):
            run_at(database, aws.url, now, **options)
            now += timedelta(hours=12)
    assert totals(database) == {(Decimal(200), Decimal(200))}


def test_a_reading_of_newer_days_does_not_complete_older_ones(database: Database) -> None:
    of = Bill([*late("2026-11-30", "2026-11-30T20:00:00"), line("2026-12-02", "1")])
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)
    with server(of, lambda: now) as aws:
        run_at(database, aws.url, now, history_months=1)
        now = datetime(2026, 12, 3, 12, tzinfo=UTC)
        window = Window(date(2026, 12, 1), date(2026, 12, 4))
        assert kernel(database, lambda: now).run(source(aws.url), window).outcome == "succeeded"
    (day,) = costs_by(database, [], Window(date(2026, 11, 30), date(2026, 12, 1)))
    assert day.billed == 100


def test_a_run_of_given_days_does_not_put_off_the_next_one(database: Database) -> None:
    with server(bill(1)) as aws:
        mine = source(aws.url, history_months=2)
        assert kernel(database).run(mine).outcome == "succeeded"
        later = NOW + timedelta(hours=5)
        window = Window(date(2026, 9, 1), date(2026, 9, 2))
        assert kernel(database, lambda: later).run(mine, window).outcome == "succeeded"
        assert kernel(database, lambda: later).next_run(mine) == NOW + timedelta(hours=6)


def test_tags_that_are_read_less_often_answer_no_question_but_their_own(
    database: Database,
) -> None:
    of = Bill([line("2026-11-02", "5", tags={"a": "x"})])
    tags = {"stage": ["a", "b"]}
    options: dict[str, Any] = {"history_months": 0, "tags_interval": timedelta(days=1)}
    later = NOW + timedelta(hours=23)
    with server(of) as aws:
        assert kernel(database).run(source(aws.url, tags, **options)).outcome == "succeeded"
        of.lines.append(line("2026-11-03", "7"))
        mine = source(aws.url, tags, **options)
        assert kernel(database, lambda: later).run(mine).outcome == "succeeded"
    for keys, billed in (([], 12), (["provider"], 12), (["stage"], 5)):
        assert sum(one.billed for one in costs_by(database, keys, ALL)) == billed


def test_differences_of_two_sources_do_not_make_up_for_each_other(database: Database) -> None:
    for name, account, billed in (("one", "1", "5"), ("two", "2", "-5")):
        total = ControlTotal("", "aws", date(2026, 11, 1), "USD", Decimal(billed), Decimal(billed))
        rows = [cost("2026-11-02", "0", account_id=account)]
        swap(database, rows, source=name, controls=[total])
    shown = samples(snapshot(database, NOW), "aws_cost_unreconciled_usd")
    assert abs(shown["2026-11",]) == 5


def test_what_was_spent_today_is_shown_beside_the_cap_and_begins_anew_each_day(
    database: Database,
) -> None:
    with server(bill(1)) as aws:
        kernel(database).run(source(aws.url, history_months=0))
    paid = asked(database)[0] * 0.01
    shown = snapshot(database, NOW)
    assert samples(shown, "finops_collector_spent_today_usd") == {
        ("aws", "aws"): pytest.approx(paid)
    }
    assert samples(shown, "finops_collector_daily_cap_usd") == {("aws", "aws"): 1}
    tomorrow = snapshot(database, NOW + timedelta(days=1))
    assert samples(tomorrow, "finops_collector_spent_today_usd") == {("aws", "aws"): 0}
    assert samples(tomorrow, "finops_collector_daily_cap_usd") == {("aws", "aws"): 1}


def test_the_cap_of_a_source_that_was_removed_is_no_cap_any_more(database: Database) -> None:
    with server(bill(1)) as aws:
        kernel(database).run(source(aws.url, history_months=0))
        shown = snapshot(database, NOW)
        assert samples(shown, "finops_cloud_api_budget_usd") == {("aws", "ce:GetCostAndUsage"): 1}
        other = build(database, replace(SETTINGS, lags={"renamed": LAG}, providers={}), NOW)
        assert samples(other, "finops_cloud_api_budget_usd") == {}
        assert samples(other, "finops_collector_daily_cap_usd") == {}
        assert samples(other, "finops_cloud_api_requests_total")


def test_two_replicas_pay_for_one_refresh(database: Database) -> None:
    of = bill(2)
    with server(of) as aws:
        ready = threading.Barrier(2)

        def replica() -> None:
            mine = source(aws.url, history_months=0)
            ready.wait()
            kernel(database).run(mine, only_if_due=True)

        threads = [threading.Thread(target=replica) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert aws.count() == 8
    assert asked(database)[0] == 8
    assert totals(database) == {of.total(NOW, date(2026, 11, 1), ALL.until)}


def test_a_role_is_taken_on_anew_by_each_run(database: Database, moto: Moto) -> None:
    role = {"role_arn": "arn:aws:iam::123456789012:role/billing", "external_id": "secret-word"}
    assuming = source(moto.url, history_months=0, assume_role=role)
    for expected in (1, 2):
        report = kernel(database).run(assuming)
        # Moto has no costs, and says so by an answer without any day.
        assert "gave no total of 21 of the days" in str(report.error)
        apis = dict(fetch(database, "SELECT api, requests FROM api_requests"))
        assert apis["sts:AssumeRole"] == expected
        assert "secret-word" not in str(report)


def test_months_of_history_that_are_read_later_restate_nothing(database: Database) -> None:
    of = bill(2)
    with server(of) as aws:
        early = Window(date(2026, 7, 1), date(2026, 8, 1))
        of.lines.append(line("2026-07-05", "9", account="000000000001"))
        reading = source(aws.url, history_months=4)
        assert kernel(database).run(reading, early).outcome == "succeeded"
        assert kernel(database).run(reading).outcome == "succeeded"
    assert totals(database) == {of.total(NOW, ALL.since, ALL.until)}
    assert fetch(database, "SELECT * FROM cost_restatements") == []
