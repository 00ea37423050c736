"""Grafana's provisioning: data sources and the dashboards' place, as compose.yaml has them."""

from __future__ import annotations

import json
import re
from typing import Any

from compose_files import GRAFANA, document, mounts, published, secrets, services
from finops_exporter.store.migrate import migrations
from shared import ROOT

SOURCES = GRAFANA / "datasources" / "finops.yaml"
PROVIDERS = GRAFANA / "dashboards" / "finops.yaml"
ROLE = (ROOT / "dashboards/grafana-role.sql").read_text(encoding="utf-8")
README = (ROOT / "dashboards/README.md").read_text(encoding="utf-8")
SERVICE = services()["grafana"]


def sources() -> dict[str, Any]:
    """The data sources by uid."""
    return {one["uid"]: one for one in document(SOURCES)["datasources"]}


def variables() -> set[str]:
    """What Grafana is to find in its environment."""
    return set(re.findall(r"\$\{(\w+)\}", SOURCES.read_text(encoding="utf-8")))


def test_the_data_sources_are_those_that_the_dashboards_name() -> None:
    assert document(SOURCES)["apiVersion"] == 1
    assert {uid: one["type"] for uid, one in sources().items()} == {
        "finops-prometheus": "prometheus",
        "finops-postgresql": "grafana-postgresql-datasource",
    }
    files = sorted((ROOT / "dashboards").glob("*.json"))
    uids = {uid for file in files for uid in _uids(json.loads(file.read_text(encoding="utf-8")))}
    assert uids <= set(sources()) | {"-- Grafana --", "-- Mixed --", "-- Dashboard --"}


def _uids(value: Any) -> set[str]:
    """The data sources in a dashboard, but for variables."""
    if isinstance(value, list):
        return {uid for one in value for uid in _uids(one)}
    if not isinstance(value, dict):
        return set()
    source = value.get("datasource")
    own = {source["uid"]} if isinstance(source, dict) and "uid" in source else set()
    return {uid for uid in own if not uid.startswith("$")} | _uids(list(value.values()))


def test_nobody_changes_them_in_grafana_and_none_is_its_default() -> None:
    for one in sources().values():
        assert one["editable"] is False
        assert one["access"] == "proxy"
        assert "isDefault" not in one


def test_prometheus_is_asked_by_post_in_steps_of_its_scrapes() -> None:
    asked = sources()["finops-prometheus"]["jsonData"]
    config = document(ROOT / "compose/prometheus.yml")
    assert asked["httpMethod"] == "POST"
    assert asked["timeInterval"] == config["global"]["scrape_interval"]
    assert f"scrape_interval: {asked['timeInterval']}" in (ROOT / "rules/README.md").read_text()


def test_the_password_is_a_secret_of_grafana_and_from_outside() -> None:
    source = sources()["finops-postgresql"]
    assert source["secureJsonData"] == {"password": "${FINOPS_POSTGRESQL_PASSWORD}"}
    assert "password" not in source
    assert {"database", "sslmode", "postgresVersion", "timescaledb"} <= set(source["jsonData"])


def test_every_variable_is_set_by_compose_and_told_in_the_readme() -> None:
    given = {name for name in SERVICE["environment"] if name.startswith("FINOPS_")}
    assert given == variables()
    assert set(re.findall(r"^\| `(FINOPS_\w+)` \|", README, re.MULTILINE)) == variables()


def test_compose_sets_them_to_its_own_services() -> None:
    given = SERVICE["environment"]
    database = services()["timescaledb"]
    ((_, _, port),) = published(services()["prometheus"])
    assert given["FINOPS_PROMETHEUS_URL"] == f"http://prometheus:{port}"
    assert given["FINOPS_POSTGRESQL_ADDRESS"] == "timescaledb:5432"
    assert given["FINOPS_POSTGRESQL_DATABASE"] == database["environment"]["POSTGRES_DB"]
    # $$ is Compose's way to write one $; Grafana reads the file after it has put the variable in.
    file = re.fullmatch(r"\$\$__file\{(.+)\}", given["FINOPS_POSTGRESQL_PASSWORD"])
    assert file
    assert file[1] == secrets(SERVICE)["grafana_role_password"]
    assert f"CREATE ROLE {given['FINOPS_POSTGRESQL_USER']} LOGIN" in ROLE


def test_the_dashboards_are_read_only_and_where_they_are_mounted() -> None:
    (provider,) = document(PROVIDERS)["providers"]
    assert document(PROVIDERS)["apiVersion"] == 1
    assert (provider["type"], provider["folder"]) == ("file", "FinOps")
    assert (provider["allowUiUpdates"], provider["disableDeletion"]) == (False, True)
    targets = {one.source: one.target for one in mounts(SERVICE)}
    assert provider["options"] == {"path": targets["./dashboards"]}


def test_the_files_are_mounted_where_grafana_looks_for_them() -> None:
    targets = {one.source: one.target for one in mounts(SERVICE)}
    for file in (SOURCES, PROVIDERS):
        relative = file.relative_to(GRAFANA)
        assert targets[f"./{file.relative_to(ROOT)}"] == f"/etc/grafana/provisioning/{relative}"


def test_the_role_reads_tables_that_the_migrations_make() -> None:
    listed = re.search(r"RETURN ARRAY\[(.*)\]", ROLE)
    assert listed
    tables = set(re.findall(r"'(\w+)'", listed[1]))
    made = {name for one in migrations() for name in re.findall(r"CREATE TABLE (\w+) \(", one.text)}
    assert tables == {"ai_token_usage", "ai_token_budgets", "budget_period"}
    assert tables <= made
