"""TLS by Python's ssl: the context of a web configuration, and one that follows its changes."""

from __future__ import annotations

import ssl
from ipaddress import ip_address
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING, Any

from finops_exporter.web.web_config import CIPHERS, CURVES

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence
    from pathlib import Path

    from finops_exporter.web.web_config import TlsServer, WebFile

VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
CLIENT_AUTH = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}


class FollowingContext(ssl.SSLContext):
    """Every new handshake uses `current`, whatever it is then; open connections keep theirs."""

    current: ssl.SSLContext

    def wrap_bio(self, *args: Any, **options: Any) -> ssl.SSLObject:
        """Begin a handshake, as asyncio does it for each connection."""
        return self.current.wrap_bio(*args, **options)


def following(current: ssl.SSLContext) -> FollowingContext:
    """A context for a listener, whose `current` can be replaced."""
    context = FollowingContext(ssl.PROTOCOL_TLS_SERVER)
    context.current = current
    return context


def server_context(file: WebFile, tls: TlsServer) -> ssl.SSLContext:
    """What the section asks for; reads certificates and keys.

    Raises ConfigError that names the key where one of them cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[tls.min_version]
    context.maximum_version = VERSIONS[tls.max_version]
    context.set_alpn_protocols(["http/1.1"])
    if tls.prefer_server_cipher_suites:
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    else:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    _choose_ciphers(context, file, tls)
    for curve in tls.curve_preferences:
        context.set_ecdh_curve(CURVES[curve])
    _show_certificate(context, file, tls)
    _check_clients(context, file, tls)
    return context


def is_allowed(transport: asyncio.Transport, sans: Sequence[str]) -> bool:
    """Whether the client's certificate has one of these names (all are welcome if there is none).

    Names are DNS names, e-mail addresses, IP addresses and URIs, compared exactly.
    """
    if not sans:
        return True
    certificate = transport.get_extra_info("peercert") or {}
    shown = {_san(kind, name) for kind, name in certificate.get("subjectAltName", ())}
    return not shown.isdisjoint(sans)


def _san(kind: str, name: str) -> str:
    return str(ip_address(name.strip())) if kind == "IP Address" else name


def _choose_ciphers(context: ssl.SSLContext, file: WebFile, tls: TlsServer) -> None:
    wanted = [CIPHERS[name] for name in tls.cipher_suites]
    if not wanted:
        return
    try:
        context.set_ciphers(":".join(wanted))
    except ssl.SSLError:
        raise file.tls_error("cipher_suites", "OpenSSL has none of them here") from None
    offered = {cipher["name"] for cipher in context.get_ciphers()}
    missing = [name for name in tls.cipher_suites if CIPHERS[name] not in offered]
    if missing:
        raise file.tls_error("cipher_suites", f"OpenSSL has no {', '.join(missing)} here")


def _show_certificate(context: ssl.SSLContext, file: WebFile, tls: TlsServer) -> None:
    certificate = _pem(file, "cert_file", tls.cert_file)
    key = _pem(file, "key_file", tls.key_file)
    told = "key" if key is None else "key_file"
    with NamedTemporaryFile() as own_certificate, NamedTemporaryFile() as own_key:
        # OpenSSL reads files only. These are ours alone, and gone in a moment.
        if tls.cert is not None:
            own_certificate.write(tls.cert.encode())
            own_certificate.flush()
        if tls.key is not None:
            own_key.write(tls.key.get_secret_value().encode())
            own_key.flush()
        try:
            context.load_cert_chain(
                certificate or own_certificate.name, key or own_key.name, password=_no_password
            )
        except _EncryptedError:
            text = "the key is encrypted, and nobody could type its password; give a plain one"
            raise file.tls_error(told, text) from None
        except ssl.SSLError as error:
            if error.reason == "KEY_VALUES_MISMATCH":
                raise file.tls_error(told, "the key is not that of the certificate") from None
            reason = f" ({error.reason})" if error.reason else ""
            text = f"not a certificate and its key in PEM form{reason}"
            raise file.tls_error(told.replace("key", "cert"), text) from None


def _check_clients(context: ssl.SSLContext, file: WebFile, tls: TlsServer) -> None:
    context.verify_mode = CLIENT_AUTH[tls.client_auth_type]
    if tls.client_auth_type == "NoClientCert":
        return
    # An intermediate CA that is named here is trusted itself, as it is by other exporters.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    path = _pem(file, "client_ca_file", tls.client_ca_file)
    try:
        context.load_verify_locations(cafile=path, cadata=tls.client_ca)
    except (ssl.SSLError, ValueError):
        key = "client_ca_file" if path else "client_ca"
        raise file.tls_error(key, "not certificates in PEM form") from None


def _pem(file: WebFile, key: str, path: Path | None) -> Path | None:
    """The file of a key of the section, if there is one; it must be readable."""
    if path is None:
        return None
    found = file.resolve(path)
    try:
        with found.open("rb"):
            return found
    except OSError as error:
        raise file.tls_error(key, f"{found} cannot be read: {error.strerror}") from None


class _EncryptedError(Exception):
    """OpenSSL asks for a password."""


def _no_password() -> str:
    raise _EncryptedError
