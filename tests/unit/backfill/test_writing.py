from __future__ import annotations

from datetime import UTC, datetime
from math import inf, nan

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from finops_exporter.backfill.record import Record
from finops_exporter.backfill.steps import Steps
from finops_exporter.backfill.writing import END, Size, Writer
from finops_exporter.exposition.metric import Family, Metric

BEGIN = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp())
LABELS = {"job": "finops", "instance": 'a "b"\\'}
GAUGE = Metric("a_usd", "gauge", 'Says "x".', ("z", "a"))
COUNTER = Metric("b_usd_total", "counter", "B.")


def written(points: Steps, record: Record) -> tuple[str, Size]:
    chunks: list[bytes] = []
    writer = Writer(points, LABELS)
    size = writer.heartbeat(chunks.append)
    for metric, series in record.families():
        size = size.plus(writer.family(chunks.append, metric, series))
    chunks.append(END)
    return b"".join(chunks).decode(), size


@given(
    st.lists(
        st.dictionaries(
            st.tuples(st.text(max_size=3), st.sampled_from("ab")),
            st.floats(allow_nan=False),
            max_size=4,
        ),
        min_size=1,
        max_size=8,
    ),
    st.sampled_from([3600, 21_600]),
)
def test_openmetrics_reads_back_what_was_shown(
    pages: list[dict[tuple[str, str], float]], every: int
) -> None:
    points = Steps(BEGIN, every, len(pages))
    record = Record()
    for place, page in enumerate(pages):
        record.put(place, [Family(GAUGE, {(*key,): value for key, value in page.items()})])
    text, size = written(points, record)
    found, series = {}, set()
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]  # the library has no types here
        for sample in family.samples:
            series.add((sample.name, *sorted(sample.labels.items())))
            assert {name: sample.labels[name] for name in LABELS} == LABELS
            if sample.name == "a_usd":
                key = (sample.labels["z"], sample.labels["a"])
                assert sample.timestamp is not None
                found[(float(sample.timestamp) - BEGIN) / every, key] = sample.value
            else:
                assert sample.value == float(sample.timestamp)
    assert found == {
        (place, key): value for place, page in enumerate(pages) for key, value in page.items()
    }
    assert size == (len(series), len(found) + len(pages), len(text.encode()) - len(END))


def test_the_lines_of_a_history() -> None:
    record = Record()
    record.put(0, [Family(COUNTER, {(): 0.0}), Family(GAUGE, {("1", "2"): 1.5})])
    record.put(1, [Family(COUNTER, {(): inf})])
    text, _ = written(Steps(BEGIN, 3600, 3), record)
    labels = 'job="finops",instance="a \\"b\\"\\\\"'
    assert text.splitlines()[3:] == [
        *(
            f"finops_snapshot_timestamp_seconds{{{labels}}} {BEGIN + n * 3600}.0 {BEGIN + n * 3600}"
            for n in range(3)
        ),
        '# HELP a_usd Says \\"x\\".',
        "# TYPE a_usd gauge",
        "# UNIT a_usd usd",
        f'a_usd{{{labels},a="2",z="1"}} 1.5 {BEGIN}',
        "# HELP b_usd B.",
        "# TYPE b_usd counter",
        "# UNIT b_usd usd",
        f"b_usd_total{{{labels}}} 0.0 {BEGIN}",
        f"b_usd_total{{{labels}}} +Inf {BEGIN + 3600}",
        f"b_usd_total{{{labels}}} +Inf {BEGIN + 7200}",
        "# EOF",
    ]


def test_what_ends_is_not_seen_beside_what_follows() -> None:
    record = Record()
    record.put(0, [Family(GAUGE, {("1", ""): 1.0})])
    record.put(12, [Family(GAUGE, {("2", ""): 2.0})])
    for every, last in ((300, 10), (60, 6), (600, 11)):
        text, _ = written(Steps(BEGIN, every, 24), record)
        times = [
            (int(line.rpartition(" ")[2]) - BEGIN) // every
            for line in text.splitlines()
            if 'z="1"' in line
        ]
        assert times == list(range(last + 1))


def test_a_series_that_is_seen_too_shortly_leaves_nothing() -> None:
    record = Record()
    record.put(0, [Family(GAUGE, {("1", ""): 1.0})])
    record.put(1, [Family(GAUGE, {("1", ""): nan})])
    text, size = written(Steps(BEGIN, 300, 3), record)
    assert "a_usd" not in text
    assert size.series == 1
