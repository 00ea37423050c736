"""What a refresh pays: rendering all samples and compressing them once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import generate_latest

from finops_exporter.exposition.render import block, render

from .harness import Job, Row, bar, interleaved, say
from .samples import families, registry

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(*, quick: bool) -> Iterator[Row]:
    """Ours contains the compression, which generate_latest leaves to every scrape."""
    series = 20_000 if quick else 100_000
    say(f"rendering of {series} series")
    given = families(series)
    theirs = registry(given)
    if render(given) != generate_latest(theirs):
        raise AssertionError("both sides must write the same bytes")
    seconds = interleaved(
        {
            "generate_latest": Job(lambda: generate_latest(theirs)),
            "ours": Job(lambda: block(render(given))),
        },
        rounds=5,
        limit=20,
    )
    yield Row(
        f"rendering {series} series, once per refresh",
        "generate_latest",
        seconds["generate_latest"],
        seconds["ours"],
        bar(8, quick=quick),
        gating=False,
    )
