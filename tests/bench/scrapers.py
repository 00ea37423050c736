"""Scrapers side by side, in a process of their own, started as a module.

Each is a thread with one kept-alive connection and asks again as soon as it has an answer.
The system copies the body of a known length in one call, outside of Python's lock, so that the
clients do not wait for each other. Prints how long each scrape took, in seconds, as JSON.
"""

from __future__ import annotations

import json
import mmap
import re
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

ACCEPT = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
"""As Prometheus asks, so that every server is asked for the same."""

LARGEST = 64_000_000
"""No answer is larger, in bytes."""


def main(port: int, count: int, seconds: float, encoding: str) -> None:
    """Scrape with `count` connections for so long."""
    until = time.perf_counter() + seconds
    with ThreadPoolExecutor(count) as threads:
        found = threads.map(lambda _: list(_times(port, encoding, until)), range(count))
        sys.stdout.write(json.dumps([taken for times in found for taken in times]))


def _times(port: int, encoding: str, until: float) -> Iterator[float]:
    asked = f"Host: localhost\r\nAccept: {ACCEPT}\r\nAccept-Encoding: {encoding}"
    request = f"GET /metrics HTTP/1.1\r\n{asked}\r\n\r\n".encode()
    # Pages that the system gives when they are written: zeros beforehand would take all the time.
    buffer = memoryview(mmap.mmap(-1, LARGEST))
    with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
        while (began := time.perf_counter()) < until:
            connection.sendall(request)
            _receive(connection, buffer)
            yield time.perf_counter() - began


def _receive(connection: socket.socket, buffer: memoryview) -> None:
    got = connection.recv_into(buffer)
    head, blank, _ = bytes(buffer[: min(got, 4096)]).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    if not (blank and length and head.startswith(b"HTTP/1.1 200 ")):
        raise AssertionError(f"no answer of a known length: {head!r}")
    whole = len(head) + len(blank) + int(length[1])
    while got < whole:
        more = connection.recv_into(buffer[got:whole], 0, socket.MSG_WAITALL)
        if not more:
            raise AssertionError("the connection ended in the middle of a body")
        got += more


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]), sys.argv[4])
