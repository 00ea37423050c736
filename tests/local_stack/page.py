"""The page of the mailbox: all that people were told, newest first. No clock and no network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from local_stack.alert_states import AlertState
    from local_stack.inbox import Message

SLACK_COLOURS = {"good": "#2eb67d", "warning": "#ecb22e", "danger": "#e01e5a"}
"""How Slack draws the colours that have names."""

READERS = ("leadership", "team", "on-call")


@dataclass(frozen=True)
class Shown:
    """All that the page tells; `alerts` is None while Prometheus has not answered."""

    messages: Sequence[Message]
    alerts: Sequence[AlertState] | None
    now: datetime
    pings: int
    notes: Sequence[str]


def whole(template: str, shown: Shown, nonce: str) -> str:
    """The page as HTML; whatever comes from outside is escaped."""
    readers = "".join(
        f'<input type="radio" name="reader" id="only-{name}">'
        f'<label for="only-{name}">{name}</label>'
        for name in READERS
    )
    return (
        template.replace("{{nonce}}", escape(nonce))
        .replace("{{readers}}", readers)
        .replace("{{now}}", now(shown))
        .replace("{{messages}}", messages(shown.messages))
    )


def now(shown: Shown) -> str:
    """How the alerts stand."""
    notes = "".join(f"<p><strong>{escape(note)}</strong></p>" for note in shown.notes)
    if shown.alerts is None:
        return f"{notes}<p>Prometheus has not looked at the alerts yet.</p>"
    pings = f"<p>The dead man's switch was told {shown.pings} times that all of this works.</p>"
    if not shown.alerts:
        return f"{notes}<p>No alert fires, nor will one soon.</p>{pings}"
    rows = "".join(
        f"<tr><td>{escape(one.name)}<td>{escape(one.severity)}"
        f"<td>{escape(one.standing(shown.now))}<td>{escape(one.about)}"
        for one in shown.alerts
    )
    return f"{notes}<table><tr><th>alert<th>severity<th>state<th>what it says{rows}</table>{pings}"


def messages(found: Sequence[Message]) -> str:
    """All of them, newest first; the events of one incident are one entry."""
    shown, incidents = [], set()
    for place, one in reversed(list(enumerate(found))):
        if one.kind != "pagerduty":
            shown.append(
                _article(one, str(place), _mail(one) if one.kind == "mail" else _slack(one))
            )
            continue
        key = one.body["dedup_key"]
        if key not in incidents:
            incidents.add(key)
            events = [
                each for each in found if each.kind == "pagerduty" and each.body["dedup_key"] == key
            ]
            shown.append(_article(one, str(place), _incident(events)))
    return "".join(shown) or "<p>Nobody was told anything yet.</p>"


def _article(one: Message, name: str, body: str) -> str:
    reader = escape(one.reader)
    kind = {"mail": "mail", "slack": "Slack", "pagerduty": "PagerDuty"}[one.kind]
    at = f'<time datetime="{one.at.isoformat()}">{one.at:%Y-%m-%d %H:%M:%S} UTC</time>'
    return (
        f'<article id="message-{name}" data-reader="{reader}">'
        f"<header><b>{reader}</b> by {kind}, {at}</header>{body}</article>"
    )


def _mail(one: Message) -> str:
    body = one.body
    return (
        f"<h3>{escape(one.title)}</h3>"
        f"<p>from {escape(body['sender'])} to {escape(', '.join(body['to']))}</p>"
        # Without scripts, forms and an origin of its own, and with the policy of this page.
        f'<iframe sandbox title="the mail" loading="lazy" srcdoc="{escape(body["html"])}"></iframe>'
        f"<details><summary>as plain text</summary><pre>{escape(body['text'])}</pre></details>"
    )


def _slack(one: Message) -> str:
    (attachment,) = one.body["attachments"]
    colour = SLACK_COLOURS.get(attachment["color"], attachment["color"])
    return (
        f"<p>{escape(one.body['channel'])}, as {escape(one.body['username'])}</p>"
        f'<div class="slack" style="border-color: {escape(colour)}">'
        f"<pre>{escape(attachment['text'])}</pre><small>{escape(attachment['footer'])}</small></div>"
    )


def _incident(events: Sequence[Message]) -> str:
    newest = events[-1]
    state = "resolved" if newest.body["event_action"] == "resolve" else "open"
    payload = newest.body["payload"]
    history = ", ".join(
        f"{escape(each.body['event_action'])} {each.at:%Y-%m-%d %H:%M:%S}" for each in events
    )
    return (
        f'<h3><span class="{state}">{state}</span> {escape(newest.title)}</h3>'
        f"<p>severity {escape(payload['severity'])}; {history}</p>"
        f"<details><summary>details</summary><pre>{escape(_details(newest.body))}</pre></details>"
    )


def _details(body: Mapping[str, Any]) -> str:
    """What an incident shows, texts as they are and the rest as JSON."""
    payload = body["payload"]
    fields = {key: payload[key] for key in ("source", "component", "group", "class")}
    links = {one["text"] or "link": one["href"] for one in body["links"]}
    every = {**fields, **payload["custom_details"], **links, "dedup key": body["dedup_key"]}
    texts = {
        key: each if isinstance(each, str) else json.dumps(each) for key, each in every.items()
    }
    return "\n".join(f"{key}: {text}" for key, text in texts.items() if text.strip())
