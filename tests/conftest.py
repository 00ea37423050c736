"""What holds for all tests."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from shared import NO_AWS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from doubles.buckets import Bucket
    from doubles.moto_aws import Moto

# A slow machine is no failure. CI always tries the same examples, so that what is red there stays
# red until it is mended; everybody else looks for new ones.
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")


@pytest.fixture(autouse=True)
def no_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no configuration of whoever runs the tests."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, text in NO_AWS.items():
        monkeypatch.setenv(name, text)


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    """A real moto server; tests ask for `moto`."""
    from doubles import moto_aws  # noqa: PLC0415 - moto takes half a second, most tests need none

    with moto_aws.server() as moto:
        yield moto


@pytest.fixture
def moto(moto_server: Moto, no_aws: None) -> Moto:
    """A server that knows nothing yet."""
    del no_aws  # it comes first: the clients need credentials
    moto_server.reset()
    return moto_server


@pytest.fixture
def bucket(moto: Moto) -> Bucket:
    """An empty bucket."""
    from doubles.buckets import empty_bucket  # noqa: PLC0415 - see above

    return empty_bucket(moto)
