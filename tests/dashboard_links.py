"""Whether links of dashboards lead anywhere."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from rule_files import RUNBOOKS
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from dashboard_files import Dashboard

RUNBOOK = re.compile(r"https://runbooks\.example\.com/finops/(\w+)\.md")
RUNBOOK_OF_ROW = re.compile(
    r'https://runbooks\.example\.com/finops/\$\{__data\.fields\["\w+"\]\}\.md'
)
"""That of the alert in a column of the row; every alert has one (test_rules_lint)."""
SCOPE_OF_ROW = '${__data.fields["Scope"]}'
PAGE = re.compile(r"https://[^/]+/.*?\b(docs/[\w/.-]+\.md)(#.*)?")
OF_DASHBOARD = re.compile(r"(?:https://grafana\.example\.com)?/d/([\w-]+)")


def links(dashboard: Dashboard, everything: Mapping[str, Dashboard]) -> list[str]:
    """Links lead to dashboards, variables and pages that exist; every panel has its page."""
    found = [
        f"{url}: {problem}"
        for url in _urls(dashboard.fields)
        if (problem := wrong(url, everything))
    ]
    for panel in dashboard.shown:
        own = [str(one.get("url", "")) for one in panel.fields.get("links", [])]
        if not any(RUNBOOK.match(url) or PAGE.match(url) for url in own):
            found.append(f"{panel.title}: no link to a runbook or a page of docs/")
    return found


def _urls(fields: object) -> Iterator[str]:
    """Every `url` in a part of the JSON."""
    if isinstance(fields, dict):
        for name, value in fields.items():
            if name == "url" and isinstance(value, str) and value:
                yield value
            else:
                yield from _urls(value)
    elif isinstance(fields, list):
        for one in fields:
            yield from _urls(one)


def wrong(url: str, everything: Mapping[str, Dashboard]) -> str:
    if found := RUNBOOK.fullmatch(url):
        return "" if (RUNBOOKS / f"{found[1]}.md").is_file() else "there is no such runbook"
    if found := PAGE.fullmatch(url):
        return "" if (ROOT / found[1]).is_file() else "there is no such page"
    if RUNBOOK_OF_ROW.fullmatch(url):
        return ""
    if found := OF_DASHBOARD.match(url):
        return _wrong_variables(url, everything.get(found[1]))
    return "it leads neither to a dashboard nor to a page of ours"


def _wrong_variables(url: str, target: Dashboard | None) -> str:
    if target is None:
        return "there is no such dashboard"
    given = [name for name, _ in parse_qsl(urlsplit(url).query, keep_blank_values=True)]
    asked = {name.removeprefix("var-") for name in given if name.startswith("var-")}
    # Budgets call what they are about as the variables are called; Grafana ignores any other.
    unknown = asked - {one.name for one in target.variables} - {SCOPE_OF_ROW}
    return f"{target.uid} has no variables {sorted(unknown)}" if unknown else ""
