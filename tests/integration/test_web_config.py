"""`serve` and `check-config` with a web configuration file, as a process with its clients."""

from __future__ import annotations

import json
import signal
from base64 import b64encode
from contextlib import closing
from http.client import HTTPSConnection
from typing import TYPE_CHECKING

import bcrypt
from trustme import CA

from integration.bills import charge, write_bill
from integration.processes import as_url, configure, end, free_port, invoke, started, until
from unit.web.certificates import server_files, trusting

if TYPE_CHECKING:
    import ssl
    from pathlib import Path


def write_web_config(folder: Path, password: str) -> Path:
    path = folder / "web.yaml"
    hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    path.write_text(
        json.dumps(
            {
                "tls_server_config": {"cert_file": "server.crt", "key_file": "server.key"},
                "http_server_config": {"http2": True, "headers": {"X-Frame-Options": "deny"}},
                "basic_auth_users": {"prometheus": hashed},
            }
        ),
        encoding="utf-8",
    )
    return path


def status(port: int, tls: ssl.SSLContext, path: str, password: str | None) -> int | None:
    """The status of the page, or None while nobody listens."""
    basic = b64encode(f"prometheus:{password}".encode()).decode()
    headers = {} if password is None else {"Authorization": f"Basic {basic}"}
    with closing(HTTPSConnection("127.0.0.1", port, timeout=10, context=tls)) as connection:
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            assert answer.getheader("X-Frame-Options") == "deny"
            answer.read()
        except ConnectionRefusedError:
            return None
        return answer.status


def test_serve_follows_its_web_configuration(database_url: str, tmp_path: Path) -> None:
    authority = CA()
    server_files(authority, tmp_path)
    tls = trusting(authority)
    web = write_web_config(tmp_path, "first")
    bill = write_bill(tmp_path / "a.csv", charge("2026-11-01", "1"))
    config = configure(tmp_path, as_url(database_url), {"name": "bill", "paths": [str(bill)]})
    port = free_port()
    flags = (
        *("--web.listen-address", f"127.0.0.1:{port}", "--web.telemetry-path", "/finops"),
        *("--web.config.file", web, "--log.level", "warn", "--log.format", "logfmt"),
    )
    with started("serve", "--config", config, *flags) as process:
        assert until(lambda: status(port, tls, "/finops", "first"), "it serves", 30) == 200
        assert status(port, tls, "/metrics", "first") == 404
        for password in (None, "second"):
            assert status(port, tls, "/-/healthy", password) == 401
        write_web_config(tmp_path, "second")
        process.send_signal(signal.SIGHUP)
        until(lambda: status(port, tls, "/finops", "second") == 200, "the new password is right")
        assert status(port, tls, "/finops", "first") == 401
        web.write_text("basic_auth_users: []", encoding="utf-8")
        process.send_signal(signal.SIGHUP)
        server_files(CA(), tmp_path)
        assert status(port, tls, "/finops", "second") == 200
        _, stderr = end(process)
    assert process.returncode == 0
    lines = stderr.splitlines()
    assert "HTTP/2 is not available" in lines[0]
    assert all(" level=" in line for line in lines)
    assert "Traceback" not in stderr


def test_check_config_tells_the_mistakes_of_the_web_configuration(tmp_path: Path) -> None:
    web = tmp_path / "web.yaml"
    web.write_text("basic_auth_users: {me: plain}", encoding="utf-8")
    config = configure(tmp_path, None, server={"web_config_file": str(web)})
    result = invoke("check-config", "--config", config)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"{web}:1: basic_auth_users.me: must be a bcrypt hash")
    assert "plain" not in result.stderr
    web.write_text("http_server_config: {http2: true}", encoding="utf-8")
    result = invoke("check-config", "--config", config)
    assert result.exit_code == 0
    assert f"warning: {web}: http_server_config.http2: HTTP/2 is not available" in result.stdout


def test_a_web_configuration_that_is_missing_keeps_serve_from_starting(tmp_path: Path) -> None:
    config = configure(tmp_path, "postgresql://nobody@127.0.0.1:1/nothing")
    result = invoke("serve", "--config", config, "--web.config.file", tmp_path / "web.yaml")
    assert result.exit_code == 2
    assert result.stderr == f"{tmp_path / 'web.yaml'}: cannot be read: No such file or directory\n"
