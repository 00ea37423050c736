from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from finops_exporter.exposition.metric import Family, Metric
from finops_exporter.exposition.render import Rendered, Renderer, number_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prometheus_client.metrics_core import Metric as TheirMetric

    from finops_exporter.exposition.metric import Kind

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
        # OpenMetrics has no counter below zero, and none that is not a number.
        values = st.floats(min_value=0, allow_nan=False) if kind == "counter" else numbers
        found.append(Family(metric, draw(st.dictionaries(keys, values, max_size=4))))
    return found


def text(rendered: Iterable[Rendered]) -> str:
    return b"".join(one.text + one.samples for one in rendered).decode()


def openmetrics(rendered: Iterable[Rendered]) -> str:
    return b"".join(one.openmetrics + one.samples for one in rendered).decode() + "# EOF\n"


def split(line: str) -> tuple[str, float]:
    """The text up to the number, and the number: it may be spelt in several ways."""
    start, _, number = line.rpartition(" ")
    return (start, float(number)) if start and not line.startswith("#") else (line, 0.0)


def same(ours: float, theirs: float) -> bool:
    return ours == theirs or (math.isnan(ours) and math.isnan(theirs))


@given(families())
def test_the_text_is_what_prometheus_client_writes_to_the_byte_but_for_the_spelling_of_numbers(
    given_families: list[Family],
) -> None:
    registry = CollectorRegistry()
    registry.register(Theirs(given_families))
    ours = text(Renderer().render(given_families)).split("\n")
    theirs = generate_latest(registry).decode().split("\n")
    assert len(ours) == len(theirs)
    for our_line, their_line in zip(ours, theirs, strict=True):
        (start, number), (their_start, their_number) = split(our_line), split(their_line)
        assert start == their_start
        assert same(number, their_number)


@given(families())
def test_both_formats_read_back(given_families: list[Family]) -> None:
    rendered = Renderer().render(given_families)
    expected = {
        (family.metric.name, *sorted(zip(family.metric.labels, key, strict=True))): number
        for family in given_families
        for key, number in family.samples.items()
    }
    for read in (
        text_string_to_metric_families(text(rendered)),
        openmetrics_families(openmetrics(rendered)),  # type: ignore[no-untyped-call]  # the library has no types here
    ):
        found = {
            (sample.name, *sorted(sample.labels.items())): sample.value
            for family in read
            for sample in family.samples
        }
        assert found.keys() == expected.keys()
        assert all(same(found[key], expected[key]) for key in expected)


@given(st.lists(st.dictionaries(st.tuples(label_values, label_values), numbers, max_size=4)))
def test_what_was_rendered_before_changes_nothing(
    refreshes: list[dict[tuple[str, ...], float]],
) -> None:
    renderer = Renderer()
    for samples in refreshes:
        family = Family(Metric("m", "gauge", "help", ("a", "b")), dict(samples))
        assert renderer.render([family]) == Renderer().render([family])


def test_openmetrics_knows_units_and_calls_a_counter_by_its_name_without_total() -> None:
    paid = Family(Metric("paid_usd_total", "counter", 'What "it" cost.'), {(): 1.5})
    assert Renderer().render([paid]) == [
        Rendered(
            b'# HELP paid_usd_total What "it" cost.\n# TYPE paid_usd_total counter\n',
            b'# HELP paid_usd What \\"it\\" cost.\n# TYPE paid_usd counter\n# UNIT paid_usd usd\n',
            b"paid_usd_total 1.5\n",
        )
    ]
    (read,) = openmetrics_families(openmetrics(Renderer().render([paid])))  # type: ignore[no-untyped-call]  # see above
    assert (read.unit, read.type) == ("usd", "counter")


def test_numbers_without_an_end_have_names() -> None:
    family = Family(
        Metric("m", "gauge", "help", ("a",)),
        {("1",): math.nan, ("2",): math.inf, ("3",): -math.inf, ("4",): 1e308, ("5",): 1e308},
    )
    (rendered,) = Renderer().render([family])
    found = re.findall(rb" (.*)\n", rendered.samples)
    assert found == [b"NaN", b"+Inf", b"-Inf", b"1e+308", b"1e+308"]
    assert number_text(0.1) == "0.1"


def test_a_family_without_samples_says_nothing() -> None:
    assert Renderer().render([Family(Metric("m", "gauge", "help"))]) == []
