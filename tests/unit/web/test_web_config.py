"""Each tests/web_config/*.bad.yaml must give exactly the text of the *.bad.txt beside it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.errors import ConfigError
from finops_exporter.explain import Place, validated
from finops_exporter.web.protection import Protection
from finops_exporter.web.web_config import (
    CIPHERS,
    CURVES,
    HEADERS,
    HttpServer,
    TlsServer,
    WebConfig,
    load,
)
from finops_exporter.yaml_source import Document
from shared import ROOT

CASES = ROOT / "tests" / "web_config"
SECRET = "hunter2-hunter2"  # noqa: S105 - invented, to be looked for in messages
ENV = {"SECRET": SECRET}
BAD = sorted(path.name for path in CASES.glob("*.bad.yaml"))


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_told_in_these_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)  # messages begin with the path as it was given
    with pytest.raises(ConfigError) as caught:
        Protection(Path(name), ENV)
    said = str(caught.value)
    assert said + "\n" == (CASES / name).with_suffix(".txt").read_text(encoding="utf-8")
    assert "hunter2" not in said


def test_every_case_has_its_counterpart() -> None:
    said = {path.name.removesuffix(".txt") for path in CASES.glob("*.bad.txt")}
    assert said == {name.removesuffix(".yaml") for name in BAD}
    assert len(BAD) >= 15


def test_everything_is_read_as_it_is_written() -> None:
    file = load(CASES / "everything.ok.yaml", {})
    tls = file.config.tls_server_config
    assert tls.cert_file is not None
    assert tls.key_file is not None
    assert file.resolve(tls.cert_file) == CASES / "certs" / "server.crt"
    assert file.resolve(tls.key_file) == Path("/etc/finops/server.key")
    assert tls.client_allowed_sans == ("prometheus.example", "10.0.0.7")
    assert tls.prefer_server_cipher_suites is False
    assert file.config.http_server_config.headers == {
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "X-XSS-Protection": "1; mode=block",
    }
    assert list(file.config.basic_auth_users) == ["prometheus"]
    assert file.config.warnings() == [
        "http_server_config.http2: HTTP/2 is not available; HTTP/1.1 is spoken"
    ]
    assert "$2y$" not in repr(file)


def test_what_is_left_out_has_its_default() -> None:
    config = load(CASES / "nothing.ok.yaml", {}).config
    assert config == WebConfig()
    assert (config.tls, config.basic_auth_users) == (None, {})


def test_suites_without_effect_are_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "web.yaml"
    path.write_text(
        "tls_server_config: {cert_file: a, key_file: b, min_version: TLS13,"
        " cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA]}"
    )
    (warning,) = load(path, {}).config.warnings()
    assert warning.startswith("tls_server_config.cipher_suites: has no effect")


def test_what_the_documentation_shows_can_be_loaded(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"^```yaml\n(# web.yaml\n.*?)^```", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "web.yaml").write_text(block, encoding="utf-8")
    (tmp_path / "prometheus.bcrypt").write_text(f"$2y$10${'x' * 53}\n", encoding="utf-8")
    config = load(tmp_path / "web.yaml", {}).config
    assert set(config.model_fields_set) == set(WebConfig.model_fields)
    assert config.warnings() == []


KEYS = sorted({*WebConfig.model_fields, *TlsServer.model_fields, *HttpServer.model_fields})
WORDS = ["", "TLS12", "deny", "NoClientCert", 5, True, None, *HEADERS, *CURVES, *CIPHERS]
VALUES = st.recursive(
    st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(sorted(WebConfig.model_fields)), VALUES))
def test_any_values_are_a_configuration_or_a_clear_error(values: dict[str, object]) -> None:
    try:
        found = validated(WebConfig, values, Place(Document("web.yaml")))
    except ConfigError as error:
        for sentence in str(error).splitlines():
            assert re.match(r"web\.yaml: \S+: .", sentence)
    else:
        assert isinstance(found, WebConfig)
