"""The doubles are held against the service's own model: what they say, AWS could have said."""

from __future__ import annotations

import json
from datetime import date
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from botocore.validate import ParamValidator

from doubles.aws_bill import Bill, RefusedRequest
from doubles.aws_server import AwsServer, refusal
from doubles.aws_support import NOW, bill, line, server
from finops_exporter.collectors.aws_cost_explorer import queries
from finops_exporter.collectors.aws_cost_explorer.pages import _BEGINS_AGAIN, _NO_DAYS
from finops_exporter.model import Window
from shared import shared_data

if TYPE_CHECKING:
    from collections.abc import Mapping

DAYS = Window(date(2026, 10, 30), date(2026, 11, 22))
METRICS = ("UnblendedCost", "AmortizedCost")
QUESTIONS = {
    "total": queries.body(DAYS, METRICS),
    "record types": queries.body(DAYS, METRICS, [queries.ACCOUNT, queries.RECORD_TYPE]),
    "regions": queries.body(DAYS, METRICS, [queries.REGION]),
    "an account": queries.body(
        DAYS,
        METRICS,
        [queries.SERVICE, queries.REGION],
        [queries.only(queries.ACCOUNT, ["000000000001"])],
    ),
    "nowhere": queries.body(
        DAYS,
        METRICS,
        [queries.ACCOUNT, queries.SERVICE],
        [
            queries.only(queries.ACCOUNT, ["000000000001"]),
            queries.without(queries.only(queries.REGION, ["us-east-1"])),
        ],
    ),
    "a tag": queries.body(DAYS, METRICS, [queries.ACCOUNT, queries.tag("team")]),
}


def model(service: str, operation: str) -> Any:
    client = boto3.client(service, region_name="us-east-1")
    return client.meta.service_model.operation_model(operation)


def problems(value: Mapping[str, Any], shape: Any) -> str:
    report: str = ParamValidator().validate(value, shape).generate_report()
    return report


@pytest.mark.parametrize("name", QUESTIONS)
def test_questions_and_answers_are_those_of_cost_explorer(name: str) -> None:
    operation = model("ce", "GetCostAndUsage")
    question = QUESTIONS[name]
    of = bill(2)
    of.groups_a_page = 20
    pages = 0
    while True:
        answer = of.answer(question, NOW)
        assert problems(question, operation.input_shape) == ""
        assert problems(answer, operation.output_shape) == ""
        pages += 1
        if "NextPageToken" not in answer:
            break
        question = {**question, "NextPageToken": answer["NextPageToken"]}
    assert pages > 1


def test_the_validator_finds_what_is_wrong() -> None:
    shape = model("ce", "GetCostAndUsage").output_shape
    answer = Bill([]).answer(QUESTIONS["total"], NOW)
    assert 'Unknown parameter in input: "Invented"' in problems({**answer, "Invented": 1}, shape)
    answer["ResultsByTime"][0]["Estimated"] = "yes"
    assert "Estimated" in problems(answer, shape)


def test_a_recorded_answer_has_no_field_that_the_double_lacks() -> None:
    path = shared_data("aws/ce_hms_GetCostAndUsage_by_tag.json")
    recorded = json.loads(path.read_text(encoding="utf-8"))["byUser"]
    assert problems(recorded, model("ce", "GetCostAndUsage").output_shape) == ""
    ours = bill(2).answer(QUESTIONS["a tag"], NOW)
    assert recorded.keys() == ours.keys()
    for mine, theirs in zip(ours["ResultsByTime"], recorded["ResultsByTime"], strict=False):
        assert mine.keys() == theirs.keys()
    both = (recorded, ours)
    first, second = (
        {len(group["Keys"]) for result in each["ResultsByTime"] for group in result["Groups"]}
        for each in both
    )
    assert (first, second) == ({1}, {2})
    # A day without a group has a total of nothing, in both.
    empty = next(r for r in recorded["ResultsByTime"] if not r["Groups"])
    (mine,) = Bill([line("2026-11-02", "1")]).answer(
        queries.body(Window(date(2026, 11, 3), date(2026, 11, 4)), METRICS, [queries.REGION]), NOW
    )["ResultsByTime"]
    amount = {"Amount": "0", "Unit": "USD"}
    assert empty["Total"] == {"BlendedCost": amount}
    assert mine["Total"] == dict.fromkeys(METRICS, amount)


def test_names_of_accounts_are_answered_as_organizations_does() -> None:
    with server(bill(2)) as aws:
        answer = aws.answers["ListAccounts"]({})
    assert problems(answer, model("organizations", "ListAccounts").output_shape) == ""


def test_the_errors_are_those_that_the_sdk_knows() -> None:
    known = {shape.name for shape in model("ce", "GetCostAndUsage").error_shapes}
    # ValidationException is common to all services and stands in no model.
    assert known | {"ValidationException"} >= _BEGINS_AGAIN | _NO_DAYS
    with AwsServer(GetCostAndUsage=lambda _asked: {}) as aws:
        once = Config(retries={"total_max_attempts": 1})
        client = boto3.client("ce", region_name="us-east-1", endpoint_url=aws.url, config=once)
        for kind in sorted(known):
            aws.faults.append(refusal(kind))
            with pytest.raises(ClientError) as caught:
                client.get_cost_and_usage(**QUESTIONS["total"])
            assert type(caught.value).__name__ == kind


@pytest.mark.parametrize(
    ("since", "until", "said"),
    [
        ("2026-12-01", "2026-12-01", "should be before end date"),
        ("2026-11-01", "2026-12-02", "end date past the beginning of next month"),
    ],
)
def test_periods_that_aws_refuses_are_refused(since: str, until: str, said: str) -> None:
    question = {**QUESTIONS["total"], "TimePeriod": {"Start": since, "End": until}}
    with pytest.raises(RefusedRequest, match=said):
        Bill([]).answer(question, NOW)
