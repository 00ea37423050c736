"""What a check says: a level, a sentence, and the remedy where something is not as it should be."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Level: TypeAlias = Literal["ok", "warning", "problem", "not checked"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report; `remedy` is a command, a key to change or a statement to run."""

    check: str
    level: Level
    message: str
    remedy: str | None = None


def ok(check: str, message: str) -> Finding:
    """As it should be."""
    return Finding(check, "ok", message)


def warning(check: str, message: str, remedy: str) -> Finding:
    """It works, but somebody should look at it."""
    return Finding(check, "warning", message, remedy)


def problem(check: str, message: str, remedy: str) -> Finding:
    """It does not work, or numbers are wrong."""
    return Finding(check, "problem", message, remedy)


def has_problem(findings: Iterable[Finding]) -> bool:
    """Whether something has to be mended."""
    return any(one.level == "problem" for one in findings)


def as_json(findings: Sequence[Finding]) -> str:
    """The findings in their order; `remedy` is null where there is nothing to do."""
    return json.dumps({"findings": [asdict(one) for one in findings]}, indent=2, ensure_ascii=False)
