from __future__ import annotations

import gzip
import zlib
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.parser import text_string_to_metric_families

from finops_exporter.exposition.catalogue import Family, Metric
from finops_exporter.exposition.render import block, page, render

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.metrics_core import Metric as TheirMetric

    from finops_exporter.exposition.catalogue import Kind

label_values = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
numbers = st.floats() | st.sampled_from([0.0, -0.0, 1e6, 123456789.0, 1e21, 2.5e-7, 0.1])


class Theirs:
    """The same families, told to prometheus_client."""

    def __init__(self, families: list[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[TheirMetric]:
        for family in self._families:
            metric = family.metric
            kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
            name = metric.name.removesuffix("_total")
            theirs = kind(name, metric.help, labels=metric.labels)
            for key, number in sorted(family.samples.items()):
                theirs.add_metric(key, number)
            if family.samples:
                yield theirs


@st.composite
def families(draw: st.DrawFn) -> list[Family]:
    found = []
    for index in range(draw(st.integers(0, 3))):
        kind: Kind = draw(st.sampled_from(["gauge", "counter"]))
        labels = tuple(draw(st.permutations(["b", "a", "zone"]))[: draw(st.integers(0, 3))])
        suffix = "_total" if kind == "counter" else ""
        metric = Metric(f"m{index}{suffix}", kind, draw(st.text(max_size=12)).strip(), labels)
        keys = st.tuples(*(label_values for _ in labels))
        found.append(Family(metric, draw(st.dictionaries(keys, numbers, max_size=4))))
    return found


@given(families())
def test_the_text_is_what_prometheus_client_writes_to_the_byte(
    given_families: list[Family],
) -> None:
    registry = CollectorRegistry()
    registry.register(Theirs(given_families))
    assert render(given_families) == generate_latest(registry)


@given(families())
def test_the_text_reads_back(given_families: list[Family]) -> None:
    read = list(text_string_to_metric_families(render(given_families).decode()))
    count = sum(len(family.samples) for family in read)
    assert count == sum(len(family.samples) for family in given_families)


def test_a_family_without_samples_says_nothing() -> None:
    assert render([Family(Metric("m", "gauge", "help"))]) == b""


@given(st.binary(max_size=5000), st.binary(max_size=500))
def test_a_page_is_one_gzip_member_of_its_text(first: bytes, rest: bytes) -> None:
    whole = page(block(first), rest)
    assert whole.identity == first + rest
    assert gzip.decompress(whole.gzip) == whole.identity
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    # One member: a reader that stops at the first end has everything, and nothing is left over.
    assert reader.decompress(whole.gzip) == whole.identity
    assert reader.eof
    assert reader.unused_data == b""


def test_a_block_is_compressed_once_and_used_many_times() -> None:
    first = block(b"aws_cost_monthly_usd 1\n" * 1000)
    pages = [page(first, f"live {number}\n".encode()) for number in range(3)]
    assert [gzip.decompress(one.gzip)[-7:] for one in pages] == [
        b"live 0\n",
        b"live 1\n",
        b"live 2\n",
    ]
    assert all(one.gzip[10 : 10 + len(first.deflated)] == first.deflated for one in pages)
