"""What we ship for Alertmanager, by its own tools: it is valid, says no secret, and routes."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from integration.alerting import amtool
from local_stack.telling import SECRETS, SHIPPED, shipped
from shared import ROOT

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator
    from pathlib import Path

RULES = sorted((ROOT / "rules").glob("*.yaml"))
TEXT = SHIPPED.read_text(encoding="utf-8")
TEMPLATES = sorted((SHIPPED.parent / "templates").glob("*.tmpl"))


def walk(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Every text of a YAML value with the key that it stands at."""
    if isinstance(value, dict):
        for key, one in value.items():
            yield from walk(one, str(key))
    elif isinstance(value, list):
        for one in value:
            yield from walk(one, path)
    else:
        yield path, str(value)


def checked(file: Path) -> subprocess.CompletedProcess[str]:
    return amtool("check-config", file)


def test_amtool_has_nothing_to_say_about_the_configuration() -> None:
    done = checked(SHIPPED)
    assert (done.returncode, done.stderr) == (0, "")
    assert " - 8 inhibit rules\n - 5 receivers\n - 1 templates\n  SUCCESS\n" in done.stdout


def test_every_secret_is_in_a_file() -> None:
    secret = re.compile("api_url|password|auth_secret|credentials|(routing|service|api)_key|token")
    keys = {key for key, _ in walk(shipped()) if secret.search(key)}
    assert keys == {
        "smtp_auth_password_file",
        "slack_api_url_file",
        "routing_key_file",
        "credentials_file",
    }
    files = [text for key, text in walk(shipped()) if key.endswith("_file")]
    assert all(text.startswith(SECRETS) for text in files)


def test_every_address_is_a_placeholder() -> None:
    hosts = set(re.findall(r"(?:@|https?://)([\w.-]+)", TEXT))
    assert {host for host in hosts if not re.fullmatch(r"([\w-]+\.)*example\.com", host)} == set()
    assert shipped()["global"]["smtp_smarthost"] == "smtp.example.com:587"


def test_every_receiver_tells_of_the_end_or_says_that_it_does_not() -> None:
    for receiver in shipped()["receivers"]:
        for kind in set(receiver) - {"name"}:
            assert all("send_resolved" in one for one in receiver[kind]), receiver["name"]


def test_alertmanager_remembers_what_it_repeats() -> None:
    """Of what is older than its retention of 120 hours it knows nothing any more."""
    hours = {
        route["receiver"]: int(route["repeat_interval"][:-1])
        for route in [shipped()["route"], *shipped()["route"]["routes"]]
        if route.get("repeat_interval", "").endswith("h")
    }
    assert hours == {"team": 24, "leadership": 96, "weekly-digest": 24}


def test_the_digest_has_several_ticks_in_its_half_hour_on_monday() -> None:
    (interval,) = shipped()["time_intervals"]
    (digest,) = (r for r in shipped()["route"]["routes"] if r["receiver"] == "weekly-digest")
    assert digest["active_time_intervals"] == [interval["name"]]
    assert interval["time_intervals"] == [
        {
            "weekdays": ["monday"],
            "times": [{"start_time": "09:00", "end_time": "09:30"}],
            "location": "UTC",
        }
    ]
    assert (digest["group_interval"], digest["group_by"]) == ("10m", ["component"])


def test_every_rule_that_compares_labels_asks_for_one_of_them() -> None:
    """One whose labels are missing on both sides would mute everything."""
    for rule in shipped()["inhibit_rules"]:
        guards = {f'{name}!=""' for name in rule.get("equal", [])}
        assert not guards or guards & set(rule["source_matchers"]) & set(rule["target_matchers"])


def test_every_template_that_is_used_is_defined_and_the_other_way_round() -> None:
    texts = [TEXT, *(path.read_text(encoding="utf-8") for path in TEMPLATES)]
    defined = [name for text in texts for name in re.findall(r'define "([^"]+)"', text)]
    used = {name for text in texts for name in re.findall(r'template "([^"]+)"', text)}
    assert len(defined) == len(set(defined))
    assert used == set(defined)


# Routes

WATCHDOG, LEADERSHIP, PAGERDUTY, TEAM, DIGEST = (
    ["dead-mans-switch"],
    ["leadership", "pagerduty", "team"],
    ["pagerduty", "team"],
    ["team"],
    ["weekly-digest"],
)
WARNING, CRITICAL, INFO = {"severity": "warning"}, {"severity": "critical"}, {"severity": "info"}
ESCALATED = {"severity": "critical", "escalate": "leadership"}

ROUTED: list[tuple[str, dict[str, str], list[str]]] = [
    ("BudgetExceeded80Percent", WARNING, TEAM),
    ("BudgetExceededCritical", ESCALATED, LEADERSHIP),
    ("CloudCostSpike", WARNING, TEAM),
    ("ForecastExceedsBudget", WARNING, TEAM),
    ("AIBudgetWarning", WARNING, TEAM),
    ("AIBudgetExceeded", WARNING, TEAM),
    ("AIBudgetExceeded", CRITICAL, PAGERDUTY),
    ("TotalAISpendHigh", WARNING, TEAM),
    ("AITokenAnomaly", WARNING, TEAM),
    ("AIReportCostHigh", WARNING, TEAM),
    ("S3BucketLarge", INFO, DIGEST),
    ("ClickHouseDiskHigh", WARNING, TEAM),
    ("PostgresWALGrowth", WARNING, TEAM),
    ("OverprovisionedPod", INFO, DIGEST),
    ("IdleLoadBalancer", INFO, DIGEST),
    ("UnusedPVC", INFO, DIGEST),
    ("CostGrowthHigh", WARNING, TEAM),
    ("UnitEconomicsWorsening", WARNING, TEAM),
    ("CostAnomalyDetected", WARNING, TEAM),
    ("BudgetThresholdReached", INFO | {"threshold": "50"}, DIGEST),
    ("BudgetThresholdReached", CRITICAL | {"threshold": "120"}, PAGERDUTY),
    ("FinOpsExporterDown", WARNING, TEAM),
    ("AILedgerDown", CRITICAL, PAGERDUTY),
    ("AILedgerFailOpen", CRITICAL, PAGERDUTY),
    ("FinOpsWatchdog", {"severity": "none"}, WATCHDOG),
    ("OfAnUnknownKind", {"severity": "catastrophic"}, TEAM),
    ("WithoutASeverity", {}, TEAM),
]


def goes_to(file: Path, receivers: list[str], labels: dict[str, str]) -> bool:
    pairs = [f"{name}={text}" for name, text in labels.items()]
    expected = f"--verify.receivers={','.join(receivers)}"
    done = amtool("config", "routes", "test", f"--config.file={file}", expected, *pairs)
    return done.returncode == 0


@pytest.mark.parametrize(("name", "labels", "receivers"), ROUTED)
def test_an_alert_reaches_whom_it_concerns(
    name: str, labels: dict[str, str], receivers: list[str]
) -> None:
    assert goes_to(SHIPPED, receivers, {"alertname": name, "component": "finops", **labels})


def fixed(labels: dict[str, str]) -> dict[str, str]:
    """Labels without those that are known only when the alert fires."""
    return {name: text for name, text in labels.items() if "{{" not in text}


def rules() -> list[dict[str, str]]:
    """The labels of every alert of rules/."""
    groups = [one for file in RULES for one in yaml.safe_load(file.read_text())["groups"]]
    return [
        {"alertname": rule["alert"], **fixed(rule["labels"])}
        for group in groups
        for rule in group["rules"]
        if "alert" in rule
    ]


def test_every_alert_of_the_rules_goes_where_its_severity_says() -> None:
    due = {"critical": PAGERDUTY, "warning": TEAM, "info": DIGEST, "none": WATCHDOG}
    for labels in rules():
        receivers = LEADERSHIP if "escalate" in labels else due[labels["severity"]]
        assert goes_to(SHIPPED, receivers, labels), labels


def uncommented() -> str:
    """The configuration with its example of an owner's own channel."""
    lines = re.sub(r"(?m)^( *)# (?=- receiver: owner-|- name: owner-|  )", r"\1", TEXT)
    assert lines.count("owner-platform") == 2
    return lines


def test_the_example_of_an_owners_channel_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / "templates").symlink_to(SHIPPED.parent / "templates")
    file = tmp_path / "alertmanager.yaml"
    file.write_text(uncommented(), encoding="utf-8")
    done = checked(file)
    assert (done.returncode, done.stderr) == (0, "")
    assert " - 6 receivers\n" in done.stdout
    mine = {"alertname": "CloudCostSpike", "owner": "platform"}
    assert goes_to(file, ["owner-platform", "team"], mine | WARNING)
    assert goes_to(file, ["pagerduty", "owner-platform", "team"], mine | CRITICAL)
    assert goes_to(file, ["weekly-digest"], mine | INFO)
    assert goes_to(file, ["team"], {**mine, **WARNING, "owner": "search"})


def test_the_readme_names_every_secret_and_every_placeholder() -> None:
    readme = (SHIPPED.parent / "README.md").read_text(encoding="utf-8")
    secrets = {text.removeprefix(SECRETS) for key, text in walk(shipped()) if key.endswith("_file")}
    assert set(re.findall(r"(?m)^\| `(\w+)` \| ", readme)) == secrets
    keys = {key for key, text in walk(shipped()) if "example.com" in text}
    assert {key for key in keys if f"`{key}`" not in readme} == set()
