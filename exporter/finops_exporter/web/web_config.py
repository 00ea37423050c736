"""The web configuration file that exporters share: TLS, headers and users (--web.config.file).

The format is that of Prometheus' exporter-toolkit. What cannot be done here is an error that says
so: a protection that is asked for and not given would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads the annotations
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, StrictBool

from finops_exporter import yaml_source
from finops_exporter.explain import Place, validated
from finops_exporter.section import Section, Text
from finops_exporter.yaml_source import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from finops_exporter.errors import ConfigError

CIPHERS: Mapping[str, str] = {
    f"TLS_ECDHE_{kind}_WITH_{ours}": f"ECDHE-{kind}-{openssl}"
    for kind in ("ECDSA", "RSA")
    for ours, openssl in (
        ("AES_128_GCM_SHA256", "AES128-GCM-SHA256"),
        ("AES_256_GCM_SHA384", "AES256-GCM-SHA384"),
        ("CHACHA20_POLY1305_SHA256", "CHACHA20-POLY1305"),
        ("AES_128_CBC_SHA", "AES128-SHA"),
        ("AES_256_CBC_SHA", "AES256-SHA"),
    )
}
"""The suites of TLS 1.2 as the file names them, and as OpenSSL does."""

CURVES: Mapping[str, str] = {
    "CurveP256": "prime256v1",
    "CurveP384": "secp384r1",
    "CurveP521": "secp521r1",
    "X25519": "X25519",
}

HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
UNCHECKED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
ALLOWED_VALUES: Mapping[str, tuple[str, ...]] = {
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-Content-Type-Options": ("nosniff",),
}

_TLS_13_SUITE = re.compile("TLS_(?:AES|CHACHA20)_[A-Z0-9_]+")
_BCRYPT = re.compile(r"\$2[aby]\$(?:0[4-9]|1[0-8])\$[./A-Za-z0-9]{53}")


def _client_auth(value: object) -> object:
    if value in UNCHECKED:
        raise ValueError(
            f"{value} would take certificates that nobody has checked, which is not available; use "
            "RequireAndVerifyClientCert or VerifyClientCertIfGiven"
        )
    return value


def _version(value: object) -> object:
    if value in ("TLS10", "TLS11"):
        raise ValueError(f"{value} is not available any more; use TLS12 or TLS13")
    return value


def _cipher(name: str) -> str:
    if _TLS_13_SUITE.fullmatch(name):
        raise ValueError(f"{name!r} is a suite of TLS 1.3, where none can be chosen; remove it")
    if name not in CIPHERS:
        raise ValueError(f"{name!r} is not available; choose from {', '.join(sorted(CIPHERS))}")
    return name


def _one_curve(names: tuple[str, ...]) -> tuple[str, ...]:
    if len(names) > 1:
        raise ValueError("only one curve can be chosen here; name one, or none for all")
    return names


def _headers(value: object) -> object:
    """A header without a value is not sent."""
    if not isinstance(value, dict):
        return value
    return {name: text for name, text in value.items() if text not in (None, "")}


def _header_name(name: str) -> str:
    if name not in HEADERS:
        raise ValueError(
            f"{name!r} is not a header that can be set here (allowed: {', '.join(HEADERS)})"
        )
    return name


def _header(text: str) -> str:
    if not text.isprintable() or not text.isascii():
        raise ValueError("must be a line of plain ASCII text")
    return text


def _user(name: str) -> str:
    if ":" in name or not name:
        raise ValueError("a user needs a name, which cannot hold a colon")
    return name


def _hash(value: SecretStr) -> SecretStr:
    if not _BCRYPT.fullmatch(value.get_secret_value()):
        raise ValueError(
            "must be a bcrypt hash of cost 4 to 18, such as `htpasswd -nBC 10 USER` makes"
        )
    return value


Version = Annotated[Literal["TLS12", "TLS13"], BeforeValidator(_version)]


class TlsServer(Section):
    """How clients are spoken to over TLS, and what they must show; paths as in the file."""

    cert: Text | None = None
    key: SecretStr | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    client_auth_type: Annotated[
        Literal["NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert"],
        BeforeValidator(_client_auth),
    ] = "NoClientCert"
    client_ca: Text | None = None
    client_ca_file: Path | None = None
    client_allowed_sans: tuple[Text, ...] = ()
    min_version: Version = "TLS12"
    max_version: Version = "TLS13"
    cipher_suites: tuple[Annotated[str, AfterValidator(_cipher)], ...] = ()
    prefer_server_cipher_suites: StrictBool = True
    curve_preferences: Annotated[
        tuple[Literal["CurveP256", "CurveP384", "CurveP521", "X25519"], ...],
        AfterValidator(_one_curve),
    ] = ()


class HttpServer(Section):
    """What is said in every answer's headers; HTTP/2 is not spoken."""

    http2: StrictBool = False
    headers: Annotated[
        dict[Annotated[str, AfterValidator(_header_name)], Annotated[str, AfterValidator(_header)]],
        BeforeValidator(_headers),
    ] = Field(default_factory=dict)


class WebConfig(Section):
    """The whole file."""

    tls_server_config: TlsServer = TlsServer()
    http_server_config: HttpServer = HttpServer()
    basic_auth_users: dict[
        Annotated[str, AfterValidator(_user)], Annotated[SecretStr, AfterValidator(_hash)]
    ] = Field(default_factory=dict)

    @property
    def tls(self) -> TlsServer | None:
        """The section about TLS; None where nothing of it is given, and HTTP is plain."""
        return self.tls_server_config if self.tls_server_config.model_fields_set else None

    def warnings(self) -> list[str]:
        """What is allowed but hardly meant, a sentence each."""
        found = []
        if self.http_server_config.http2:
            found.append("http_server_config.http2: HTTP/2 is not available; HTTP/1.1 is spoken")
        tls = self.tls_server_config
        if tls.cipher_suites and tls.min_version == "TLS13":
            found.append("tls_server_config.cipher_suites: has no effect, TLS 1.3 has its own")
        return found


@dataclass(frozen=True, slots=True)
class WebFile:
    """A web configuration and where it stands; its paths are relative to the file's folder."""

    path: Path
    config: WebConfig
    place: Place

    def resolve(self, path: Path) -> Path:
        """A path of the file, from where we are."""
        return self.path.parent / path

    def tls_error(self, key: str, text: str) -> ConfigError:
        """The error that says `text`, a sentence without secrets, of a key about TLS."""
        return Place(self.place.document, ("tls_server_config",)).error(key, text)


def load(path: Path, env: Mapping[str, str]) -> WebFile:
    """The web configuration in the file `path`; `env` are the environment variables.

    Raises ConfigError with all problems of the file, one a line.
    """
    document = yaml_source.read(path, env)
    place = Place(document)
    config = validated(WebConfig, document.value, place, problems=document.problems)
    if problems := list(_contradictions(config)):
        raise document.error(problems)
    return WebFile(path, config, place)


def _contradictions(config: WebConfig) -> Iterator[Problem]:
    for name, allowed in ALLOWED_VALUES.items():
        given = config.http_server_config.headers.get(name)
        if given is not None and given.lower() not in allowed:
            path = ("http_server_config", "headers", name)
            yield Problem(path, f"must be {' or '.join(allowed)}, not {given!r}")
    if config.tls is not None:
        for key, text in _tls_contradictions(config.tls):
            yield Problem(("tls_server_config", key), text)


def _tls_contradictions(tls: TlsServer) -> Iterator[tuple[str, str]]:
    """Keys of the section with what is wrong about them."""
    for inline in ("cert", "key", "client_ca"):
        in_file = f"{inline}_file"
        given = [key for key in (inline, in_file) if getattr(tls, key) is not None]
        if len(given) > 1:
            yield inline, f"give either {inline} or {in_file}"
        if not given and inline != "client_ca":
            yield in_file, f"required key is missing ({in_file} or {inline})"
    has_ca = tls.client_ca is not None or tls.client_ca_file is not None
    if has_ca and tls.client_auth_type == "NoClientCert":
        yield "client_auth_type", "must be given with client_ca_file, or the CA has no effect"
    if not has_ca and tls.client_auth_type != "NoClientCert":
        yield "client_ca_file", "required key is missing: who signs the clients' certificates"
    if tls.client_allowed_sans and tls.client_auth_type != "RequireAndVerifyClientCert":
        yield "client_allowed_sans", "needs client_auth_type: RequireAndVerifyClientCert"
    if tls.min_version > tls.max_version:
        yield "min_version", f"must not be above max_version, which is {tls.max_version}"
