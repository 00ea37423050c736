"""TLS, users and headers over real sockets, and what happens when their files change."""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import bcrypt
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from structlog.testing import capture_logs
from trustme import CA

from finops_exporter.errors import ConfigError
from finops_exporter.web.protection import Protection
from unit.web.certificates import server_files, trusting, written
from unit.web.support import HUGE, LOOPBACK, MEGABYTE, OPTIONS, serving, until

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

USERS = {"prometheus": bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()}
AUTHORIZATION = b"Authorization: Basic " + b64encode(b"prometheus:secret") + b"\r\n"
PATHS = ("/", "/metrics", "/-/healthy", "/-/ready", "/nothing")


@dataclass(frozen=True)
class Folder:
    """Where a web configuration lies, with the certificates that it names."""

    path: Path
    authority: CA

    @property
    def file(self) -> Path:
        return self.path / "web.yaml"

    def write(self, *, tls: dict[str, Any] | None = None, **sections: Any) -> Protection:
        """Write the configuration, with a certificate unless `tls` is None; and read it."""
        if tls is not None:
            server_files(self.authority, self.path)
            sections["tls_server_config"] = {
                "cert_file": "server.crt",
                "key_file": "server.key",
                **tls,
            }
        self.file.write_text(json.dumps(sections), encoding="utf-8")  # JSON is YAML
        return Protection(self.file, {})


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    (tmp_path / "web").mkdir()
    return Folder(tmp_path / "web", CA())


@dataclass(frozen=True)
class Answer:
    """What came back, and over which TLS."""

    head: str
    version: str | None = None
    cipher: str | None = None
    certificate: bytes | None = None

    @property
    def status(self) -> int:
        return int(self.head.split()[1])


async def ask(
    port: int, path: str = "/-/healthy", *, tls: ssl.SSLContext | None = None, more: bytes = b""
) -> Answer:
    reader, writer = await asyncio.open_connection(LOOPBACK, port, ssl=tls)
    try:
        writer.write(b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n" % (path.encode(), more))
        head = await reader.readuntil(b"\r\n\r\n")
        used: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        if used is None:
            return Answer(head.decode())
        cipher = used.cipher()
        return Answer(
            head.decode(), used.version(), cipher and cipher[0], used.getpeercert(binary_form=True)
        )
    finally:
        writer.close()


def asked(protection: Protection, tls: ssl.SSLContext | None = None, **request: Any) -> Answer:
    async def go() -> Answer:
        async with serving(protection=protection) as listener:
            return await ask(listener.port, tls=tls, **request)

    return asyncio.run(go())


REFUSED = (ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)


def test_users_are_asked_for_on_every_page(folder: Folder) -> None:
    protection = folder.write(basic_auth_users=USERS)

    async def go() -> None:
        async with serving(protection=protection) as listener:
            for path in PATHS:
                refused = await ask(listener.port, path)
                assert refused.status == 401
                assert 'WWW-Authenticate: Basic realm="finops-exporter"' in refused.head
                admitted = await ask(listener.port, path, more=AUTHORIZATION)
                assert admitted.status == (404 if path == "/nothing" else 200)

    asyncio.run(go())


def test_headers_belong_to_every_answer(folder: Folder) -> None:
    headers = {"X-Frame-Options": "deny", "Content-Security-Policy": "", "X-XSS-Protection": "0"}
    protection = folder.write(http_server_config={"headers": headers})

    async def go() -> None:
        async with serving(protection=protection) as listener:
            requests = [{"path": path} for path in PATHS] + [{"more": b"no header\r\n"}]
            for request in requests:
                head = (await ask(listener.port, **request)).head
                assert "X-Frame-Options: deny\r\n" in head
                assert "X-XSS-Protection: 0\r\n" in head
                assert "Content-Security-Policy" not in head

    asyncio.run(go())


def test_tls_is_spoken_and_nothing_else(folder: Folder) -> None:
    protection = folder.write(tls={})
    answer = asked(protection, trusting(folder.authority))
    assert (answer.status, answer.version) == (200, "TLSv1.3")
    with pytest.raises(ssl.SSLCertVerificationError):
        asked(folder.write(tls={}), trusting(CA()))
    with pytest.raises(REFUSED):
        asked(folder.write(tls={}))


async def scraped(folder: Folder, *, reads: bool) -> bytes:
    """A scrape of much over TLS by a client that reads it, or not until it is cut off."""
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    options = replace(OPTIONS, write_seconds=600.0 if reads else 0.2)
    async with serving(HUGE, options, folder.write(tls={})) as listener:
        reader, writer = await asyncio.open_connection(
            LOOPBACK, listener.port, ssl=trusting(folder.authority), limit=1 << 14
        )
        writer.write(request)
        found = bytearray(await reader.readexactly(1))
        await until(lambda: reads or listener.open == 0)
        try:
            while data := await reader.read(1 << 20):
                found += data
        except (ConnectionError, ssl.SSLError):
            pass
        writer.transport.abort()
        return bytes(found)


def test_much_is_sent_over_tls_as_well(folder: Folder) -> None:
    answer = asyncio.run(scraped(folder, reads=True))
    assert answer.partition(b"\r\n\r\n")[2] == MEGABYTE * 60


def test_who_does_not_read_over_tls_is_cut_off_as_well(folder: Folder) -> None:
    assert len(asyncio.run(scraped(folder, reads=False))) < 60_000_000


def test_certificate_and_key_may_stand_in_the_file(folder: Folder) -> None:
    files = server_files(folder.authority, folder.path)
    inline = {"cert": files.cert.read_text(), "key": files.key.read_text()}
    protection = folder.write(tls_server_config=inline)
    assert asked(protection, trusting(folder.authority)).status == 200


def encrypted(key: bytes) -> bytes:
    return load_pem_private_key(key, None).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )


def test_a_key_that_does_not_fit_or_is_encrypted_is_told(folder: Folder) -> None:
    folder.write(tls={})
    other = written(CA().issue_cert("elsewhere"), folder.path, "other")
    (folder.path / "server.key").write_bytes(other.key.read_bytes())
    with pytest.raises(ConfigError, match=r"key_file: the key is not that of the certificate$"):
        Protection(folder.file, {})
    (folder.path / "server.key").write_bytes(encrypted(other.key.read_bytes()))
    with pytest.raises(ConfigError, match=r"key_file: the key is encrypted"):
        Protection(folder.file, {})


@pytest.mark.parametrize(
    ("tls", "version", "cipher"),
    [
        ({"max_version": "TLS12"}, "TLSv1.2", None),
        ({"min_version": "TLS13"}, "TLSv1.3", None),
        (
            {
                "max_version": "TLS12",
                "cipher_suites": ["TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256"],
                "curve_preferences": ["CurveP384"],
            },
            "TLSv1.2",
            "ECDHE-ECDSA-CHACHA20-POLY1305",
        ),
        ({"curve_preferences": ["X25519"], "prefer_server_cipher_suites": False}, "TLSv1.3", None),
    ],
)
def test_versions_suites_and_curves_are_what_was_chosen(
    folder: Folder, tls: dict[str, Any], version: str, cipher: str | None
) -> None:
    answer = asked(folder.write(tls=tls), trusting(folder.authority))
    assert (answer.status, answer.version) == (200, version)
    assert cipher in {None, answer.cipher}


def test_the_server_says_which_suite_unless_the_client_may(folder: Folder) -> None:
    suites = [
        "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    ]
    client = trusting(folder.authority)
    client.set_ciphers("ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384")
    for server_decides, cipher in (
        (True, "ECDHE-ECDSA-AES256-GCM-SHA384"),
        (False, "ECDHE-ECDSA-AES128-GCM-SHA256"),
    ):
        tls = {
            "max_version": "TLS12",
            "cipher_suites": suites,
            "prefer_server_cipher_suites": server_decides,
        }
        assert asked(folder.write(tls=tls), client).cipher == cipher


def test_too_old_clients_are_refused(folder: Folder) -> None:
    client = trusting(folder.authority)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(REFUSED):
        asked(folder.write(tls={"min_version": "TLS13"}), client)


def with_client_ca(folder: Folder, authority: CA, **tls: Any) -> Protection:
    authority.cert_pem.write_to_path(str(folder.path / "clients.crt"))
    return folder.write(tls={"client_ca_file": "clients.crt", **tls})


def test_client_certificates_are_checked(folder: Folder) -> None:
    clients, others = CA(), CA()
    required = {"client_auth_type": "RequireAndVerifyClientCert"}
    given = {"client_auth_type": "VerifyClientCertIfGiven"}
    good = trusting(folder.authority, clients.issue_cert("prometheus.example"))
    bad = trusting(folder.authority, others.issue_cert("prometheus.example"))
    none = trusting(folder.authority)
    for tls, client in ((required, good), (given, good), (given, none)):
        assert asked(with_client_ca(folder, clients, **tls), client).status == 200
    for tls, client in ((required, none), (required, bad), (given, bad)):
        with pytest.raises(REFUSED):
            asked(with_client_ca(folder, clients, **tls), client)


@pytest.mark.parametrize(
    ("names", "allowed", "is_welcome"),
    [
        (["prometheus.example"], ["other.example", "prometheus.example"], True),
        (["prometheus.example"], ["example"], False),
        (["prometheus.example"], ["PROMETHEUS.example"], False),
        (["10.0.0.7"], ["10.0.0.7"], True),
        (["2001:db8::7"], ["2001:db8::7"], True),
        (["me@example.com"], ["me@example.com"], True),
        (["a.example", "b.example"], ["b.example"], True),
    ],
)
def test_only_certificates_with_an_allowed_name_come_in(
    folder: Folder,
    names: list[str],
    allowed: list[str],
    is_welcome: bool,  # noqa: FBT001 -- a column
) -> None:
    clients = CA()
    protection = with_client_ca(
        folder,
        clients,
        client_auth_type="RequireAndVerifyClientCert",
        client_allowed_sans=allowed,
    )
    client = trusting(folder.authority, clients.issue_cert(*names))
    if is_welcome:
        assert asked(protection, client).status == 200
    else:
        with pytest.raises(REFUSED):
            asked(protection, client)


def looked(protection: Protection) -> list[str]:
    """What is logged when the files are looked at."""
    with capture_logs() as entries:
        protection.look()
    return [f"{entry['log_level']}: {entry.get('error', entry['event'])}" for entry in entries]


CHANGED = ["info: the web configuration has changed and was read"]


def test_a_new_certificate_is_used_by_new_connections_and_open_ones_stay(folder: Folder) -> None:
    protection = folder.write(tls={})
    client = trusting(folder.authority)

    async def go() -> None:
        async with serving(protection=protection) as listener:
            reader, writer = await asyncio.open_connection(LOOPBACK, listener.port, ssl=client)
            before = await ask(listener.port, tls=client)
            assert looked(protection) == []
            server_files(folder.authority, folder.path)
            assert looked(protection) == CHANGED
            after = await ask(listener.port, tls=client)
            assert after.certificate != before.certificate
            writer.write(b"GET /-/ready HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.close()

    asyncio.run(go())


def test_every_setting_follows_the_file(folder: Folder) -> None:
    protection = folder.write(tls={})
    clients = CA()

    async def go() -> None:
        async with serving(protection=protection) as listener:
            client = trusting(folder.authority)
            assert (await ask(listener.port, tls=client)).version == "TLSv1.3"
            with_client_ca(
                folder,
                clients,
                client_auth_type="RequireAndVerifyClientCert",
                max_version="TLS12",
            )
            assert looked(protection) == CHANGED
            with pytest.raises(REFUSED):
                await ask(listener.port, tls=client)
            known = trusting(folder.authority, clients.issue_cert("prometheus.example"))
            assert (await ask(listener.port, tls=known)).version == "TLSv1.2"

    asyncio.run(go())


def test_users_and_headers_follow_the_file(folder: Folder) -> None:
    protection = folder.write()

    async def go() -> None:
        async with serving(protection=protection) as listener:
            assert (await ask(listener.port)).status == 200
            headers = {"X-Frame-Options": "deny"}
            folder.write(basic_auth_users=USERS, http_server_config={"headers": headers})
            assert looked(protection) == CHANGED
            refused = await ask(listener.port)
            assert refused.status == 401
            assert "X-Frame-Options: deny" in refused.head
            assert (await ask(listener.port, more=AUTHORIZATION)).status == 200

    asyncio.run(go())


def test_a_broken_file_changes_nothing_and_is_told_once(folder: Folder) -> None:
    protection = folder.write(basic_auth_users=USERS)
    good = folder.file.read_text(encoding="utf-8")
    folder.file.write_text("basic_auth_user: {}", encoding="utf-8")
    (said,) = looked(protection)
    assert said.startswith(f"error: {folder.file}:1: basic_auth_user: unknown key")
    assert looked(protection) == []
    assert asyncio.run(protection.admits("")) is False
    folder.file.unlink()
    (said,) = looked(protection)
    assert said == f"error: {folder.file}: cannot be read: No such file or directory"
    folder.file.write_text(good, encoding="utf-8")
    assert looked(protection) == []
    folder.file.unlink()
    assert len(looked(protection)) == 1
    protection.close()


def test_a_key_that_comes_after_its_certificate_is_waited_for(folder: Folder) -> None:
    protection = folder.write(tls={})
    new = written(folder.authority.issue_cert(LOOPBACK), folder.path, "new")
    new.cert.replace(folder.path / "server.crt")
    (said,) = looked(protection)
    assert said.endswith("key_file: the key is not that of the certificate")
    new.key.replace(folder.path / "server.key")
    assert looked(protection) == CHANGED
    protection.close()


def test_tls_is_turned_on_and_off_by_a_restart_only(folder: Folder) -> None:
    protection = folder.write()
    folder.write(tls={}).close()
    (said,) = looked(protection)
    assert (
        said == f"error: {folder.file}: tls_server_config: TLS can be turned on only by a restart"
    )
    protection.close()


def test_the_files_are_looked_at_when_it_is_asked_for(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finops_exporter.web.protection.LOOK_SECONDS", 3600.0)
    protection = folder.write()

    async def go() -> None:
        done = asyncio.Event()
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(protection, "look", lambda: loop.call_soon_threadsafe(done.set))
        async with serving(protection=protection):
            protection.look_now()
            await done.wait()

    asyncio.run(go())


def test_without_a_file_nothing_is_protected() -> None:
    protection = Protection(None, {})
    assert protection.ssl_context is None
    assert protection.is_reloadable is False
    assert looked(protection) == []
    assert asyncio.run(protection.admits("")) is True
    protection.close()
