"""One client that scrapes over HTTP: our application, prometheus_client's server, bare aiohttp."""

from __future__ import annotations

import gzip
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from typing import TYPE_CHECKING

from finops_exporter.exposition.render import Renderer

from .harness import Job, Row, bar, interleaved, say
from .processes import server
from .samples import families, ready_page, text_of
from .servers import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from finops_exporter.exposition.metric import Family

THEIRS = "prometheus_client"
BARE = "aiohttp"
OURS = "ours"


def rows(*, quick: bool) -> Iterator[Row]:
    """Identity and gzip, each against both baselines."""
    series = 2_000 if quick else 10_000
    given = families(series)
    for encoding in ("identity", "gzip"):
        say(f"scrape of {series} series, {encoding}")
        with ExitStack() as stack:
            clients = {
                kind: stack.enter_context(_client(kind, series, encoding))
                for kind in (THEIRS, BARE, OURS)
            }
            _check(clients, given, encoding)
            theirs = interleaved(
                {THEIRS: Job(clients[THEIRS].scrape), OURS: Job(clients[OURS].scrape, 10)},
                rounds=5 if quick else 20,
                limit=20,
            )
            # So close to each other that only many short turns tell them apart.
            bare = interleaved(
                {kind: Job(clients[kind].scrape) for kind in (BARE, OURS)}, rounds=500, limit=10
            )
        name = f"scrape of {series} series, {encoding}"
        least, most = bar(50, quick=quick), bar(1.5, "at most", quick=quick)
        yield Row(name, "prometheus_client's server", theirs[THEIRS], theirs[OURS], least)
        yield Row(name, "bare aiohttp, same bytes", bare[BARE], bare[OURS], most, "at most")


class _Client:
    """Scrapes again and again; the connection stays open where the server keeps it."""

    def __init__(self, port: int, path: str, encoding: str) -> None:
        self._connection = HTTPConnection(LOOPBACK, port, timeout=30)
        self._path = path
        self._headers = {"Accept-Encoding": encoding}

    def scrape(self) -> bytes:
        self._connection.request("GET", self._path, headers=self._headers)
        return self._connection.getresponse().read()

    def close(self) -> None:
        self._connection.close()


@contextmanager
def _client(kind: str, series: int, encoding: str) -> Iterator[_Client]:
    """A client of a server of its own in another process."""
    with server(kind, series) as serving:
        client = _Client(serving.port, f"/{encoding}" if kind == BARE else "/metrics", encoding)
        yield client
        client.close()


def _check(clients: Mapping[str, _Client], given: Sequence[Family], encoding: str) -> None:
    """All serve the same samples as asked for: a fast wrong answer would prove nothing."""
    page = b"".join(ready_page(given).text.identity)
    for kind, client in clients.items():
        body = client.scrape()
        text = gzip.decompress(body) if encoding == "gzip" else body
        if text != (text_of(Renderer().render(given)) if kind == THEIRS else page):
            raise AssertionError(f"{kind} does not serve the samples")
