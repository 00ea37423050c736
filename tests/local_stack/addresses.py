"""The ports of the demo: what listens on each, and whether each is free."""

from __future__ import annotations

import errno
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Listener:
    """A port of 127.0.0.1, whose it is, and the variable that chooses another."""

    name: str
    port: int
    variable: str

    @property
    def address(self) -> str:
        """As host:port."""
        return f"{HOST}:{self.port}"

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://{self.address}"


def trouble(listeners: Iterable[Listener]) -> str:
    """Why these ports cannot be used, with the remedy; empty if they can."""
    taken: dict[int, str] = {}
    for one in listeners:
        if one.port in taken:
            return (
                f"{one.name} and {taken[one.port]} cannot both have port {one.port}; {remedy(one)}"
            )
        taken[one.port] = one.name
        if reason := _reason(one.port):
            return f"{one.address}, where {one.name} would listen, {reason}; {remedy(one)}"
    return ""


def remedy(one: Listener) -> str:
    """How to choose another port."""
    return f"choose another port, for example: make run {one.variable}={one.port % 60_000 + 1000}"


def _reason(port: int) -> str:
    with socket.socket() as tried:
        # As the servers do, so that what has just ended is not in the way.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((HOST, port))
            tried.listen()
        except OSError as error:
            in_use = error.errno == errno.EADDRINUSE
            return "is in use" if in_use else f"cannot be used ({error.strerror})"
    return ""
