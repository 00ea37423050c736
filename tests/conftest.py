"""What holds for all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from buckets import Bucket

# A slow machine is no failure. CI always tries the same examples, so that what is red there stays
# red until it is mended; everybody else looks for new ones.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The URL of a server that answers for S3."""
    import buckets  # noqa: PLC0415 - moto takes half a second, and most tests need none

    with buckets.server() as url:
        yield url


@pytest.fixture
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no configuration of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def bucket(s3_server: str, no_aws: None) -> Bucket:
    """An empty bucket."""
    del no_aws
    import buckets  # noqa: PLC0415 - see above

    return buckets.empty_bucket(s3_server)
