from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from doubles.mailbox import Mail
from doubles.pagerduty import Event
from doubles.slack import SlackMessage
from local_stack.inbox import Inbox, Message, message_of
from local_stack.mailbox_page import TEMPLATE
from local_stack.page import Shown, messages, now, whole
from local_stack.telling import addressees, shipped

if TYPE_CHECKING:
    from pathlib import Path

NOW = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
BAD = "<script>alert(1)</script>"


def told(one: Any, seconds: int = 0) -> Message:
    return message_of(one, NOW + timedelta(seconds=seconds), addressees(shipped()))


def mail(*to: str, text: str = "text") -> Message:
    return told(Mail("finops@example.com", to, text, text, f"<p>{text}</p>"))


def slack(text: str = "text") -> Message:
    attachment = {"text": text, "fallback": text, "color": "danger", "footer": text}
    content = {"channel": "#finops", "username": text, "attachments": [attachment]}
    return told(SlackMessage.model_validate(content))


def event(action: str, key: str, seconds: int, text: str = "text") -> Message:
    payload = {
        "summary": f"{text} {key}",
        "source": text,
        "severity": "critical",
        "custom_details": {"firing": text},
    }
    content = {
        "routing_key": "0" * 32,
        "event_action": action,
        "dedup_key": key,
        "payload": payload,
        "links": [{"href": "https://runbooks.example.com/x", "text": text}],
    }
    return told(Event.model_validate(content), seconds)


def test_each_message_is_for_the_receiver_of_our_configuration() -> None:
    leadership, team = mail("cfo@example.com", "cto@example.com"), mail("finops@example.com")
    assert [one.reader for one in (leadership, team, slack(), event("trigger", "k", 0))] == [
        "leadership",
        "team",
        "team",
        "on-call",
    ]
    assert mail("who@example.com").reader == "who@example.com"


def test_a_line_says_for_whom_a_message_is() -> None:
    assert mail("finops@example.com").line == "mail to team: text"
    assert slack().line == "Slack #finops: text"
    assert event("trigger", "k", 0).line == "PagerDuty opens an incident: text k"
    assert event("resolve", "k", 0).line == "PagerDuty resolves an incident: text k"


def test_the_newest_comes_first_and_an_incident_is_one_entry() -> None:
    shown = messages(
        [
            event("trigger", "a", 0),
            event("trigger", "b", 1),
            slack(),
            event("resolve", "a", 3),
        ]
    )
    assert re.findall(r"(open|resolved)</span> (text \w)|(#finops)", shown) == [
        ("resolved", "text a", ""),
        ("", "", "#finops"),
        ("open", "text b", ""),
    ]
    assert "trigger 2026-11-28 12:00:00, resolve 2026-11-28 12:00:03" in shown


def test_whatever_comes_from_outside_is_escaped() -> None:
    every = [mail(BAD, text=BAD), slack(BAD), event("trigger", "k", 0, BAD)]
    page = whole(TEMPLATE.read_text("utf-8"), Shown(every, [], NOW, 0, [BAD]), "nonce")
    assert "alert(1)" in page
    assert page.count("<script") == 1
    assert '<iframe sandbox title="the mail" loading="lazy" srcdoc="&lt;p&gt;&lt;script' in page


def test_the_page_loads_nothing_from_elsewhere() -> None:
    page = whole(TEMPLATE.read_text("utf-8"), Shown([], None, NOW, 0, []), "nonce")
    assert re.findall(r"""(?:src|href)=|url\(|https?:""", page) == []
    assert "{{" not in page
    assert "Nobody was told anything yet" in page


def test_slack_is_shown_in_slacks_colours() -> None:
    assert "border-color: #e01e5a" in messages([slack()])


def test_before_prometheus_has_looked_nothing_is_said_to_be_well() -> None:
    assert "has not looked" in now(Shown([], None, NOW, 0, []))
    assert "No alert fires" in now(Shown([], [], NOW, 3, []))
    assert "3 times" in now(Shown([], [], NOW, 3, []))


def test_a_restart_keeps_what_was_told_even_if_the_last_line_is_half_written(
    tmp_path: Path,
) -> None:
    file = tmp_path / "mailbox.jsonl"
    sent = [mail("finops@example.com"), slack(), event("trigger", "k", 2)]
    first = Inbox(file)
    for one in sent:
        first.add(one)
    with file.open("a") as cut:
        cut.write('{"at": "2026-11-28T12:')
    second = Inbox(file)
    assert messages(second.messages) == messages(first.messages)
    second.add(slack("later"))
    assert messages(Inbox(file).messages) == messages([*sent, slack("later")])
