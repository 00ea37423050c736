"""The questions to Cost Explorer as bodies of GetCostAndUsage: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from finops_exporter.model import Window

GroupBy = tuple[str, str]
"""How an answer is grouped: DIMENSION or TAG, and which; a question has two of them at most."""

ACCOUNT: GroupBy = ("DIMENSION", "LINKED_ACCOUNT")
SERVICE: GroupBy = ("DIMENSION", "SERVICE")
REGION: GroupBy = ("DIMENSION", "REGION")
RECORD_TYPE: GroupBy = ("DIMENSION", "RECORD_TYPE")

Filter = dict[str, Any]


def tag(key: str) -> GroupBy:
    """Grouped by the values of a cost allocation tag."""
    return ("TAG", key)


def only(dimension: GroupBy, values: Iterable[str]) -> Filter:
    """What has one of these values."""
    return {"Dimensions": {"Key": dimension[1], "Values": sorted(values)}}


def without(condition: Filter) -> Filter:
    """What does not meet the condition."""
    return {"Not": condition}


def body(
    days: Window,
    metrics: Iterable[str],
    group_by: Sequence[GroupBy] = (),
    filters: Sequence[Filter] = (),
) -> dict[str, Any]:
    """A question about each of the days, for what meets all the filters."""
    asked: dict[str, Any] = {
        "TimePeriod": {"Start": days.since.isoformat(), "End": days.until.isoformat()},
        "Granularity": "DAILY",
        "Metrics": list(dict.fromkeys(metrics)),
    }
    if group_by:
        asked["GroupBy"] = [{"Type": kind, "Key": key} for kind, key in group_by]
    if filters:
        asked["Filter"] = filters[0] if len(filters) == 1 else {"And": list(filters)}
    return asked
