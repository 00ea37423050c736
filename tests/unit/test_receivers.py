"""The doubles of mail, Slack and PagerDuty refuse what the real ones would refuse."""

from __future__ import annotations

import json
import smtplib
import ssl
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from doubles.mailbox import Mailbox
from doubles.pagerduty import PagerDuty
from doubles.receivers import Receivers
from doubles.slack import Slack

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EVENT: dict[str, Any] = {
    "routing_key": PagerDuty.ROUTING_KEY,
    "event_action": "trigger",
    "dedup_key": "one",
    "payload": {"summary": "a limit", "source": "budget", "severity": "critical"},
}
MESSAGE = {
    "channel": "#finops",
    "attachments": [{"text": "words", "fallback": "words", "color": "good"}],
}


@pytest.fixture
def receivers() -> Iterator[Receivers]:
    with Receivers() as found:
        yield found


def post(url: str, body: object) -> int:
    """The status of the answer."""
    request = Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})  # noqa: S310 - on loopback
    try:
        with urlopen(request, timeout=10) as answer:  # noqa: S310 - the same
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_pagerduty_knows_what_is_open(receivers: Receivers) -> None:
    url = f"{receivers.url}/v2/enqueue"
    assert post(url, EVENT) == 202
    assert post(url, EVENT | {"dedup_key": "two"}) == 202
    assert receivers.pagerduty.open == {"one", "two"}
    assert post(url, EVENT | {"event_action": "resolve"}) == 202
    assert receivers.pagerduty.open == {"two"}
    assert receivers.refused == []


@pytest.mark.parametrize(
    "change",
    [
        {"routing_key": "f" * 32},
        {"routing_key": "short"},
        {"event_action": "close"},
        {"dedup_key": "k" * 256},
        {"payload": {**EVENT["payload"], "severity": "page"}},
        {"payload": {**EVENT["payload"], "source": ""}},
        {"payload": {**EVENT["payload"], "summary": "s" * 1025}},
        {"payload": None},
        {"links": [{"href": "", "text": "Runbook"}]},
        {"unknown": 1},
    ],
)
def test_pagerduty_refuses_other_events(receivers: Receivers, change: dict[str, Any]) -> None:
    assert post(f"{receivers.url}/v2/enqueue", EVENT | change) == 400
    assert receivers.pagerduty.events == []
    assert len(receivers.refused) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"attachments": []},
        {"attachments": [{"text": "", "fallback": "words", "color": "good"}]},
        {"attachments": [{"text": "words", "fallback": "words", "color": "red"}]},
        {"channel": "finops"},
    ],
)
def test_slack_refuses_other_messages(receivers: Receivers, change: dict[str, Any]) -> None:
    url = f"{receivers.url}{Slack.PATH}"
    assert post(url, MESSAGE) == 200
    assert post(url, MESSAGE | change) == 400
    assert len(receivers.slack.messages) == len(receivers.refused) == 1


def test_a_ping_needs_the_token(receivers: Receivers) -> None:
    assert post(f"{receivers.url}/finops", {}) == 401
    assert receivers.switch.pings == []


def test_mail_needs_a_secure_line_and_the_password(receivers: Receivers, tmp_path: Path) -> None:
    receivers.write_authority(tmp_path / "authority.pem")
    tls = ssl.create_default_context(cafile=tmp_path / "authority.pem")
    host, port = receivers.smarthost.split(":")
    with smtplib.SMTP(host, int(port), timeout=10) as client:
        assert client.mail("finops@example.com")[0] == 530  # STARTTLS first
        client.starttls(context=tls)
        client.ehlo()
        with pytest.raises(smtplib.SMTPAuthenticationError):
            client.login("finops@example.com", "guessed")
        client.login("finops@example.com", Mailbox.PASSWORD)
        assert client.mail("finops@example.com")[0] == 250
    assert receivers.refused == ["mail: wrong password"]
