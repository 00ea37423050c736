"""How the sources of AWS get in: credentials, clients that never retry, errors explained."""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, TypeVar

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ProxyConnectionError,
)
from botocore.exceptions import ConnectionError as NoConnectionError
from botocore.parsers import ResponseParserError

from finops_exporter.collectors.aws_options import Access, AssumeRole
from finops_exporter.errors import CollectError, NotSentError
from finops_exporter.model import Api

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from finops_exporter.collectors import Ask

__all__ = ["STS", "Access", "AssumeRole", "Clients", "RefusedError", "code", "message"]

T = TypeVar("T")

STS = Api("aws", "sts:AssumeRole")

_CONFIG = Config(
    # One attempt a call: the kernel counts, pays and repeats them.
    retries={"total_max_attempts": 1, "mode": "standard"},
    connect_timeout=10,
    read_timeout=60,
)

_BUSY = frozenset(
    {
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
"""Error codes after which the same call may succeed; so may any answer of status 5xx."""

_NO_WAY = (EndpointConnectionError, ConnectTimeoutError, ProxyConnectionError)
"""No connection was made, so nothing was asked."""

_PASSING = (NotSentError, NoConnectionError, HTTPClientError, ResponseParserError)
"""What goes wrong on the way, and may go right the next time."""

_LOOK_SECONDS = 0.2
"""How often a call that is waited for is looked at."""

_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})

_REFUSED = frozenset(
    {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AllAccessDisabled"}
)

_HTTP_SERVER_ERROR = 500


class Clients:
    """The clients of one source, made when they are needed and made anew when a token expires."""

    def __init__(self, access: Access, source: str) -> None:
        self._access = access
        self._source = source
        self._session: boto3.Session | None = None
        self._clients: dict[str, Any] = {}
        self._was_renewed = False
        self._cancelled = Event()

    def call(
        self,
        ask: Ask,
        api: Api,
        service: str,
        make: Callable[[Any], T],
        member: str | None = None,
    ) -> T:
        """Have `make` call the client of `service` through `ask`, and return its answer.

        An answer without its `member` is no answer: of a body that was cut short the SDK makes an
        empty one. Raises CollectError with a remedy when there are no credentials or AWS refuses;
        other errors of AWS, which the caller may know what to do about, as ClientError.
        """

        def once() -> T:
            client = self._client(service, ask)
            try:
                answer = self._unless_cancelled(api, lambda: make(client))
            except _NO_WAY as error:
                raise NotSentError(f"{self._source}: {api.name}: {error}") from error
            if member is not None and not (isinstance(answer, dict) and member in answer):
                raise ResponseParserError(f"the answer holds no {member}; was it cut short?")
            self._was_renewed = False
            return answer

        with self._explained(api):
            # Without credentials the call cannot be made, and need not be paid.
            return ask(api, once, prepare=lambda: self._client(service, ask))

    def begin(self) -> None:
        """Call it when a run begins: credentials of the run before may have expired since."""
        self._session = None
        self._clients.clear()
        self._was_renewed = False
        self._cancelled.clear()

    def cancel(self) -> None:
        """Wait no longer for the call that is under way; called from another thread."""
        self._cancelled.set()

    def retry_after(self, error: Exception) -> timedelta | None:
        """See collectors.Collector.retry_after."""
        if isinstance(error, ClientError):
            if code(error) in _EXPIRED:
                return self._renew()
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if code(error) in _BUSY or status >= _HTTP_SERVER_ERROR:
                return _wanted(error)
        if isinstance(error, _PASSING):
            return timedelta()
        return None

    def _renew(self) -> timedelta | None:
        """Take new credentials at the next call, but give up when those have expired as well."""
        again = not self._was_renewed
        self._session = None
        self._clients.clear()
        self._was_renewed = again
        return timedelta() if again else None

    def _unless_cancelled(self, api: Api, call: Callable[[], T]) -> T:
        """Make the call in a thread of its own, because nothing ends one that waits for AWS."""
        answer: Future[T] = Future()

        def work() -> None:
            try:
                answer.set_result(call())
            except BaseException as error:  # noqa: BLE001 -- raised where it is waited for
                answer.set_exception(error)

        Thread(target=work, name=api.name, daemon=True).start()
        while not self._cancelled.is_set():
            if wait({answer}, _LOOK_SECONDS).done:
                return answer.result()
        raise CollectError(f"{self._source}: stopped while {api.name} did not answer")

    def _client(self, service: str, ask: Ask) -> Any:
        client = self._clients.get(service)
        if client is None:
            self._session = self._session or self._logged_in(ask)
            client = self._clients[service] = self._session.client(
                service, config=_CONFIG, endpoint_url=self._access.endpoint_url
            )
        return client

    def _logged_in(self, ask: Ask) -> boto3.Session:
        access = self._access
        session = boto3.Session(profile_name=access.profile, region_name=access.region)
        if session.get_credentials() is None:
            raise CollectError(
                f"{self._source}: no AWS credentials are found; set profile, or AWS_ACCESS_KEY_ID "
                "and AWS_SECRET_ACCESS_KEY, or run where an instance role gives them"
            )
        role = access.assume_role
        if role is None:
            return session
        sts = session.client("sts", config=_CONFIG, endpoint_url=access.endpoint_url)
        wanted = {"RoleArn": role.role_arn, "RoleSessionName": role.session_name}
        if role.external_id:
            wanted["ExternalId"] = role.external_id
        with self._explained(STS):
            given = ask(STS, lambda: sts.assume_role(**wanted))["Credentials"]
        return boto3.Session(
            aws_access_key_id=given["AccessKeyId"],
            aws_secret_access_key=given["SecretAccessKey"],
            aws_session_token=given["SessionToken"],
            region_name=access.region,
        )

    @contextmanager
    def _explained(self, api: Api) -> Iterator[None]:
        try:
            yield
        except ClientError as error:
            if code(error) in _REFUSED:
                raise RefusedError(
                    f"{self._source}: AWS does not allow {api.name}: {message(error)}; "
                    "docs/configuration.md shows the policy that is needed"
                ) from error
            if code(error) in _EXPIRED:
                raise CollectError(
                    f"{self._source}: the AWS credentials have expired; renew them (such as with "
                    "aws sso login), or give a role that renews itself"
                ) from error
            raise
        except (BotoCoreError, ResponseParserError) as error:
            raise CollectError(f"{self._source}: {api.name}: {error}") from error


class RefusedError(CollectError):
    """AWS does not allow the call."""


def code(error: ClientError) -> str:
    """What AWS calls the error."""
    return str(error.response.get("Error", {}).get("Code", ""))


def message(error: ClientError) -> str:
    """What AWS says about the error."""
    return str(error.response.get("Error", {}).get("Message", "")) or code(error)


def _wanted(error: ClientError) -> timedelta:
    """The wait that the answer asks for; zero leaves it to the kernel's own back-off."""
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    seconds = str(headers.get("retry-after", ""))
    return timedelta(seconds=int(seconds)) if seconds.isdigit() else timedelta()
