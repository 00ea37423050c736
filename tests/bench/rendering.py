"""What a refresh pays: writing all samples in both formats, and compressing them once."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as their_openmetrics

from finops_exporter.exposition.bodies import blocks
from finops_exporter.exposition.render import Renderer

from .harness import Job, Row, bar, interleaved, say
from .samples import families, registry, text_of

if TYPE_CHECKING:
    from collections.abc import Iterator


def rows(*, quick: bool) -> Iterator[Row]:
    """Theirs writes one format, ours both; our renderer has seen the labels before, as it does."""
    series = 20_000 if quick else 100_000
    say(f"rendering of {series} series")
    given = families(series)
    theirs = registry(given)
    renderer = Renderer()
    if text_of(renderer.render(given)) != generate_latest(theirs):
        raise AssertionError("both sides must write the same samples")
    seconds = interleaved(
        {
            "text": Job(lambda: generate_latest(theirs)),
            "openmetrics": Job(lambda: their_openmetrics(theirs)),  # type: ignore[no-untyped-call]  # the library has no types here
            "gzip": Job(lambda: gzip.compress(generate_latest(theirs), 6)),
            "ours": Job(lambda: renderer.render(given), 3),
            "new labels": Job(lambda: Renderer().render(given)),
            "ours, gzip": Job(lambda: blocks(renderer.render(given))),
        },
        rounds=5,
        limit=40,
    )
    name = f"rendering {series} series"
    yield _row(name, "generate_latest", seconds["text"], seconds["ours"], bar(8, quick=quick))
    yield _row(
        name,
        "generate_latest, OpenMetrics",
        seconds["openmetrics"],
        seconds["ours"],
        bar(8, quick=quick),
    )
    labels = f"{name}, all labels new"
    yield _row(labels, "generate_latest", seconds["text"], seconds["new labels"], 2, gating=False)
    packed = f"{name} and compressing them"
    yield _row(
        packed, "generate_latest, gzip", seconds["gzip"], seconds["ours, gzip"], 2, gating=False
    )


def _row(
    name: str, theirs: str, baseline: float, ours: float, least: float, *, gating: bool = True
) -> Row:
    return Row(name, theirs, baseline, ours, least, gating=gating)
