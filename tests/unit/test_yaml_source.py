"""The reader of YAML; its mistakes have their cases in tests/config, see test_config.py."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finops_exporter.errors import ConfigError
from finops_exporter.yaml_source import MAX_BYTES, Hidden, Whole, key_text, parse, read


def value_of(text: str) -> object:
    return parse(f"key: {text}", name="x.yaml", folder=Path(), env={"SET": "a"}).value["key"]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("''", ""),
        ("true", True),
        ("False", False),
        ("yes", "yes"),
        ("NO", "NO"),
        ("1:30", "1:30"),
        ("2026-01-31", "2026-01-31"),
        ("010", 10),
        ("-5", -5),
        ("1_000", "1_000"),
        ("0x10", "0x10"),
        ("'10'", "10"),
        ("0.10", Decimal("0.10")),
        ("1e3", "1e3"),
        ("1.", "1."),
        (".inf", ".inf"),
        ("!!str 5", "5"),
        ("[1, [a]]", [1, ["a"]]),
        ("!env SET", "a"),
        ("!env UNSET:b:c", "b:c"),
        ("!env 'UNSET:'", ""),
    ],
)
def test_plain_text_becomes(text: str, value: object) -> None:
    found = value_of(text)
    assert found == value
    assert isinstance(found, type(value))
    assert not isinstance(found, float)


@given(st.from_regex(r"[-+]?[0-9]{1,30}", fullmatch=True))
def test_a_whole_number_keeps_its_text(text: str) -> None:
    found = value_of(text)
    assert isinstance(found, Whole)
    assert (found, found.text) == (int(text), text)


@given(st.from_regex(r"[-+]?[0-9]{1,30}\.[0-9]{1,30}", fullmatch=True))
def test_a_fraction_is_exact(text: str) -> None:
    assert str(value_of(text)) == str(Decimal(text))


def test_what_is_hidden_says_only_where_it_is_from() -> None:
    assert repr(value_of("[!env SET]")) == "[<!env SET>]"
    assert isinstance(value_of("!env SET"), Hidden)


def test_every_key_knows_its_line() -> None:
    text = "a:\n  - b: 1\n\n  - c:\n      - x\n      - y\n"
    document = parse(text, name="x.yaml", folder=Path(), env={})
    lines = {key_text(path): line for path, line in document.lines.items()}
    assert lines == {
        "": 1,
        "a": 1,
        "a[0]": 2,
        "a[0].b": 2,
        "a[1]": 4,
        "a[1].c": 4,
        "a[1].c[0]": 5,
        "a[1].c[1]": 6,
    }
    assert document.line(("a", 1, "c", 5, "no such key")) == 4


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "config.yaml"
    with pytest.raises(ConfigError) as caught:
        read(missing, {})
    assert str(caught.value) == f"{missing}: cannot be read: No such file or directory"
    missing.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ConfigError, match="is larger than 4 MiB"):
        read(missing, {})
    missing.write_text("[" * 5000)
    with pytest.raises(ConfigError, match="nested deeper than 50 levels"):
        read(missing, {})


WORDS = st.sampled_from(
    [*"abc\n\t :-,[]{}#&*!|>'\"%@`?~0", "\n  ", "- ", "!env ", "&a ", "*a", "server", "1.5"]
)


@given(st.lists(WORDS, max_size=30).map("".join))
def test_any_text_is_a_document_or_a_clear_error(text: str) -> None:
    try:
        found = parse(text, name="x.yaml", folder=Path(), env={})
    except ConfigError as error:
        assert str(error).startswith("x.yaml:")  # noqa: PT017 - either outcome is fine
    else:
        assert isinstance(found.value, dict)
