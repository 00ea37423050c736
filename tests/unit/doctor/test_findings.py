from __future__ import annotations

import json

from finops_exporter.doctor.examination import CHECKS, not_checked
from finops_exporter.doctor.findings import as_json, has_problem, ok, problem, warning

FOUND = [ok("database", "fine"), warning("clock", "6 s apart", "set it: Zürich")]


def test_only_problems_are_problems() -> None:
    assert not has_problem([])
    assert not has_problem(FOUND)
    assert has_problem([*FOUND, problem("rollups", "wrong", "mend")])


def test_json_holds_every_finding_in_its_order() -> None:
    text = as_json(FOUND)
    assert "Zürich" in text
    assert json.loads(text)["findings"] == [
        {"check": "database", "level": "ok", "message": "fine", "remedy": None},
        {
            "check": "clock",
            "level": "warning",
            "message": "6 s apart",
            "remedy": "set it: Zürich",
        },
    ]


def test_what_was_not_checked_says_what_it_waits_for() -> None:
    elsewhere = problem("configuration", "wrong", "mend")
    left = not_checked([elsewhere, ok("database", "fine"), problem("permissions", "no", "GRANT")])
    assert [one.check for one in left] == list(CHECKS[2:])
    assert {one.message for one in left} == {"the check of the permissions found a problem"}
    assert not_checked([ok(check, "fine") for check in CHECKS]) == []
