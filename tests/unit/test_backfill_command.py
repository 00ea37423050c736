from __future__ import annotations

import pytest

from finops_exporter.backfill_command import LABELS, parse_labels
from finops_exporter.errors import UsageError


def test_labels_replace_those_that_there_are_by_default() -> None:
    assert parse_labels(()) == LABELS == {"job": "finops", "instance": "backfill"}
    assert parse_labels(("instance=a:9836", "cluster=x=y")) == {
        "job": "finops",
        "instance": "a:9836",
        "cluster": "x=y",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("job",), "must be NAME=VALUE, such as job=finops, not 'job'"),
        (("job=",), "must be NAME=VALUE"),
        (("a-b=c",), "must be NAME=VALUE"),
        (("job=a", "job=b"), "job is given twice"),
        (("provider=aws",), "provider is a label that series have of their own"),
        (("tenant_id=a",), "tenant_id is a label that series have"),
        (("site=\udcff",), "must be NAME=VALUE"),
        (("__name__=a",), "__name__ is a label that series have"),
    ],
)
def test_labels_that_cannot_be(given: tuple[str, ...], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_labels(given)
