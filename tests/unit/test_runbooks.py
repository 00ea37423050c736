"""Every runbook can be followed at 3 a.m.: its parts, its queries, its commands, its links."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
import yaml

from exporter_commands import all_commands
from rule_files import ALERTS, RULES, RUNBOOKS, parse, selectors
from rule_metrics import unknown

if TYPE_CHECKING:
    from pathlib import Path

PAGES = sorted(RUNBOOKS.glob("*.md"))
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation"]

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)\n *```", page.read_text(encoding="utf-8"), re.DOTALL)


@each_page
def test_a_page_has_its_parts_in_order_and_none_is_empty(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"# {page.stem}\n\n*")
    head, *parts = text.split("\n## ")
    assert [part.split("\n")[0] for part in parts] == SECTIONS
    assert all(part.split("\n", 1)[1].strip() for part in parts)
    assert "```" in parts[2]
    severities = {one.labels["severity"] for one in ALERTS if one.name == page.stem}
    assert severities & {"critical", "warning", "info", "none"} <= set(re.findall(r"\w+", head))
    assert ("page:" in head) == ("critical" in severities)


@each_page
def test_its_queries_can_be_asked(page: Path) -> None:
    asked = blocks(page, "promql")
    assert [
        problem for query in asked for one in selectors(query) if (problem := unknown(one))
    ] == []


def told_commands() -> list[tuple[str, str]]:
    """Each call of our command, by the page or alert that tells it."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        inline = re.findall(r"`(finops-exporter [^`]+)`", text)
        in_blocks = [
            line.split("  #")[0]
            for block in blocks(page, "sh")
            for line in block.splitlines()
            if line.lstrip().startswith("finops-exporter")
        ]
        found += [(page.stem, " ".join(call.split())) for call in [*inline, *in_blocks]]
    for alert in ALERTS:
        call = re.sub(r"{{.*?}}", "x", alert.annotations["command"], flags=re.DOTALL)
        if call.startswith("finops-exporter"):
            found.append((alert.id, call))
    return sorted(set(found))


@pytest.mark.parametrize(("where", "call"), told_commands())
def test_its_commands_exist_with_their_options(where: str, call: str) -> None:
    words = shlex.split(call)[1:]
    commands = all_commands()
    told = (" ".join(words[:count]) for count in (3, 2, 1))
    name = next((name for name in told if name in commands), None)
    assert name is not None, where
    known = {option for one in commands[name].params for option in one.opts + one.secondary_opts}
    assert {word for word in words if word.startswith("--")} <= known, where


@each_page
def test_its_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_readme_names_every_file() -> None:
    text = (RULES / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([a-z-]+\.yaml)`", text, re.MULTILINE))
    assert named == {file.name for file in RULES.glob("*.yaml")}
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert (RULES / target).exists(), target


def test_the_readme_scrapes_so_that_our_labels_stay_ours() -> None:
    # A target of an operator's ServiceMonitor has a label `service`, as our costs have.
    text = (RULES / "README.md").read_text(encoding="utf-8")
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert all(job["honor_labels"] for job in yaml.safe_load(shown)["scrape_configs"])
    assert "honorLabels: true" in text


def test_a_query_that_cannot_be_asked_is_found() -> None:
    with pytest.raises(ValueError, match=r"unclosed|unexpected"):
        parse("sum by (x")
    assert unknown(selectors('aws_cost_today_usd{region="x"}')[0])
    assert unknown(selectors("aws_cost_tomorrow_usd")[0])
