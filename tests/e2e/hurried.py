"""The shipped rules with short durations: nobody can wait six hours, and Go has no clock to turn.

Only durations change. What a rule waits for becomes a second, its windows are divided by a factor,
but never become shorter than a few scrapes; those of subqueries and what is behind `offset` are
divided alone, so that as many steps are in them as before. Groups are evaluated every second.
Literals such as `7 * 86400` stay.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import yaml

from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RULES = ROOT / "rules"

WAIT = "1s"
"""What `for` and `keep_firing_for` become."""

FLOOR_MS = 5_000
"""The shortest window: with fewer scrapes in it, a late one would be a gap."""

USUAL = 360
"""Half an hour becomes five seconds."""

FACTORS = {"trend": 20_000, "waste": 20_000, "ai-ledger": 30}
"""By group: two days become nine seconds, a week 30 s in steps of 180 ms; and five minutes of the
ledger 10 s, because its callers wait for real seconds when its database is away."""

MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = r"((?:\d+(?:ms|[smhd]))+)"
_WINDOW = re.compile(rf"\[{_DURATION}(?::{_DURATION})?\]|\boffset {_DURATION}")


def hurried_files(folder: Path) -> list[Path]:
    """All rule files, written into `folder` with their durations changed."""
    folder.mkdir()
    return [_write(file, folder / file.name) for file in sorted(RULES.glob("*.yaml"))]


def hurried(groups: dict[str, Any]) -> dict[str, Any]:
    """The content of a rule file with its durations changed."""
    return {"groups": [_group(group) for group in groups["groups"]]}


def _write(shipped: Path, file: Path) -> Path:
    groups = yaml.safe_load(shipped.read_text(encoding="utf-8"))
    text = yaml.safe_dump(hurried(groups), sort_keys=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8")
    return file


def _group(group: dict[str, Any]) -> dict[str, Any]:
    factor = FACTORS.get(group["name"], USUAL)
    rules = [dict(_hurry(rule, factor)) for rule in group["rules"]]
    kept = {key: value for key, value in group.items() if key not in {"interval", "rules"}}
    return {**kept, "rules": rules}


def _hurry(rule: dict[str, Any], factor: int) -> Iterator[tuple[str, Any]]:
    for key, value in rule.items():
        match key:
            case "for" | "keep_firing_for":
                yield key, WAIT
            case "expr":
                yield key, windows(value, factor)
            case "annotations":
                yield key, {name: windows(text, factor) for name, text in value.items()}
            case _:
                yield key, value


def windows(text: str, factor: int) -> str:
    """An expression, or a template with expressions in it, with shorter windows."""

    def shorter(found: re.Match[str]) -> str:
        window, step, offset = found.groups()
        if offset:
            return f"offset {_divided(offset, factor)}"
        if step:
            return f"[{_divided(window, factor)}:{_divided(step, factor)}]"
        return f"[{_divided(window, factor, FLOOR_MS)}]"

    return _WINDOW.sub(shorter, text)


def _divided(duration: str, factor: int, floor_ms: int = 1) -> str:
    parts = re.findall(r"(\d+)(ms|[smhd])", duration)
    whole = sum(int(number) * MILLISECONDS[unit] for number, unit in parts)
    return f"{max(whole // factor, floor_ms)}ms"
