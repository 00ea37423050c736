"""A bucket of S3 to test against: moto's server, in this process."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.request import Request, urlopen

import boto3
from moto.server import ThreadedMotoServer

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "bills"


@dataclass
class Bucket:
    """The bucket NAME at `endpoint`, for whom tests give it to."""

    endpoint: str
    client: Any

    @property
    def aws(self) -> dict[str, str]:
        """What a configuration says to get in."""
        return {"endpoint_url": self.endpoint}

    def put(self, key: str, body: str | bytes, **others: str) -> str:
        """Put an object and return its address."""
        content = body.encode() if isinstance(body, str) else body
        self.client.put_object(Bucket=NAME, Key=key, Body=content, **others)
        return f"s3://{NAME}/{key}"

    def delete(self, key: str) -> None:
        """Take an object away."""
        self.client.delete_object(Bucket=NAME, Key=key)

    def control(self, action: str, body: bytes = b"") -> None:
        """Tell moto itself something."""
        url, headers = f"{self.endpoint}/moto-api/{action}", {"Content-Type": "text/plain"}
        request = Request(url, body, headers, method="POST")  # noqa: S310 - our own server
        with urlopen(request) as answer:  # noqa: S310 - the same
            answer.read()


@contextmanager
def server() -> Iterator[str]:
    """The URL of a moto server of this process."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    try:
        host, port = moto.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        moto.stop()


def empty_bucket(endpoint: str) -> Bucket:
    """The bucket NAME, and nothing else, at `endpoint`."""
    bucket = Bucket(endpoint, boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1"))
    bucket.control("reset")
    bucket.client.create_bucket(Bucket=NAME)
    return bucket
