"""Alerts through a real Alertmanager with our configuration to mail, Slack and PagerDuty.

The texts are reviewed by eye; FINOPS_UPDATE_GOLDEN=1 writes them anew.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from integration.alert_samples import (
    ai_budget,
    begun_now,
    budget_80,
    budget_100,
    open_findings,
    spike,
)
from integration.alerting import alert, alertmanager
from integration.processes import until
from integration.reviewed import reviewed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from doubles.receivers import Receivers
    from integration.alerting import Alertmanager
    from local_stack.telling import Config

ENDED = "2026-02-08T14:00:00Z"
TEAM, LEADERSHIP = ("finops@example.com",), ("cfo@example.com", "cto@example.com")

# Both are the words of the brief.
AT_80 = """🟠 Budget Alert: Production Budget

Threshold: 80% exceeded
Budget: $10,000.00 / monthly
Spent: $8,200.00 (82.0%)
Remaining: $1,800.00

Burn Rate: $400.00 / day
⚠️ Forecast: Budget will be exhausted in 4 days (2026-02-12)

Scope: Environment = production

Action: Review top spenders in FinOps dashboard
"""
AT_100 = """🔴 Budget Alert: Platform Team Budget

Threshold: 100% exceeded
Budget: $5,000.00 / monthly
Spent: $5,250.00 (105.0%)
Remaining: -$250.00

Burn Rate: $250.00 / day

Scope: Team = platform

Action: Review top spenders in FinOps dashboard
"""


def counted(receivers: Receivers, mails: int, slack: int, events: int) -> Callable[[], bool]:
    """Whether everybody got that much."""

    def arrived() -> bool:
        return (
            len(receivers.mail.mails) >= mails
            and len(receivers.slack.messages) >= slack
            and len(receivers.pagerduty.events) >= events
        )

    return arrived


def test_at_80_percent_the_team_is_told_in_the_words_of_the_brief(
    manager: Alertmanager, receivers: Receivers
) -> None:
    manager.post(budget_80())
    until(counted(receivers, 1, 1, 0), "mail and Slack")
    (mail,), (message,) = receivers.mail.mails, receivers.slack.messages
    assert message.attachment.text.startswith(AT_80)
    assert mail.text.startswith(AT_80)
    assert mail.to == TEAM
    assert receivers.pagerduty.events == []
    reviewed("budget_80", message, mail)


def test_at_100_percent_somebody_is_paged_and_leadership_is_told_until_it_is_over(
    manager: Alertmanager, receivers: Receivers
) -> None:
    manager.post(budget_100())
    until(counted(receivers, 2, 1, 1), "mails, Slack and PagerDuty")
    leadership, team = sorted(receivers.mail.mails, key=lambda mail: mail.to)
    (message,), (event,) = receivers.slack.messages, receivers.pagerduty.events
    assert (leadership.to, team.to) == (LEADERSHIP, TEAM)
    assert message.attachment.text.startswith(AT_100)
    assert team.text.startswith(AT_100)
    assert leadership.text == team.text
    assert event.event_action == "trigger"
    assert event.payload.severity == "critical"
    assert receivers.pagerduty.open == {event.dedup_key}
    reviewed("budget_100", message, team, event)

    manager.post(budget_100(ends=ENDED))
    until(counted(receivers, 4, 2, 2), "that it is over")
    assert receivers.pagerduty.open == set()
    over = receivers.pagerduty.events[-1]
    assert (over.event_action, over.dedup_key) == ("resolve", event.dedup_key)
    team = next(mail for mail in receivers.mail.mails[2:] if mail.to == TEAM)
    reviewed("budget_100_resolved", receivers.slack.messages[-1], team, over)


def test_an_ai_budget_is_told_to_its_owner_without_a_page(
    manager: Alertmanager, receivers: Receivers
) -> None:
    manager.post(ai_budget())
    until(counted(receivers, 1, 1, 0), "mail and Slack")
    assert receivers.pagerduty.events == []
    reviewed("ai_budget", *receivers.slack.messages, *receivers.mail.mails)


def test_an_exceeded_tenant_that_is_critical_is_one_page_but_no_matter_of_leadership(
    manager: Alertmanager, receivers: Receivers
) -> None:
    manager.post(
        *begun_now(
            ai_budget("AIBudgetExceeded", severity="critical"),
            ai_budget("AIBudgetExceeded", "other", severity="critical", owner="ads"),
            ai_budget("AIBudgetExceeded", "third", severity="warning", owner="docs"),
        )
    )
    until(counted(receivers, 3, 3, 1), "a message to each owner's group")
    (event,) = receivers.pagerduty.events
    assert "acme" in event.payload.custom_details["firing"]
    assert "other" in event.payload.custom_details["firing"]
    assert "third" not in event.payload.custom_details["firing"]
    assert event.payload.summary == "🔴 2 \N{MULTIPLICATION SIGN} AIBudgetExceeded"
    assert {mail.to for mail in receivers.mail.mails} == {TEAM}


def test_a_spike_says_what_drives_it(manager: Alertmanager, receivers: Receivers) -> None:
    manager.post(spike())
    until(counted(receivers, 1, 1, 0), "mail and Slack")
    reviewed("spike", *receivers.slack.messages, *receivers.mail.mails)


def test_a_provider_that_restates_a_month_is_one_message_of_bounded_length(
    manager: Alertmanager, receivers: Receivers
) -> None:
    accounts = [f"{number:012d}" for number in range(35)]
    manager.post(*begun_now(*(spike(account_id=account) for account in accounts)))
    until(counted(receivers, 1, 1, 0), "mail and Slack")
    (message,), (mail,) = receivers.slack.messages, receivers.mail.mails
    lines = message.attachment.text.splitlines()
    title = "🟠 35 \N{MULTIPLICATION SIGN} CloudCostSpike, aws, platform"
    assert message.attachment.fallback == title
    assert sum(line.startswith("🟠") for line in lines) == 30
    assert sum(line.startswith("Runbook:") for line in lines) == 5
    assert lines[-1] == "… 35 in all"
    assert mail.html.count("<pre") == 5
    assert "… 35 in all" in mail.html
    assert len(message.attachment.text) < 7000


HOSTILE = "<!channel> <b>&amp;</b> a_b_c *d*"


def test_a_name_is_shown_and_not_obeyed(manager: Alertmanager, receivers: Receivers) -> None:
    hostile = budget_80(budget=HOSTILE, owner=HOSTILE)
    for name in ("budget_name", "scope", "action", "drivers", "command", "page_or_wait"):
        hostile["annotations"][name] = HOSTILE
    other = spike(owner=HOSTILE)
    other["annotations"].update(summary=HOSTILE, description=HOSTILE)
    manager.post(hostile, other)
    until(counted(receivers, 2, 2, 0), "mail and Slack")
    for message in receivers.slack.messages:
        assert "<" not in message.attachment.text + message.attachment.fallback
        assert "‹!channel›" in message.attachment.text  # noqa: RUF001 - meant
        assert "text" not in message.attachment.mrkdwn_in
    for mail in receivers.mail.mails:
        assert "a_b_c *d*" in mail.subject
        assert "&amp;amp;" in mail.html
        assert "<b>" not in mail.html


def test_an_alert_without_annotations_is_told_all_the_same(
    manager: Alertmanager, receivers: Receivers
) -> None:
    manager.post(alert({"alertname": "New", "severity": "catastrophic"}), budget_80())
    until(counted(receivers, 2, 2, 0), "mail and Slack")
    texts = {message.attachment.text for message in receivers.slack.messages}
    assert "🟠 New\n\nSince: 2026-02-08 09:15 UTC\n" in texts


def always(config: Config) -> None:
    """Make every minute a Monday morning."""
    config["time_intervals"][0]["time_intervals"] = [{}]


def never(config: Config) -> None:
    """Make the interval one that has passed for good."""
    config["time_intervals"][0]["time_intervals"] = [{"years": ["2001"]}]


def test_the_digest_is_one_mail_of_all_that_is_open(tmp_path: Path, receivers: Receivers) -> None:
    with alertmanager(tmp_path, receivers, always) as manager:
        manager.post(*open_findings())
        until(counted(receivers, 1, 0, 0), "the digest")
        manager.post(budget_80())
        until(counted(receivers, 2, 1, 0), "another message, several ticks later")
        manager.post(budget_80() | {"endsAt": ENDED})
        until(counted(receivers, 3, 2, 0), "another one")
    digests = [mail for mail in receivers.mail.mails if "digest" in mail.subject]
    assert len(digests) == 1
    assert receivers.pagerduty.events == []
    reviewed("digest", *digests)


def test_outside_its_half_hour_there_is_no_digest(tmp_path: Path, receivers: Receivers) -> None:
    with alertmanager(tmp_path, receivers, never) as manager:
        manager.post(*open_findings())
        until(lambda: len(manager.alerts()) == 3, "the findings are taken")
        manager.post(budget_80())
        until(counted(receivers, 1, 1, 0), "another message")
        manager.post(budget_80() | {"endsAt": ENDED})
        until(counted(receivers, 2, 2, 0), "another one, several ticks later")
    assert [mail.subject for mail in receivers.mail.mails if "digest" in mail.subject] == []


def quick_watchdog(config: Config) -> None:
    """Repeat what always fires at every tick."""
    (route,) = (
        route for route in config["route"]["routes"] if route["receiver"] == "dead-mans-switch"
    )
    route["repeat_interval"] = "100ms"


def test_the_dead_mans_switch_is_kept_from_firing(tmp_path: Path, receivers: Receivers) -> None:
    with alertmanager(tmp_path, receivers, quick_watchdog) as manager:
        manager.post(alert({"alertname": "FinOpsWatchdog", "severity": "none"}))
        until(lambda: len(receivers.switch.pings) >= 3, "one ping after the other")
    assert {ping["status"] for ping in receivers.switch.pings} == {"firing"}
    assert (receivers.mail.mails, receivers.slack.messages) == ([], [])
    assert receivers.pagerduty.events == []


@contextmanager
def secret_of_nobody(folder: Path) -> Iterator[None]:
    """Take a secret away while it is needed."""
    file = folder / "secrets" / "pagerduty_routing_key"
    hidden = file.rename(file.with_suffix(".away"))
    yield
    hidden.rename(file)


def test_a_secret_is_read_when_it_is_needed_and_its_absence_keeps_nobody_else_from_being_told(
    tmp_path: Path, receivers: Receivers, manager: Alertmanager
) -> None:
    with secret_of_nobody(tmp_path):
        manager.post(budget_100())
        until(counted(receivers, 2, 1, 0), "mails and Slack")
        assert receivers.pagerduty.events == []
    manager.post(budget_100(budget="another"))
    until(counted(receivers, 2, 1, 1), "PagerDuty")
