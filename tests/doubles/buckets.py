"""A bucket of S3 to test against, on moto's server."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from doubles.moto_aws import Moto

NAME = "bills"


@dataclass
class Bucket:
    """The bucket NAME on `moto`, for whom tests give it to."""

    moto: Moto
    client: Any

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return self.moto.url

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


def empty_bucket(moto: Moto) -> Bucket:
    """The bucket NAME on a server that knows nothing else."""
    bucket = Bucket(moto, moto.client("s3"))
    bucket.client.create_bucket(Bucket=NAME)
    return bucket
