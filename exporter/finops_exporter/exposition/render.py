"""Bytes for Prometheus: rendered once per change, compressed once, swapped as one reference.

The text format 0.0.4, byte for byte as prometheus_client writes it (a test holds them together).
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterable

    from finops_exporter.exposition.catalogue import Family

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_LEVEL = 6


@dataclass(frozen=True, slots=True)
class Block:
    """Rendered text with its raw deflate, ended on a byte boundary so that more can follow."""

    text: bytes = b""
    deflated: bytes = b""
    crc: int = 0


@dataclass(frozen=True, slots=True)
class Page:
    """A whole body: as it is, and as one gzip member."""

    identity: bytes
    gzip: bytes


def render(families: Iterable[Family]) -> bytes:
    """The families that have samples, in their order; samples sorted by their label values."""
    lines: list[str] = []
    for family in families:
        if not family.samples:
            continue
        metric = family.metric
        lines.append(f"# HELP {metric.name} {_escape_help(metric.help)}\n")
        lines.append(f"# TYPE {metric.name} {metric.kind}\n")
        # prometheus_client sorts labels by name; the order is decided once for the family.
        order = sorted(range(len(metric.labels)), key=metric.labels.__getitem__)
        for key, number in sorted(family.samples.items()):
            labels = ",".join(f'{metric.labels[i]}="{_escape_label(key[i])}"' for i in order)
            braces = f"{{{labels}}}" if labels else ""
            lines.append(f"{metric.name}{braces} {number_text(number)}\n")
    return "".join(lines).encode()


def block(text: bytes) -> Block:
    """Compress `text` once; pages that begin with it do not compress it again."""
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    deflated = deflater.compress(text) + deflater.flush(zlib.Z_FULL_FLUSH)
    return Block(text, deflated, zlib.crc32(text))


def page(first: Block, rest: bytes) -> Page:
    """`first` followed by `rest`, as text and as ONE gzip member (RFC 1952)."""
    deflater = zlib.compressobj(_LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    tail = deflater.compress(rest) + deflater.flush()
    size = len(first.text) + len(rest)
    trailer = struct.pack("<LL", zlib.crc32(rest, first.crc), size & 0xFFFFFFFF)
    return Page(first.text + rest, b"".join((_GZIP_HEADER, first.deflated, tail, trailer)))


def number_text(number: float) -> str:
    """A number as Go writes it: 1e+06, NaN, +Inf."""
    text: str = floatToGoString(number)  # type: ignore[no-untyped-call]  # the library has no types here
    return text


def _escape_help(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escape_label(text: str) -> str:
    if "\\" in text or '"' in text or "\n" in text:
        return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
    return text
