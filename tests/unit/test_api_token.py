from __future__ import annotations

import hashlib
import re

from finops_exporter.api_token import digest_of, issue, split
from unit.web.api.toy import toy_token


def test_a_new_token_is_read_again_and_never_the_same() -> None:
    one, other = issue(), issue()
    assert re.fullmatch("fai_[0-9a-f]{12}_[0-9a-f]{64}", one.text)
    found = split(one.text)
    assert found
    identity, secret = found
    assert identity == one.id
    assert one.digest == digest_of(secret) == hashlib.sha256(secret.encode()).digest()
    assert {one.id, one.text, one.digest}.isdisjoint({other.id, other.text, other.digest})


def test_what_is_no_token_is_none() -> None:
    text = issue().text
    for wrong in ("", "fai", text[:-1], f"{text}0", text.upper(), f" {text}", f"{text}\n", "é"):
        assert split(wrong) is None


def test_a_token_without_tenants_is_for_all() -> None:
    assert toy_token("1", "service").may_see("acme")
    bound = toy_token("1", "service", "acme", "umbrel")
    assert [bound.may_see(name) for name in ("acme", "umbrel", "Acme", "")] == [
        True,
        True,
        False,
        False,
    ]


def test_the_secret_is_not_in_what_is_printed() -> None:
    assert "digest" not in repr(toy_token("1", "service"))
