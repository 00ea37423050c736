"""compose.yaml fits together: with the repository, and with what its services are told."""

from __future__ import annotations

import json
import re
import shutil
import stat
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from click.testing import CliRunner

from compose_files import (
    COMPOSE,
    DEMO,
    SECRETS,
    document,
    mounts,
    options,
    published,
    secrets,
    services,
)
from exporter_commands import commands
from finops_exporter.cli import main
from finops_exporter.config import load
from shared import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICES = services()
MADE = {"compose/secrets/alertmanager"}
"""What tools/compose-secrets makes, and the repository has not."""

PORTS = {
    "exporter": {"9836", "3010"},
    "prometheus": {"9090"},
    "alertmanager": {"9093"},
    "grafana": {"3000"},
}
"""Where each listens unless it is told otherwise."""

every_service = pytest.mark.parametrize("name", SERVICES)


def texts(value: Any) -> Iterator[str]:
    """Every text of a YAML value, keys not."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif value is not None:
        yield str(value)


def made_secrets(folder: Path) -> subprocess.CompletedProcess[str]:
    """What our script does in a project that has only itself."""
    (folder / "tools").mkdir(exist_ok=True)
    shutil.copy(ROOT / "tools/compose-secrets", folder / "tools")
    return subprocess.run(
        [folder / "tools/compose-secrets"], capture_output=True, text=True, check=False
    )


# The services


def test_these_are_the_services() -> None:
    assert set(SERVICES) == {"exporter", "timescaledb", "prometheus", "alertmanager", "grafana"}


@every_service
def test_an_image_is_built_here_or_pinned_to_a_version(name: str) -> None:
    service = SERVICES[name]
    if name == "exporter":
        assert (service["build"], service["image"]) == (".", "finops-exporter:local")
        assert (ROOT / "Dockerfile").exists()
        return
    assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+(-pg\d+)?", service["image"])


def test_the_versions_are_those_that_our_files_are_for() -> None:
    version = {name: service["image"].rpartition(":")[2] for name, service in SERVICES.items()}
    assert version["grafana"].startswith("12.")
    assert version["prometheus"].startswith("v3.")
    assert version["timescaledb"].endswith("-pg17")
    assert tuple(map(int, version["alertmanager"][1:].split("."))) >= (0, 28, 0)


@every_service
def test_a_service_tells_its_health_and_is_started_again(name: str) -> None:
    service = SERVICES[name]
    health = service["healthcheck"]
    assert health["test"][0] == "CMD"
    assert {"interval", "timeout", "start_period", "retries"} <= set(health)
    # Where localhost is ::1 first, a server of IPv4 alone would be ill.
    assert any("127.0.0.1" in word for word in health["test"])
    assert service["restart"] == "unless-stopped"
    assert "no-new-privileges:true" in service["security_opt"]
    asked = re.findall(r"http://127\.0\.0\.1:(\d+)", " ".join(health["test"]))
    assert set(asked) <= PORTS.get(name, set())


def test_the_exporter_is_asked_for_its_health_as_the_image_is() -> None:
    image = re.search(r"^    CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert image
    assert SERVICES["exporter"]["healthcheck"]["test"] == ["CMD", *json.loads(image[1])]


@every_service
def test_a_service_waits_for_the_health_of_others_and_never_for_itself(name: str) -> None:
    seen: list[str] = []
    due = [name]
    while due:
        waits = SERVICES[due.pop()].get("depends_on", {})
        assert all(one == {"condition": "service_healthy"} for one in waits.values())
        assert set(waits) <= set(SERVICES)
        due += [other for other in waits if other not in seen]
        seen += waits
    assert name not in seen


@every_service
def test_a_port_is_of_this_machine_alone(name: str) -> None:
    ports = published(SERVICES[name])
    assert all(host == "127.0.0.1" and there == here for host, there, here in ports)
    assert {here for _, _, here in ports} == PORTS.get(name, set())
    assert "network_mode" not in SERVICES[name]


def test_no_two_services_want_the_same_port() -> None:
    ports = [port for service in SERVICES.values() for _, port, _ in published(service)]
    assert len(ports) == len(set(ports))


@every_service
def test_what_is_mounted_is_in_the_repository_and_not_written_to(name: str) -> None:
    volumes = document(COMPOSE)["volumes"]
    for mount in mounts(SERVICES[name]):
        if mount.is_named:
            assert mount.source in volumes
            continue
        path = mount.source.removeprefix("./")
        assert mount.is_read_only, path
        if path in MADE:
            # Forgotten, it must not be made as root's.
            assert not mount.creates_source
        else:
            assert (ROOT / path).exists(), path


def test_every_named_volume_is_used_once() -> None:
    used = [one.source for each in SERVICES.values() for one in mounts(each) if one.is_named]
    assert sorted(used) == sorted(document(COMPOSE)["volumes"])


def test_mounts_of_one_service_do_not_lie_in_read_only_ones() -> None:
    """The place of a mount could not be made there."""
    for service in SERVICES.values():
        places = [Path(one.target) for one in mounts(service) if one.is_read_only]
        inner = [one for one in places for other in places if other in one.parents]
        assert inner == []


# Secrets


def test_every_secret_is_a_file_that_the_script_makes_and_git_ignores(tmp_path: Path) -> None:
    files = {name: one["file"] for name, one in document(COMPOSE)["secrets"].items()}
    assert made_secrets(tmp_path).returncode == 0
    assert files == {
        path.name: f"./compose/secrets/{path.name}"
        for path in (tmp_path / "compose/secrets").iterdir()
        if path.is_file()
    }
    ignored = (ROOT / ".gitignore").read_text().splitlines()
    assert f"/{SECRETS.relative_to(ROOT)}/" in ignored
    # Bills too, by the only file of its kind that builds of the package read.
    assert [line for line in ignored if "bills" in line] == [
        "/compose/bills/*",
        "!/compose/bills/.gitignore",
    ]
    assert (ROOT / ".dockerignore").read_text().splitlines()[1] == "*"


def test_secrets_are_used_as_they_are_defined() -> None:
    used = {name for service in SERVICES.values() for name in secrets(service)}
    assert used == set(document(COMPOSE)["secrets"])
    for service in SERVICES.values():
        text = " ".join(texts(service.get("environment", {})))
        assert set(re.findall(r"/run/secrets/\w+", text)) <= set(secrets(service).values())


def test_no_password_is_written_down_and_no_variable_has_a_default() -> None:
    for service in SERVICES.values():
        for key, text in service.get("environment", {}).items():
            if re.search("PASSWORD|SECRET|TOKEN", key):
                assert key.endswith("_FILE") or str(text).startswith("$$__file{"), key
    written = "\n".join(path.read_text() for path in (COMPOSE, DEMO))
    assert re.findall(r"(?<!\$)\$\{?\w", written) == []
    assert re.findall(r"://[^/\s:]+:[^/\s@]+@", written) == []


def test_secrets_can_be_read_in_every_container_but_by_nobody_else_here(tmp_path: Path) -> None:
    """Compose ignores owner and mode that it is told: each container sees those of the file."""
    done = made_secrets(tmp_path)
    folder = tmp_path / "compose/secrets"
    assert (done.returncode, done.stderr) == (0, "")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder / "alertmanager").stat().st_mode) == 0o755
    modes = {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir() if path.is_file()}
    assert modes == {0o444}


def test_secrets_are_random_and_stay_what_they_are(tmp_path: Path) -> None:
    folder = tmp_path / "compose/secrets"
    made_secrets(tmp_path)
    before = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    passwords = [text for name, text in before.items() if name != "database_url"]
    assert len(set(passwords)) == len(passwords) == 4
    assert all(re.fullmatch(r"[0-9a-f]{48}\n", text) for text in passwords)
    assert before["database_url"] == (
        f"postgresql://finops:{before['exporter_password'].strip()}@timescaledb:5432/finops\n"
    )
    (folder / "postgres_password").unlink()
    (folder / "postgres_password").mkdir()  # as Docker does
    again = made_secrets(tmp_path)
    assert (again.returncode, again.stdout) == (0, "compose/secrets/postgres_password: made\n")
    after = {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}
    assert after.pop("postgres_password") != before.pop("postgres_password")
    assert after == before
    (folder / "exporter_password").unlink()
    made_secrets(tmp_path)
    password = (folder / "exporter_password").read_text().strip()
    assert f":{password}@" in (folder / "database_url").read_text()


# What the services are told


def put_together(folder: Path) -> Path:
    """The exporter's configuration, the secret that it reads and a bill, as in the container."""
    made_secrets(folder)
    bills = folder / "bills" / "2026"
    bills.mkdir(parents=True)
    shutil.copy(ROOT / "tests/collectors/focus/three_providers/2026-11.csv", bills)
    shutil.copy(ROOT / "compose/bills/.gitignore", bills.parent)
    text = (ROOT / "compose/config.yaml").read_text()
    assert text.count('"/bills/') == 1
    config = folder / "compose/config.yaml"
    config.write_text(text.replace('"/bills/', f'"{bills.parent}/'))
    return config


def test_the_exporters_configuration_is_right_and_reads_the_mounted_bills(tmp_path: Path) -> None:
    config = put_together(tmp_path)
    done = CliRunner().invoke(main, ["check-config", "--config", str(config)])
    assert (done.exit_code, done.stderr) == (0, "")
    assert done.stdout.startswith("bills: 1 part (")
    assert "/bills" in {one.target for one in mounts(SERVICES["exporter"])}
    loaded = load(config, {})
    assert loaded.server.address == ("0.0.0.0", 9836)  # noqa: S104 - in a container
    assert loaded.ai.address == ("0.0.0.0", 3010)  # noqa: S104 - in a container


def test_the_exporter_finds_its_configuration_and_its_secret() -> None:
    service = SERVICES["exporter"]
    (config,) = (one.target for one in mounts(service) if one.source == "./compose/config.yaml")
    assert service["command"] == ["serve", "--config", config]
    relative = re.search(r"url: !file (\S+)", (ROOT / "compose/config.yaml").read_text())
    assert relative
    assert secrets(service) == {"database_url": str(Path(config).parent / relative[1])}
    assert "environment" not in service
    assert (service["read_only"], service["tmpfs"]) == (True, ["/tmp"])  # noqa: S108 - a tmpfs


def test_the_demo_differs_by_its_name_and_a_command_that_exists() -> None:
    demo = document(DEMO)
    assert demo["name"] != document(COMPOSE)["name"]
    assert list(demo) == ["name", "services"]
    assert {name: list(one) for name, one in demo["services"].items()} == {"exporter": ["command"]}
    name, flag, *rest = demo["services"]["exporter"]["command"]
    given = dict(one.split("=") for one in rest)
    known = {option for one in commands()[name].params for option in one.opts}
    assert {flag, *given} <= known
    assert given["--database-url-file"] in secrets(SERVICES["exporter"]).values()
    assert Path(given["--folder"]).parent == Path(SERVICES["exporter"]["tmpfs"][0])
    for address in ("--web.listen-address", "--ai.listen-address"):
        assert given[address].rpartition(":")[2] in PORTS["exporter"]


def test_prometheus_scrapes_and_tells_where_the_services_listen() -> None:
    config = document(ROOT / "compose/prometheus.yml")
    told = config["alerting"]["alertmanagers"]
    asked = [group for job in config["scrape_configs"] for group in job["static_configs"]]
    targets = [
        one
        for group in [*told, *(g["static_configs"][0] for g in told), *asked]
        for one in group.get("targets", ())
    ]
    for target in targets:
        host, port = target.split(":")
        assert port in PORTS["prometheus" if host == "localhost" else host]
    ours = next(job for job in config["scrape_configs"] if job["job_name"] == "finops")
    assert ours["honor_labels"] is True
    assert ours["static_configs"] == [{"targets": ["exporter:9836"]}]


def test_prometheus_has_our_rules_and_remembers_what_the_dashboards_show() -> None:
    service = SERVICES["prometheus"]
    targets = {one.source: one.target for one in mounts(service)}
    config = options(service)["--config.file"]
    assert targets["./compose/prometheus.yml"] == config
    (pattern,) = document(ROOT / "compose/prometheus.yml")["rule_files"]
    assert str(Path(config).parent / pattern) == f"{targets['./rules']}/*.yaml"
    assert options(service)["--storage.tsdb.path"] == targets["prometheus"]
    days = re.fullmatch(r"(\d+)d", options(service)["--storage.tsdb.retention.time"])
    assert days
    assert int(days[1]) > 35


def test_alertmanager_has_our_configuration_its_templates_and_a_place_for_secrets() -> None:
    service = SERVICES["alertmanager"]
    targets = {one.source: one.target for one in mounts(service)}
    config = options(service)["--config.file"]
    assert targets["./alertmanager/alertmanager.yaml"] == config
    shipped = (ROOT / "alertmanager/alertmanager.yaml").read_text()
    assert yaml.safe_load(shipped)["templates"] == ["templates/*.tmpl"]
    assert targets["./alertmanager/templates"] == str(Path(config).parent / "templates")
    files = set(re.findall(r"_file: (\S+)/\w+$", shipped, re.MULTILINE))
    assert files == {targets["./compose/secrets/alertmanager"]}


@pytest.mark.parametrize("name", ["prometheus", "alertmanager"])
def test_links_lead_to_the_published_port(name: str) -> None:
    ((host, port, _),) = published(SERVICES[name])
    assert options(SERVICES[name])["--web.external-url"] == f"http://{host}:{port}"


def test_the_database_is_made_with_our_sql_in_its_order() -> None:
    service = SERVICES["timescaledb"]
    scripts = [one for one in mounts(service) if "initdb.d" in one.target]
    assert [one.source for one in sorted(scripts, key=lambda one: one.target)] == [
        "./dashboards/grafana-role.sql",
        "./compose/database.sql",
    ]
    text = (ROOT / "compose/database.sql").read_text()
    read = {f"/run/secrets/{name}" for name in re.findall(r"'(\w+_password)'", text)}
    assert read <= set(secrets(service).values())
    assert {"DATABASE", service["environment"]["POSTGRES_DB"]} == {"DATABASE", "finops"}
