"""Certificates of authorities that exist in the tests alone."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING

from unit.web.support import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

    from trustme import CA, LeafCert


@dataclass(frozen=True)
class Files:
    """A certificate and its key as files."""

    cert: Path
    key: Path


def written(leaf: LeafCert, folder: Path, name: str) -> Files:
    """Write (over) the files of a certificate."""
    files = Files(folder / f"{name}.crt", folder / f"{name}.key")
    files.cert.write_bytes(b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    files.key.write_bytes(leaf.private_key_pem.bytes())
    return files


def server_files(authority: CA, folder: Path) -> Files:
    """A new certificate for this machine."""
    return written(authority.issue_cert(LOOPBACK), folder, "server")


def trusting(authority: CA, client: LeafCert | None = None) -> ssl.SSLContext:
    """A client's context that trusts the authority, and shows a certificate if it has one."""
    context = ssl.create_default_context()
    authority.configure_trust(context)
    if client is not None:
        client.configure_cert(context)
    return context
