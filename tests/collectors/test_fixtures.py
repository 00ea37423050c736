"""Every folder <collector>/<case>/ with an expected.json: input as recorded, items as JSON.

recorded.json, where there is one, holds what a remote side answered: operation, request, response.
expected.json holds the collector's `options` (paths are relative to the folder) and `tags`, a
`window` of two ISO days (the second is not in it) or nothing, and all `items` but progress, by kind
and in any order; fields with their default value and fingerprints are left out.
"""

from __future__ import annotations

import json
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import MISSING, fields
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from doubles.asked import Asked
from doubles.aws_server import AwsServer
from finops_exporter.collectors import collector_class
from finops_exporter.model import CostRow, Progress, Task, Window, money_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from finops_exporter.model import Item

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/*/expected.json"))


def as_json(value: Any) -> Any:
    if isinstance(value, Decimal):
        return money_text(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    if isinstance(value, Window):
        return [value.since.isoformat(), value.until.isoformat()]
    if isinstance(value, dict):
        return {key: as_json(each) for key, each in value.items()}
    return value


def defaults(item: Item) -> dict[str, Any]:
    """What stands in each field when nothing is said; MISSING where that cannot be."""
    if isinstance(item, CostRow):
        return dict.fromkeys(CostRow._fields, MISSING) | CostRow._field_defaults
    return {
        field.name: {} if field.default_factory is not MISSING else field.default
        for field in fields(item)
    }


def described(item: Item, folder: Path) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, default in defaults(item).items():
        value = getattr(item, name)
        if name != "fingerprint" and value != default:
            told[name] = as_json(value)
    if "part" in told:
        told["part"] = told["part"].removeprefix(f"{folder}/")
    return told


def in_order(listed: list[dict[str, Any]]) -> list[str]:
    return sorted(json.dumps(each, sort_keys=True) for each in listed)


@contextmanager
def recorded(case: Path) -> Iterator[str | None]:
    """A server that gives the recorded answers to the recorded requests, and no others."""
    file = case / "recorded.json"
    if not file.exists():
        yield None
        return
    answers = json.loads(file.read_text(encoding="utf-8"))

    def answer(operation: str, asked: Mapping[str, Any]) -> dict[str, Any]:
        for one in answers:
            if one["operation"] == operation and one["request"] == asked:
                found: dict[str, Any] = one["response"]
                return found
        raise AssertionError(f"{operation} was not recorded for {asked}")

    operations = {one["operation"] for one in answers}
    with AwsServer(**{name: partial(answer, name) for name in operations}) as server:
        yield server.url


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.parent.name}-{case.name}")
def test_fixture(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    expected = json.loads((case / "expected.json").read_text(encoding="utf-8"))
    kind = collector_class(case.parent.name)
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with recorded(case) as url:
        remote = {"endpoint_url": url} if url else {}
        options = kind.Config.model_validate(expected["options"] | remote)
        source = kind(case.name, options, expected.get("tags", {}))
        ask = Asked(source)
        days = [date.fromisoformat(day) for day in expected.get("window", [])]
        task = Task(NOW, Window(*days) if days else None, lag=kind.default_lag)
        plan = source.plan(task, ask)
        for item in [*plan.unreadable, *source.collect(task, plan, ask)]:
            if not isinstance(item, Progress):
                found[type(item).__name__].append(described(item, case))
    assert bool(ask.calls) == bool(url)
    assert set(found) == set(expected["items"])
    for name, items in found.items():
        assert in_order(items) == in_order(expected["items"][name])


def test_there_are_fixtures() -> None:
    assert CASES
