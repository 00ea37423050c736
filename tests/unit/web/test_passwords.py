from __future__ import annotations

import asyncio
import threading
from base64 import b64encode
from contextlib import closing
from typing import TYPE_CHECKING

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from finops_exporter.web import passwords
from finops_exporter.web.passwords import Passwords, credentials

if TYPE_CHECKING:
    from collections.abc import Mapping


def hashed(password: bytes) -> SecretStr:
    return SecretStr(bcrypt.hashpw(password, bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"))


def basic(user: str, password: bytes) -> str:
    return "Basic " + b64encode(user.encode() + b":" + password).decode()


PASSWORD = "right: päss".encode()
USERS = {"prometheus": hashed(PASSWORD), "empty": hashed(b"")}
RIGHT = basic("prometheus", PASSWORD)


def judged(*headers: str, users: Mapping[str, SecretStr] = USERS) -> list[bool]:
    """What becomes of the headers, one after the other."""

    async def go() -> list[bool]:
        with closing(Passwords()) as checked:
            return [await checked.are_right(users, header) for header in headers]

    return asyncio.run(go())


def test_the_right_password_is_right_again_and_again() -> None:
    assert judged(RIGHT, RIGHT, RIGHT) == [True, True, True]
    assert judged(RIGHT.replace("Basic", "bASIC"), basic("empty", b"")) == [True, True]


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        "Basic !",
        "Bearer " + RIGHT.split()[1],
        RIGHT + "=",
        RIGHT[:-2],
        basic("prometheus", b"wrong"),
        basic("prometheus", b""),
        basic("Prometheus", PASSWORD),
        basic("nobody", PASSWORD),
        basic("", b""),
        "Basic " + b64encode(b"prometheus").decode(),
        "Basic " + b64encode(b"\xff\xfe:x").decode(),
        basic("prometheus", PASSWORD + b"\0"),
        basic("prometheus", b"x" * 5000),
    ],
)
def test_what_is_not_right_is_refused_before_and_after_what_is(header: str) -> None:
    assert judged(header, RIGHT, header) == [False, True, False]


def test_bcrypt_sees_72_bytes_like_the_tools_that_make_hashes() -> None:
    long = b"x" * 72
    users = {"long": hashed(long)}
    assert judged(basic("long", long + b"more"), basic("long", long[:-1]), users=users) == [
        True,
        False,
    ]


class Counting:
    """bcrypt's check that counts, and how many ran at the same time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.asked: list[tuple[bytes, bytes]] = []
        self.most = 0
        self._running = 0
        self._lock = threading.Lock()
        self._check = bcrypt.checkpw
        monkeypatch.setattr(bcrypt, "checkpw", self)

    def __call__(self, password: bytes, stored: bytes) -> bool:
        with self._lock:
            self._running += 1
            self.most = max(self.most, self._running)
            self.asked.append((password, stored))
        matches = self._check(password, stored)
        with self._lock:
            self._running -= 1
        return matches


def test_only_what_was_right_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)
    wrong = basic("prometheus", b"wrong")
    judged(wrong, RIGHT, wrong, RIGHT, RIGHT)
    assert [password for password, _ in counting.asked] == [b"wrong", PASSWORD, b"wrong"]


def test_a_user_that_does_not_exist_costs_a_check_of_a_hash_that_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    counting = Counting(monkeypatch)
    # Even the right password of the hash that stands in does not let anybody in.
    header = basic("nobody", b"same")
    users = {"one": hashed(b"same"), "two": hashed(b"same")}
    assert judged(header, header, header, users=users) == [False] * 3
    ((password, stored),) = set(counting.asked)
    assert password == b"same"
    assert stored.decode() in {one.get_secret_value() for one in users.values()}
    assert len(counting.asked) == 3


def test_a_new_hash_makes_the_old_password_wrong() -> None:
    async def go() -> list[bool]:
        with closing(Passwords()) as checked:
            before = await checked.are_right(USERS, RIGHT)
            changed = {**USERS, "prometheus": hashed(b"new")}
            return [before, await checked.are_right(changed, RIGHT)]

    assert asyncio.run(go()) == [True, False]


def test_few_are_checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counting = Counting(monkeypatch)

    async def go() -> list[bool]:
        with closing(Passwords()) as checked:
            headers = [basic("prometheus", f"wrong{number}".encode()) for number in range(20)]
            return await asyncio.gather(*(checked.are_right(USERS, one) for one in headers))

    assert not any(asyncio.run(go()))
    assert len(counting.asked) == 20
    assert counting.most <= passwords.AT_ONCE


@given(st.text().filter(lambda name: ":" not in name), st.binary(max_size=72))
def test_credentials_are_what_was_given(user: str, password: bytes) -> None:
    assert credentials(basic(user, password)) == (user, password)


@given(st.text())
def test_anything_may_stand_in_the_header(header: str) -> None:
    credentials(header)
    credentials(f"Basic {header}")
