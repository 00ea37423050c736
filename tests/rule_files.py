"""rules/*.yaml as Python reads them, and what their expressions ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import promql_parser
import yaml

from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RULES = ROOT / "rules"
RUNBOOKS = RULES / "runbooks"
FILES = sorted(RULES.glob("*.yaml"))

Node = Any
"""An expression of promql-parser; its classes share no attributes."""


@dataclass(frozen=True)
class Rule:
    """An alert or a recording; `group` is its file's name as well."""

    group: str
    name: str
    expr: str
    fields: Mapping[str, Any]

    @property
    def labels(self) -> Mapping[str, str]:
        return dict(self.fields.get("labels", {}))

    @property
    def annotations(self) -> Mapping[str, str]:
        return dict(self.fields["annotations"])

    @property
    def id(self) -> str:
        return f"{self.name}-{self.labels.get('severity', '')}"


def groups() -> dict[str, list[dict[str, Any]]]:
    """The rules of each group, in order."""
    found = {}
    for file in FILES:
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            found[group["name"]] = group["rules"]
    return found


def _rules(kind: str) -> list[Rule]:
    return [
        Rule(group, fields[kind], fields["expr"], fields)
        for group, rules in groups().items()
        for fields in rules
        if kind in fields
    ]


ALERTS = _rules("alert")
RECORDINGS = _rules("record")


def parse(expr: str) -> Node:
    """The expression; raises ValueError when it is none."""
    return promql_parser.parse(expr)


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it."""
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        below = getattr(node, name, None)
        if below is not None:
            yield from walk(below)
    for below in getattr(node, "args", None) or ():
        yield from walk(below)


@dataclass(frozen=True)
class Selector:
    """What is asked for: the name of a metric, or a pattern of names, and the labels it needs."""

    name: str
    labels: frozenset[str]
    is_pattern: bool = False


def selectors(expr: str) -> list[Selector]:
    """All selectors of an expression."""
    found = []
    for node in walk(parse(expr)):
        if not isinstance(node, promql_parser.VectorSelector):
            continue
        matchers = {one.name: one.value for one in node.matchers.matchers}
        labels = frozenset(matchers) - {"__name__"}
        name = node.name or matchers["__name__"]
        found.append(Selector(name, labels, is_pattern=node.name is None))
    return found


def template_queries(text: str) -> list[str]:
    """The expressions that a template asks Prometheus for, with words in place of its labels.

    `query "..."`, `"..." | query` and `printf "..." $label | query` are known.
    """
    found = []
    for action in re.findall(r"{{(.*?)}}", text, re.DOTALL):
        if not re.search(r"\bquery\b", action):
            continue
        (literal,) = re.findall(r'"((?:[^"\\]|\\.)*)"', action)[:1]
        asked = literal.replace(r"\"", '"').replace(r"\\", "\\")
        asked = re.sub(r"%(\[\d\])?q", '"x"', asked)
        found.append(
            asked.replace("cost_%s_usd", "cost_monthly_usd").replace("%s", "").replace("%[1]s", "")
        )
    return found


def is_zero(node: Node) -> bool:
    """Whether it is the number 0."""
    return isinstance(node, promql_parser.NumberLiteral) and node.val == 0


def comparisons(node: Node) -> Iterator[Node]:
    """Comparisons anywhere below."""
    for one in walk(node):
        if isinstance(one, promql_parser.BinaryExpr) and str(one.op) in COMPARE:
            yield one


COMPARE = {">", "<", ">=", "<=", "==", "!="}
