"""What goes over the wire: compressed once per change, swapped as one reference, never joined.

A body is a row of chunks. Those of a snapshot stay the same from one page to the next; only what
follows the clock is written anew behind them. Large chunks of samples are shared by both formats.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from finops_exporter.exposition.render import Rendered

SHARED = 64 * 1024
"""Samples of a family that have so many bytes are a chunk of their own."""

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LEVEL = 6


class Piece(NamedTuple):
    """Text with its raw deflate, which refers to nothing before it and ends on a byte boundary."""

    text: bytes
    deflated: bytes


class Block(NamedTuple):
    """Pieces that begin a body, with their length and checksum."""

    pieces: tuple[Piece, ...] = ()
    size: int = 0
    crc: int = 0


class Blocks(NamedTuple):
    """How the bodies of both formats begin."""

    text: Block = Block()
    openmetrics: Block = Block()


@dataclass(frozen=True, slots=True)
class Body:
    """A whole body in chunks: as it is, and as one gzip member (RFC 1952)."""

    identity: tuple[bytes, ...]
    gzip: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """The same samples in both formats."""

    text: Body
    openmetrics: Body


def blocks(rendered: Iterable[Rendered], known: Blocks | None = None) -> Blocks:
    """Compress once; pages that begin with these blocks do not compress them again.

    What is the same text as a piece of `known` is taken from there.
    """
    before = {piece.text: piece for one in known or () for piece in one.pieces}
    text, openmetrics = _Pieces(before), _Pieces(before)
    for family in rendered:
        shared = _piece(family.samples, before) if len(family.samples) >= SHARED else None
        for pieces, above in ((text, family.text), (openmetrics, family.openmetrics)):
            pieces.add(above)
            if shared:
                pieces.close()
                pieces.found.append(shared)
            else:
                pieces.add(family.samples)
    return Blocks(text.block(), openmetrics.block())


def joined(first: Blocks, second: Blocks) -> Blocks:
    """One after the other."""
    return Blocks(*(_joined(*pair) for pair in zip(first, second, strict=True)))


def page(first: Blocks, text: bytes, openmetrics: bytes) -> Page:
    """The blocks followed by what is new, in each format; OpenMetrics ends with its # EOF."""
    return Page(_body(first.text, text), _body(first.openmetrics, openmetrics))


@dataclass(slots=True)
class _Pieces:
    """Gathers small chunks until a large one comes; takes pieces that are known `before`."""

    before: Mapping[bytes, Piece]
    found: list[Piece] = field(default_factory=list)
    open: list[bytes] = field(default_factory=list)

    def add(self, chunk: bytes) -> None:
        self.open.append(chunk)

    def close(self) -> None:
        if self.open:
            self.found.append(_piece(b"".join(self.open), self.before))
            self.open.clear()

    def block(self) -> Block:
        self.close()
        return _extended(Block(), self.found)


def _joined(first: Block, second: Block) -> Block:
    return _extended(first, second.pieces) if first.pieces else second


def _extended(block: Block, pieces: Sequence[Piece]) -> Block:
    crc = block.crc
    for piece in pieces:
        crc = zlib.crc32(piece.text, crc)
    size = block.size + sum(len(piece.text) for piece in pieces)
    return Block((*block.pieces, *pieces), size, crc)


def _piece(text: bytes, before: Mapping[bytes, Piece]) -> Piece:
    if known := before.get(text):
        return known
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return Piece(text, deflater.compress(text) + deflater.flush(zlib.Z_FULL_FLUSH))


def _body(first: Block, rest: bytes) -> Body:
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    tail = deflater.compress(rest) + deflater.flush()
    size = (first.size + len(rest)) & 0xFFFFFFFF
    trailer = struct.pack("<LL", zlib.crc32(rest, first.crc), size)
    return Body(
        (*(piece.text for piece in first.pieces), rest),
        (_GZIP_HEADER, *(piece.deflated for piece in first.pieces), tail + trailer),
    )
