"""A real moto server in this process."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Moto:
    """The server at `url`."""

    url: str

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        return boto3.client(service, region_name="us-east-1", endpoint_url=self.url)

    def answers(self, results: Sequence[Any]) -> None:
        """What GetCostAndUsage says to each new request, in this order."""
        body = json.dumps({"results": results}).encode()
        self.control("static/ce/cost-and-usage-results", body)

    def reset(self) -> None:
        """Forget everything."""
        self.control("reset")

    def control(self, action: str, body: bytes = b"") -> None:
        """Tell moto itself something."""
        url, headers = f"{self.url}/moto-api/{action}", {"Content-Type": "text/plain"}
        request = Request(url, body, headers, method="POST")  # noqa: S310 - our own server
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - the same
            answer.read()


@contextmanager
def server() -> Iterator[Moto]:
    """A server on a free port of 127.0.0.1, until it is left."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    threaded = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    threaded.start()
    try:
        host, port = threaded.get_host_and_port()
        yield Moto(f"http://{host}:{port}")
    finally:
        threaded.stop()
