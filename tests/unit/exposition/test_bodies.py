from __future__ import annotations

import gzip
import zlib

from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.exposition.bodies import SHARED, Blocks, Body, blocks, joined, page
from finops_exporter.exposition.render import Rendered

chunks = st.binary(max_size=200) | st.builds(
    lambda byte, more: byte * (SHARED + more), st.binary(min_size=1, max_size=1), st.integers(0, 9)
)
rendered = st.builds(Rendered, st.binary(max_size=50), st.binary(max_size=50), chunks)


def whole_text(body: Body) -> bytes:
    """The text; checks that the compressed body is the same in ONE gzip member."""
    text, packed = b"".join(body.identity), b"".join(body.gzip)
    assert gzip.decompress(packed) == text
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    # A reader that stops at the first end has everything, and nothing is left over.
    assert reader.decompress(packed) == text
    assert reader.eof
    assert reader.unused_data == b""
    return text


@given(st.lists(rendered, max_size=6), st.binary(max_size=500), st.binary(max_size=500))
def test_each_body_is_its_format_and_one_gzip_member(
    families: list[Rendered], text: bytes, openmetrics: bytes
) -> None:
    whole = page(blocks(families), text, openmetrics)
    above = b"".join(one.text + one.samples for one in families)
    assert whole_text(whole.text) == above + text
    other = b"".join(one.openmetrics + one.samples for one in families)
    assert whole_text(whole.openmetrics) == other + openmetrics


def test_large_samples_are_held_once_and_compressed_once() -> None:
    family = Rendered(b"# TYPE a gauge\n", b"# TYPE a gauge\n# UNIT a usd\n", b"a 1\n" * SHARED)
    first = blocks([family, family])
    shared = [piece for piece in first.text.pieces if piece.text is family.samples]
    assert len(shared) == 2
    assert [piece for piece in first.openmetrics.pieces if piece.text is family.samples] == shared
    assert all(
        ours is theirs
        for ours, theirs in zip(
            shared,
            [piece for piece in first.openmetrics.pieces if piece.text is family.samples],
            strict=True,
        )
    )
    one, two = page(first, b"1\n", b"1\n"), page(first, b"2\n", b"2\n")
    for before, after in zip(one.text.gzip[1:-1], two.text.gzip[1:-1], strict=True):
        assert before is after


def test_small_families_travel_together() -> None:
    families = [Rendered(b"# TYPE a gauge\n", b"", b"a 1\n")] * 50
    assert len(blocks(families).text.pieces) == 1
    assert len(page(Blocks(), b"", b"# EOF\n").text.identity) == 1


@given(st.lists(rendered, max_size=4), st.lists(rendered, max_size=4), st.binary(max_size=50))
def test_blocks_one_after_the_other_are_one_member_too(
    first: list[Rendered], second: list[Rendered], rest: bytes
) -> None:
    whole = page(joined(blocks(first), blocks(second)), rest, rest)
    families = [*first, *second]
    text = b"".join(one.text + one.samples for one in families)
    assert whole_text(whole.text) == text + rest
    other = b"".join(one.openmetrics + one.samples for one in families)
    assert whole_text(whole.openmetrics) == other + rest


def test_what_did_not_change_is_not_compressed_again() -> None:
    steady = Rendered(b"# TYPE a gauge\n", b"# TYPE a gauge\n", b"a 1\n" * SHARED)
    moving = [Rendered(b"# TYPE b gauge\n", b"", b"b %d\n" % number * SHARED) for number in (1, 2)]
    before = blocks([steady, moving[0]])
    after = blocks([steady, moving[1]], known=before)
    assert after == blocks([steady, moving[1]])
    for now, then in ((after.text, before.text), (after.openmetrics, before.openmetrics)):
        assert now.pieces[1].deflated is then.pieces[1].deflated
        assert now.pieces[-1] is not then.pieces[-1]
