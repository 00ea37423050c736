"""The collector and the real SDK against a server that means what it says."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import pytest

from doubles.asked import Asked
from doubles.aws_bill import Bill
from doubles.aws_server import DEAD_LINE, HALF_A_PAGE, Fault, refusal
from doubles.aws_support import (
    NOW,
    bill,
    collector,
    controls,
    line,
    plan_of,
    read,
    rows_of,
    server,
    stored_after,
    sums,
)
from finops_exporter.collectors.aws_cost_explorer.cuts import CATEGORIES, REGIONS, SERVICES
from finops_exporter.errors import CollectError
from finops_exporter.model import (
    NONE,
    Account,
    Checkpoint,
    Complete,
    CostRow,
    Item,
    Notice,
    Task,
    Window,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

TEAM = "account,tag:team"
CUTS = (CATEGORIES, REGIONS, SERVICES, TEAM)
SINCE, UNTIL = date(2026, 9, 1), date(2026, 11, 22)
LATER = NOW + timedelta(hours=6)


@pytest.mark.parametrize("accounts", [1, 2, 3, 7])
def test_every_cut_is_the_whole_bill_to_the_last_digit(accounts: int) -> None:
    of = bill(accounts)
    with server(of) as aws:
        items = read(collector(aws, history_months=2))
    whole = of.total(NOW, SINCE, UNTIL)
    for cut in CUTS:
        assert sums(rows_of(items, cut)) == whole
        mine = [one for one in controls(items) if one.cut == cut]
        assert sum(one.billed for one in mine) == whole[0]
        assert sum(one.effective for one in mine) == whole[1]
        assert {one.month for one in mine} == {date(2026, month, 1) for month in (9, 10, 11)}


def test_pages_are_followed_to_the_end() -> None:
    of = bill(3)
    of.groups_a_page = 7
    with server(of) as aws:
        items = read(collector(aws, history_months=2))
        assert aws.count() > 100
    for cut in CUTS:
        assert sums(rows_of(items, cut)) == of.total(NOW, SINCE, UNTIL)


def test_what_a_cut_does_not_know_is_not_guessed() -> None:
    with server(bill(2)) as aws:
        items = read(collector(aws, history_months=0))
    assert {row.charge_category for row in rows_of(items, CATEGORIES)} == {"Usage", "Tax", "Credit"}
    assert {row.service for row in rows_of(items, CATEGORIES)} == {NONE}
    assert {row.region for row in rows_of(items, REGIONS)} == {"us-east-1", "eu-west-1", NONE}
    assert {row.charge_category for row in rows_of(items, REGIONS)} == {NONE}
    taxes = [row for row in rows_of(items, SERVICES) if row.charge_category == "Tax"]
    assert {(row.service, row.day.day) for row in taxes} == {("Tax", 1)}
    tags = {row.account_id: dict(row.tags) for row in rows_of(items, TEAM) if row.day.day == 2}
    assert tags == {"000000000001": {}, "000000000002": {"team": "web"}}


def asked_filters(asked: Sequence[tuple[str, dict[str, Any]]]) -> list[Any]:
    return [
        body["Filter"]["Dimensions"]["Key"] if "Dimensions" in body["Filter"] else "Not"
        for name, body in asked
        if name == "GetCostAndUsage" and "Filter" in body
    ]


def test_accounts_and_regions_are_asked_for_by_whichever_takes_fewer_requests() -> None:
    options = {"history_months": 0, "usage_by_service": False, "tags": {}}
    with server(bill(2)) as aws:
        read(collector(aws, **options))
        # The control total, the record types, and one question for each account.
        assert asked_filters(aws.asked) == ["LINKED_ACCOUNT"] * 2
        assert aws.count() == 4
    with server(bill(9)) as aws:
        source = collector(aws, **options)
        items = read(source)
        # Two regions and no region at all, and the question which there are.
        assert asked_filters(aws.asked) == ["REGION"] * 3
        assert aws.count() == 6
        following = Task(LATER, stored=stored_after(items))
        (count,) = plan_of(source, following).requests.values()
        before = aws.count()
        read(source, following)
        assert aws.count() - before == count == 6


def test_the_question_which_regions_there_are_is_not_asked_in_vain_again() -> None:
    with server(bill(4)) as aws:
        source = collector(aws, history_months=0, usage_by_service=False, tags={})
        items = read(source)
        # One region fewer than accounts, but asking which there are was a request as well.
        assert aws.count() == 2 + 1 + 3
        read(source, Task(LATER, stored=stored_after(items)))
        assert asked_filters(aws.asked)[-4:] == ["LINKED_ACCOUNT"] * 4
        assert aws.count() == 6 + 2 + 4


def test_costs_without_a_regions_name_are_those_of_no_other_region() -> None:
    lines = [
        line("2026-11-02", str(number), account=f"{number:012d}", region=region)
        for number, region in enumerate(["", "us-east-1", "", "us-east-1", ""], start=1)
    ]
    with server(Bill(lines)) as aws:
        items = read(collector(aws, history_months=0))
        assert "Not" in asked_filters(aws.asked)
    assert sums(rows_of(items, REGIONS))[0] == 15
    nowhere = [row for row in rows_of(items, REGIONS) if row.region == NONE]
    assert sums(nowhere)[0] == 1 + 3 + 5


def test_only_the_chosen_accounts_are_asked_for_everywhere() -> None:
    of = bill(3)
    with server(of) as aws:
        items = read(collector(aws, history_months=0, accounts=["000000000002"]))
        assert all("000000000002" in str(body.get("Filter")) for _, body in aws.asked[:-1])
    of.lines = [each for each in of.lines if each.account == "000000000002"]
    for cut in CUTS:
        assert sums(rows_of(items, cut)) == of.total(NOW, date(2026, 11, 1), UNTIL)


def test_what_is_planned_is_what_is_asked_where_there_are_costs() -> None:
    with server(bill(2)) as aws:
        source = collector(aws, history_months=13)
        plan = plan_of(source)
        before = aws.count()
        items = read(source)
        (planned,) = plan.requests.values()
        # The total, the record types, two accounts, three categories, one tag.
        newest = 1 + 1 + 2 + 3 + 1
        # 14 months in five goes; September to November alone have costs, and so record types:
        # the three goes before them need no question by account or by charge category.
        assert planned == 5 * newest
        assert aws.count() - before == 2 * newest + 3 * (1 + 1 + 0 + 0 + 1)
        assert plan.least_usd == newest * Decimal("0.01")
        assert plan.cost_usd == 5 * newest * Decimal("0.01")
    assert [item.next_usd for item in items if isinstance(item, Checkpoint)] == [
        Decimal(pages) / 100 for pages in (8, 8, 3, 3)
    ]


def test_a_month_that_is_closed_is_read_once_and_an_open_one_again() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=2)
        stored = stored_after(read(source))
        assert len(stored) == 3 * len(CUTS)
        plan = plan_of(source, Task(LATER, stored=stored))
        again = {part.key for part in plan.parts if stored[part.key] != part.fingerprint}
        assert again == {f"2026-11 {cut}" for cut in CUTS}


def test_nothing_is_asked_twice_within_half_an_hour() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0)
        stored = stored_after(read(source))
        plan = plan_of(source, Task(NOW + timedelta(minutes=10), stored=stored))
        assert plan.requests == {}
        assert {part.key: part.fingerprint for part in plan.parts} == stored


def test_an_ended_month_stays_open_while_aws_calls_it_estimated() -> None:
    of = bill(1)
    early = datetime(2026, 12, 3, tzinfo=UTC)
    now = early
    with server(of, lambda: now) as aws:
        source = collector(aws, history_months=1, closed_after_days=1)
        stored = stored_after(read(source, Task(early)))
        assert stored[f"2026-11 {REGIONS}"].startswith("open")
        now = datetime(2026, 12, 6, tzinfo=UTC)
        stored |= stored_after(read(source, Task(now, stored=stored)))
        assert stored[f"2026-11 {REGIONS}"].startswith("closed")
        assert stored[f"2026-12 {REGIONS}"].startswith("open")


def test_on_the_first_of_a_month_two_months_are_asked_for_at_once() -> None:
    first = datetime(2026, 12, 1, 0, 10, tzinfo=UTC)
    with server(bill(1), lambda: first) as aws:
        read(collector(aws, history_months=1), Task(first))
        periods = {tuple(body["TimePeriod"].values()) for _, body in aws.asked if body}
        assert periods == {("2026-11-01", "2026-12-02")}


def test_a_window_reads_the_months_it_touches_whatever_is_stored() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=2)
        stored = stored_after(read(source))
        window = Window(date(2026, 9, 5), date(2026, 9, 6))
        items = read(source, Task(NOW, window, stored))
        assert {item.part for item in items if isinstance(item, Complete)} == {
            f"2026-09 {cut}" for cut in CUTS
        }
        assert len({row.day for row in rows_of(items, REGIONS)}) == 30


def test_days_are_covered_only_once_the_source_is_trusted_to_know_them() -> None:
    with server(bill(1)) as aws:
        items = read(collector(aws, history_months=1), Task(NOW, lag=timedelta(hours=24)))
    until = {item.part: item.covered_until["aws"] for item in items if isinstance(item, Complete)}
    assert until[f"2026-11 {REGIONS}"] == NOW - timedelta(hours=24)
    assert until[f"2026-10 {REGIONS}"] == datetime(2026, 11, 1, tzinfo=UTC)


def test_tags_may_be_asked_for_less_often() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0, tags_interval=timedelta(days=1))
        stored = stored_after(read(source))
        plan = plan_of(source, Task(LATER, stored=stored))
        kept = [part.key for part in plan.parts if stored[part.key] == part.fingerprint]
        assert kept == [f"2026-11 {TEAM}"]
        plan = plan_of(source, Task(NOW + timedelta(days=1), stored=stored))
        assert all(stored[part.key] != part.fingerprint for part in plan.parts)
        usual = collector(aws, history_months=0)
        rare = collector(aws, history_months=0, tags_interval=timedelta(days=1))
        six_hours = timedelta(hours=6)
        # Four times a day, or once: three requests less.
        saved = usual.daily_usd(six_hours, {}) - rare.daily_usd(six_hours, {})
        assert saved == Decimal("0.03")


def test_a_tag_of_two_keys_takes_the_preferred_one() -> None:
    lines = [
        line("2026-11-02", "1", tags={"environment": "prod", "env": "dev"}),
        line("2026-11-02", "2", tags={"env": "dev"}),
        line("2026-11-02", "4"),
    ]
    with server(Bill(lines)) as aws:
        items = read(collector(aws, {"environment": ["environment", "env"]}, history_months=0))
    found = {row.tags.get("environment"): row.billed for row in rows_of(items, "tag:environment")}
    assert found == {"prod": 1, "dev": 2, None: 4}


def test_an_unknown_record_type_counts_as_usage_and_is_told() -> None:
    lines = [line("2026-11-02", "3", record_type="Brand New"), line("2026-11-02", "1")]
    with server(Bill(lines)) as aws:
        items = read(collector(aws, history_months=0))
    usage = [row for row in rows_of(items, SERVICES) if row.charge_category == "Usage"]
    assert sums(usage)[0] == 4
    (notice,) = [item for item in items if isinstance(item, Notice)]
    assert (notice.reason, notice.rows) == ("unknown_record_type", 1)
    assert "'Brand New'" in notice.message


def test_another_currency_stays_what_it_is() -> None:
    with server(Bill([line("2026-11-02", "3", currency="CNY")])) as aws:
        items = read(collector(aws, history_months=0))
    assert {row.currency for row in items if isinstance(row, CostRow)} == {"CNY"}
    assert [(one.currency, one.billed) for one in controls(items) if one.cut == REGIONS] == [
        ("CNY", Decimal(3)),
        ("USD", Decimal(0)),
    ]


def test_accounts_are_named_by_organizations_and_by_the_answers() -> None:
    of = bill(2)
    with server(of) as aws:
        items = read(collector(aws, history_months=0))
        without = read(collector(aws, history_months=0, account_names=False))
        assert aws.count("ListAccounts") == 2
    for found in (items, without):
        named = {item.account_id: item.account_name for item in found if isinstance(item, Account)}
        assert named == of.names


def test_without_the_right_to_list_accounts_costs_are_read_all_the_same() -> None:
    of = bill(1)
    with server(of) as aws:
        source = collector(aws, history_months=0)
        plan = plan_of(source)
        aws.faults.extend([None] * 7 + [refusal("AccessDeniedException")])
        items = list(source.collect(Task(NOW), plan, Asked(source)))
    assert sums(rows_of(items, REGIONS)) == of.total(NOW, date(2026, 11, 1), UNTIL)
    (notice,) = [item for item in items if isinstance(item, Notice)]
    assert notice.reason == "no_account_names"
    assert "does not allow organizations:ListAccounts" in notice.message


@pytest.mark.parametrize(
    "fault",
    [
        refusal("LimitExceededException"),
        refusal("ThrottlingException", 429),
        refusal("InternalFailure", 500),
        Fault("Unheard", 503),
        refusal("ExpiredTokenException"),
        HALF_A_PAGE,
        DEAD_LINE,
    ],
    ids=str,
)
@pytest.mark.parametrize("place", [0, 3])
def test_what_passes_is_waited_out_and_nothing_counts_twice(fault: Fault, place: int) -> None:
    of = bill(2)
    with server(of) as aws:
        source = collector(aws, history_months=0)
        plan, ask = plan_of(source), Asked(source)
        aws.faults.extend([*[None] * place, fault])
        items = list(source.collect(Task(NOW), plan, ask))
        assert ask.calls["ce:GetCostAndUsage"] == aws.count()
    assert len(ask.waits) == 1
    for cut in CUTS:
        assert sums(rows_of(items, cut)) == of.total(NOW, date(2026, 11, 1), UNTIL)


def test_the_wait_that_aws_asks_for_is_handed_on() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0)
        plan, ask = plan_of(source), Asked(source)
        aws.faults.append(refusal("ThrottlingException", 429, retry_after="17"))
        list(source.collect(Task(NOW), plan, ask))
    assert ask.waits == [timedelta(seconds=17)]


@pytest.mark.parametrize("kind", ["RequestChangedException", "InvalidNextTokenException"])
def test_pages_that_no_longer_fit_together_are_all_read_anew(kind: str) -> None:
    of = bill(2)
    of.groups_a_page = 20
    with server(of) as aws:
        source = collector(aws, history_months=0)
        plan = plan_of(source)
        aws.faults.extend([*[None] * 4, refusal(kind)])
        items = list(source.collect(Task(NOW), plan, Asked(source)))
    for cut in CUTS:
        assert sums(rows_of(items, cut)) == of.total(NOW, date(2026, 11, 1), UNTIL)


def test_pages_that_keep_changing_end_the_run_with_what_aws_said() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0)
        plan = plan_of(source)
        aws.faults.extend([refusal("RequestChangedException")] * 3)
        with pytest.raises(CollectError, match=r"2026-11-01 until 2026-11-22: said so \(Request"):
            list(source.collect(Task(NOW), plan, Asked(source)))
        assert aws.count() == 3


def test_a_page_token_that_comes_twice_is_not_followed_for_ever() -> None:
    of = bill(1)
    with server(of) as aws:
        usual = aws.answers["GetCostAndUsage"]
        aws.answers["GetCostAndUsage"] = lambda asked: {
            **usual({**asked, "NextPageToken": "page-0"}),
            "NextPageToken": "again",
        }
        source = collector(aws, history_months=0)
        with pytest.raises(CollectError, match="the same page token twice"):
            read(source)


@pytest.mark.parametrize(
    ("faults", "said"),
    [
        (
            [refusal("AccessDeniedException")],
            "aws: AWS does not allow ce:GetCostAndUsage: said so;",
        ),
        ([refusal("ExpiredTokenException")] * 2, "aws: the AWS credentials have expired; renew"),
        ([refusal("DataUnavailableException")], "if Cost Explorer was switched on today"),
        ([refusal("BillExpirationException")], "lower history_months"),
        ([refusal("SomethingElse")], r"aws: Cost Explorer, .*: said so \(SomethingElse\)"),
    ],
)
def test_what_does_not_pass_is_told_with_its_remedy(faults: list[Fault], said: str) -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0)
        plan, ask = plan_of(source), Asked(source)
        aws.faults.extend(faults)
        with pytest.raises(CollectError, match=said):
            list(source.collect(Task(NOW), plan, ask))
        assert aws.count() == len(faults)


def test_history_that_aws_does_not_have_is_told_and_the_newest_months_are_kept() -> None:
    of = bill(1)
    of.oldest = date(2026, 10, 1)
    with server(of) as aws:
        items = read(collector(aws, history_months=6))
    assert sums(rows_of(items, REGIONS)) == of.total(NOW, date(2026, 10, 1), UNTIL)
    (notice,) = [item for item in items if isinstance(item, Notice)]
    assert notice.reason == "no_history"
    assert "lower history_months" in notice.message


def test_an_answer_that_lacks_days_changes_nothing() -> None:
    with server(bill(1)) as aws:
        usual = aws.answers["GetCostAndUsage"]
        aws.answers["GetCostAndUsage"] = lambda asked: {
            "ResultsByTime": usual(asked)["ResultsByTime"][:-3]
        }
        with pytest.raises(
            CollectError, match="no total of 3 of the days 2026-11-01 to 2026-11-21"
        ):
            read(collector(aws, history_months=0))


def test_without_credentials_nothing_is_asked_or_paid(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0)
        ask = Asked(source)
        plan = source.plan(Task(NOW), ask)
        with pytest.raises(CollectError, match="no AWS credentials are found; set profile"):
            list(source.collect(Task(NOW), plan, ask))
    assert (aws.asked, dict(ask.calls)) == ([], {})


def test_a_profile_of_the_command_line_is_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "config"
    file.write_text("[profile billing]\naws_access_key_id=AKIAPROFILE\naws_secret_access_key=x\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(file))
    with server(bill(1)) as aws:
        read(collector(aws, history_months=0, profile="billing"))
        assert set(aws.keys) == {"AKIAPROFILE"}
        with pytest.raises(CollectError, match=r"profile \(nobody\) could not be found"):
            read(collector(aws, history_months=0, profile="nobody"))


def test_credentials_that_were_renewed_help_the_next_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "credentials"
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(file))
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0, account_names=False)
        file.write_text("[default]\naws_access_key_id=OLD\naws_secret_access_key=x\n")
        aws.faults.extend([refusal("ExpiredTokenException")] * 2)
        with pytest.raises(CollectError, match="have expired"):
            read(source)
        file.write_text("[default]\naws_access_key_id=NEW\naws_secret_access_key=x\n")
        read(source)
        assert set(aws.keys[2:]) == {"NEW"}


def test_an_organisation_of_many_accounts_is_planned_by_its_regions() -> None:
    of = bill(1)
    of.names = {f"{number:012d}": f"account {number}" for number in range(150)}
    with server(of) as aws:
        source = collector(aws, history_months=0)
        plan = plan_of(source)
        # The total, the record types, 20 regions and which they are, three categories, one tag.
        assert plan.least_usd == Decimal("0.27")
        # What a day costs is then known as well, for the cap.
        assert source.daily_usd(timedelta(hours=6), {}) == 4 * plan.least_usd


def test_history_that_aws_does_not_have_fails_no_later_run_and_is_asked_for_once_a_day() -> None:
    of = bill(1)
    of.oldest = date(2026, 10, 1)
    with server(of) as aws:
        source = collector(aws, history_months=6)
        stored = stored_after(read(source))
        for later, due in ((timedelta(minutes=10), 0), (timedelta(hours=23), 7)):
            task = Task(NOW + later, stored=stored)
            assert sum(plan_of(source, task).requests.values()) == due
            read(source, task)
        before = aws.count()
        tomorrow = Task(NOW + timedelta(hours=24), stored=stored)
        items = read(source, tomorrow)
        assert [item.reason for item in items if isinstance(item, Notice)] == ["no_history"]
        assert aws.count() - before == 7 + 1


def test_a_call_that_is_given_up_does_not_hold_up_the_end() -> None:
    with server(bill(1)) as aws:
        source = collector(aws, history_months=0)
        plan, ask = plan_of(source), Asked(source)
        asked, go_on = Event(), Event()
        usual = aws.answers["GetCostAndUsage"]

        def slow(question: Any) -> dict[str, Any]:
            asked.set()
            go_on.wait(30)
            return usual(question)

        aws.answers["GetCostAndUsage"] = slow

        def give_up() -> None:
            asked.wait(30)
            source.cancel()

        canceller = Thread(target=give_up)
        canceller.start()
        with pytest.raises(CollectError, match="stopped while ce:GetCostAndUsage did not answer"):
            list(source.collect(Task(NOW), plan, ask))
        go_on.set()
        canceller.join()


def test_a_tag_that_appears_later_is_read_for_all_of_history() -> None:
    of = bill(2)
    with server(of) as aws:
        stored = stored_after(read(collector(aws, tags={}, history_months=2)))
        grown = collector(aws, history_months=2)
        items: list[Item] = read(grown, Task(NOW + timedelta(minutes=1), stored=stored))
    assert {row.cut for row in items if isinstance(row, CostRow)} == {TEAM}
    assert sums(rows_of(items, TEAM)) == of.total(NOW, SINCE, UNTIL)


def test_a_tag_that_is_configured_no_more_leaves_the_plan_and_old_months_stay() -> None:
    with server(bill(1)) as aws:
        stored = stored_after(read(collector(aws, history_months=2)))
        plan = plan_of(collector(aws, tags={}, history_months=0), Task(NOW, stored=stored))
    assert set(stored) - {part.key for part in plan.parts} == {
        f"2026-{month:02d} {TEAM}" for month in (9, 10, 11)
    }
