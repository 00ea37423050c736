from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.web.negotiation import accepts_gzip, prefers_openmetrics

OM = "application/openmetrics-text"

PROMETHEUS_2 = (
    f"{OM};version=1.0.0,{OM};version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
PROMETHEUS_2_TEXT_FIRST = "text/plain;version=0.0.4;q=1,*/*;q=0.1"
PROMETHEUS_3 = (
    f"{OM};version=1.0.0;escaping=allow-utf-8;q=0.5,{OM};version=0.0.1;q=0.4,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
)
PROMETHEUS_3_HISTOGRAMS = (
    "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;"
    f"q=0.6,{PROMETHEUS_3}"
)
FIREFOX = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"


@pytest.mark.parametrize(
    ("accept", "openmetrics"),
    [
        # What is really sent.
        ("", False),
        ("*/*", False),  # curl
        (PROMETHEUS_2, True),
        (PROMETHEUS_2_TEXT_FIRST, False),
        (PROMETHEUS_3, True),
        (PROMETHEUS_3_HISTOGRAMS, True),
        (FIREFOX, False),
        ("text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2", False),  # Java
        ("application/json, text/plain, */*", False),  # axios
        (f"{OM}; version=0.0.1,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", False),
        # RFC 9110: parameters, q, specificity.
        (OM, True),
        (OM.upper(), True),
        (f"{OM};q=0", False),
        (f"{OM};q=0,*/*", False),
        (f"{OM};version=2.0.0", False),
        (f'{OM};version="1.0.0"', True),
        (f'{OM};version="1.\\0.0"', True),
        (f"{OM};charset=utf-8", True),
        (f"{OM};version=1.0.0;charset=utf-8;q=0.3,text/plain;q=0.2", True),
        (f"{OM};q=0.5,text/plain;q=0.9", False),
        (f"text/plain;q=0.9,{OM}", True),
        (f"{OM},text/plain", True),  # as good, named first
        (f"text/plain,{OM}", False),
        (f"text/plain,{OM};version=1.0.0", True),  # as good, named more exactly
        ("application/*", True),
        ("application/*;q=0.1,text/*;q=0.2", False),
        (f"application/*,{OM};q=0,*/*;q=0.1", False),
        (f"text/*,{OM};q=0.4,*/*;q=0.1", False),
        ("text/plain;version=1.0.0;q=0.9,*/*;q=0.1", False),
        # The old form where nothing fits, and nonsense.
        ("image/png", False),
        ("text/plain;q=0", False),
        ("*/*;q=0", False),
        (f"{OM};q=2", False),
        (f"{OM};q=nan", False),
        (f"{OM};q=", False),
        (f'text/plain;a="{OM},', False),
        (",;,=;q,\\", False),
    ],
)
def test_accept(accept: str, openmetrics: bool) -> None:  # noqa: FBT001 -- a table's column
    assert prefers_openmetrics(accept) is openmetrics


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", False),
        ("gzip", True),  # Prometheus
        ("deflate, gzip, br, zstd", True),  # curl --compressed
        ("gzip, deflate, br", True),  # browsers
        ("GZIP", True),
        ("x-gzip", True),
        ("deflate, gzip;q=0.5", True),
        ("gzip;q=0", False),
        ("gzip; q=0.0, *", False),
        ("gzip;q=0.001", True),
        ("*", True),
        ("*;q=0", False),
        ("identity", False),
        ("identity;q=0", False),
        ("identity;q=0, gzip;q=0.2", True),
        ("identity, gzip;q=0.5", False),
        ("identity;q=0.5, gzip", True),
        ("br;q=1, zstd", False),
        ("gzip;q=nonsense", False),
        ("gzip;q=inf", False),
        (",,;;=,", False),
    ],
)
def test_accept_encoding(header: str, expected: bool) -> None:  # noqa: FBT001 -- a table's column
    assert accepts_gzip(header) is expected


QUALITIES = st.integers(0, 1000)
OTHERS = st.sampled_from(["text/html", "image/*", "application/json", "audio/ogg;level=1"])


@given(QUALITIES, QUALITIES, st.lists(OTHERS), st.randoms())
def test_the_greater_q_wins_whatever_the_order(
    openmetrics: int, text: int, others: list[str], dice: object
) -> None:
    ranges = [f"{OM};q={openmetrics / 1000:.3f}", f"text/plain;q={text / 1000:.3f}", *others]
    dice.shuffle(ranges)  # type: ignore[attr-defined]  # hypothesis' own Random
    if openmetrics != text:
        assert prefers_openmetrics(",".join(ranges)) is (openmetrics > text)


@given(QUALITIES, QUALITIES)
def test_a_more_exact_range_goes_before_a_wider_one(exact: int, wide: int) -> None:
    ranges = f"*/*;q={wide / 1000:.3f},{OM};q={exact / 1000:.3f}"
    if exact != wide:
        assert prefers_openmetrics(ranges) is (exact > wide)


@given(QUALITIES, QUALITIES)
def test_gzip_and_identity_are_weighed(gzip: int, identity: int) -> None:
    header = f"identity;q={identity / 1000:.3f}, gzip;q={gzip / 1000:.3f}"
    assert accepts_gzip(header) is (gzip > 0 and gzip >= identity)


HEADER = st.text(st.sampled_from('*/,;="\\q.01 x') | st.characters(codec="latin-1"))


@given(HEADER)
def test_anything_may_stand_in_a_header(header: str) -> None:
    # Nothing of it names OpenMetrics, and nothing of it can be read as gzip by accident.
    assert prefers_openmetrics(header) in {True, False}
    assert accepts_gzip(header.replace("*", "").replace("gzip", "")) is False


@given(HEADER)
def test_spaces_and_letters_case_do_not_matter(header: str) -> None:
    spaced = header.replace(",", " , ").replace(";", " ; ")
    assert accepts_gzip(f"gzip,{header.upper()}") is accepts_gzip(f"gzip,{header.lower()}")
    if '"' not in header:
        assert prefers_openmetrics(spaced) is prefers_openmetrics(header)
