"""Looks into snapshots and pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from finops_exporter.exposition.bodies import Page
    from finops_exporter.exposition.snapshot import Snapshot


def samples(snapshot: Snapshot, name: str) -> dict[tuple[str, ...], float]:
    """A family's samples; none when the family is absent."""
    return next((f.samples for f in snapshot.families if f.metric.name == name), {})


def text_of(page: Page) -> str:
    """The body in the text format."""
    return b"".join(page.text.identity).decode()
