from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from local_stack.alert_states import duration, evaluated, news, states, table

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)


def alert(about: str, *, state: str = "pending", since: datetime = NOW, **labels: str) -> Any:
    return {
        "labels": {"severity": "warning", "budget": about, **labels},
        "annotations": {"summary": f"Budget {about}"},
        "state": state,
        "activeAt": since.isoformat(),
    }


def group(*alerts: Any, name: str = "Budget", waits: float = 900, last: datetime = NOW) -> Any:
    rule = {"name": name, "duration": waits, "alerts": list(alerts)}
    return {"interval": 15, "lastEvaluation": last.isoformat(), "rules": [rule]}


def test_what_fires_comes_first_then_the_worst_then_the_nearest() -> None:
    found = states(
        [
            group(alert("later"), alert("info", severity="info", state="firing")),
            group(alert("sooner", since=NOW - timedelta(minutes=1))),
            group(alert("worst", severity="critical"), waits=3600),
            group(alert("always", state="firing"), name="FinOpsWatchdog"),
        ]
    )
    assert [one.about for one in found] == [
        "Budget info",
        "Budget worst",
        "Budget sooner",
        "Budget later",
    ]


def test_the_table_says_when_each_will_fire() -> None:
    found = states(
        [group(alert("a", since=NOW - timedelta(seconds=61)), alert("b", state="firing"))]
    )
    assert table(found, NOW).splitlines() == [
        "Budget  warning  fires            Budget b",
        "Budget  warning  fires in 14 min  Budget a",
    ]
    assert "about to fire" in table(found, NOW + timedelta(hours=1))
    assert table([], NOW) == ""


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (59, "59 s"), (60, "1 min"), (61, "2 min"), (7140, "119 min"), (21590, "6 h")],
)
def test_a_time_to_wait_is_as_coarse_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_news_are_what_begins_to_fire_and_what_ends_a_line_an_alert() -> None:
    before = states([group(alert("a", state="firing"), alert("b"))])
    after = states([group(alert("b", state="firing"), alert("c", state="firing"))])
    assert news(before, after) == [
        "fires: Budget (warning), of 2 things",
        "over: Budget (warning): Budget a",
    ]
    assert news(after, after) == []


def test_groups_that_look_at_other_exporters_are_not_waited_for() -> None:
    ours, others = group(), {**group(last=datetime(1, 1, 1, tzinfo=UTC)), "interval": 300}
    assert evaluated([ours, others], NOW - timedelta(seconds=1))
    assert not evaluated([ours, others], NOW)
    assert not evaluated([], NOW)
