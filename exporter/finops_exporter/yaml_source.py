"""Reads a YAML file into plain values; knows the line of every key, and what must stay hidden.

The dialect is YAML 1.2's core: `NO`, `on`, dates and `1:30` are text, `010` is ten. A whole number
keeps the text it was written with, a fraction becomes a Decimal, and two tags fetch values from
elsewhere: `!env NAME`, `!env NAME:fallback` and `!file PATH`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping  # noqa: TC003 - pydantic reads Document's annotations
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Self, TypeAlias

import yaml

from finops_exporter.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where a value stands: ("collectors", 0, "paths") is collectors[0].paths."""

_CREDENTIALS = re.compile(r"(?<=://)\S*@")

MAX_BYTES = 4 * 1024 * 1024
MAX_VALUES = 200_000
MAX_DEPTH = 50

UNREADABLE = object()
"""Stands for a value that could not be had; its problem is already noted."""


class Hidden(str):  # noqa: SLOT000 - a str of variable size has no place for slots
    """Text that came from `!env` or `!file`; its repr says from where, never what."""

    origin: str

    def __new__(cls, text: str, origin: str) -> Self:
        """Keep `text`, to be called "the value of `origin`" in messages."""
        hidden = super().__new__(cls, text)
        hidden.origin = origin
        return hidden

    def __repr__(self) -> str:
        return f"<{self.origin}>"


class Whole(int):
    """A whole number that remembers how it was written: an account 0042 is not 42."""

    text: str

    def __new__(cls, text: str) -> Self:
        """Read decimal digits with an optional sign."""
        number = super().__new__(cls, text)
        number.text = text
        return number


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong at `path`, said in a sentence that holds no secret."""

    path: KeyPath
    text: str


@dataclass(frozen=True, slots=True)
class Document:
    """The content of one file: values, the line (from 1) of each, what is wrong, what is hidden."""

    name: str
    value: Mapping[str, object] = field(default_factory=dict, repr=False)
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    hidden: frozenset[str] = field(default=frozenset(), repr=False)

    def line(self, path: KeyPath) -> int | None:
        """The line of `path`, or of the nearest part of the file around it."""
        inner = (path[:end] for end in range(len(path), -1, -1))
        return next((self.lines[part] for part in inner if part in self.lines), None)

    def error(self, problems: Iterable[Problem]) -> ConfigError:
        """All problems in the order of the file, one a line: file, line, key and sentence."""
        ordered = sorted(problems, key=lambda problem: self.line(problem.path) or 0)
        return ConfigError("\n".join(self._sentence(problem) for problem in ordered))

    def _sentence(self, problem: Problem) -> str:
        line = self.line(problem.path)
        place = self.name if line is None else f"{self.name}:{line}"
        text = f"{key_text(problem.path)}: {problem.text}" if problem.path else problem.text
        # A URL may stand where none belongs; its user and password must not reach a log.
        return f"{place}: {_CREDENTIALS.sub('***@', text)}"


def key_text(path: KeyPath) -> str:
    """The path as people write it: collectors[0].paths."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{_printable(part)}" for part in path)
    return "".join(parts).removeprefix(".")


def read(path: Path, env: Mapping[str, str]) -> Document:
    """The document in the file `path`; `!file` is relative to its folder.

    Raises ConfigError where it cannot be read or is not YAML. A value that cannot be had (a
    missing variable, say) is only noted in `problems`, so that all of them are told at once.
    """
    try:
        return parse(_text(path), name=str(path), folder=path.parent, env=env)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse(text: str, *, name: str, folder: Path, env: Mapping[str, str]) -> Document:
    """The document in `text`; see `read`."""
    try:
        root = _Loader(text).get_single_node()
        reader = _Reader(folder, env)
        value = reader.value(root, ()) if root is not None else None
    except yaml.MarkedYAMLError as error:
        raise ConfigError(f"{name}:{_syntax(error)}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise ConfigError(f"{name}:{line}: holds a character that YAML forbids") from None
    except RecursionError:
        raise ConfigError(f"{name}: nested deeper than {MAX_DEPTH} levels") from None
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    if value is None:
        value = {}
    if not isinstance(value, dict):
        raise ConfigError(f"{name}:{reader.lines[()]}: must be a mapping of keys to values")
    return Document(name, value, reader.lines, tuple(reader.problems), frozenset(reader.hidden))


class _Loader(yaml.SafeLoader):
    """Composes nodes; the words it takes for numbers are ours."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute, typed by its stubs


_YAML = "tag:yaml.org,2002:"
_STR, _MAP, _SEQ = f"{_YAML}str", f"{_YAML}map", f"{_YAML}seq"
_PLAIN: Mapping[str, tuple[str, str, Callable[[str], object]]] = {
    # Tag: how it looks, its first characters, its value. Longer digits than these are text.
    f"{_YAML}null": (r"~|null|Null|NULL|", "~nN", lambda _: None),
    f"{_YAML}bool": (r"true|True|TRUE|false|False|FALSE", "tTfF", lambda text: text[0] in "tT"),
    f"{_YAML}int": (r"[-+]?[0-9]{1,30}", "-+0123456789", Whole),
    f"{_YAML}float": (r"[-+]?[0-9]{1,30}\.[0-9]{1,30}", "-+0123456789", Decimal),
}
for _tag, (_pattern, _first, _) in _PLAIN.items():
    _starts = [*_first, ""] if _tag.endswith("null") else list(_first)
    _Loader.add_implicit_resolver(_tag, re.compile(f"(?:{_pattern})$"), _starts)


class _Reader:
    """Turns nodes into values; keeps lines and problems on the way."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.hidden: set[str] = set()
        self._folder = folder
        self._env = env
        self._count = 0

    def value(self, node: yaml.Node, path: KeyPath) -> object:
        """The value of a node. Aliases are followed each time, so both limits bound them too."""
        self._count += 1
        if self._count > MAX_VALUES:
            raise ValueError(f"holds more than {MAX_VALUES} values (aliases counted each time)")
        if len(path) > MAX_DEPTH:
            raise RecursionError
        self.lines.setdefault(path, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode) and node.tag == _MAP:
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode) and node.tag == _SEQ:
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        return self._problem(path, _unknown_tag(node))

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, object]:
        found: dict[str, object] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or not key_node.tag.startswith(_YAML):
                self._problem(path, f"a key must be plain text (line {line})")
                continue
            key = (*path, key_node.value)
            if key_node.value in found:
                first = self.lines[key]
                self._problem(key, f"given twice, on lines {first} and {line}; remove one")
                continue
            self.lines[key] = line
            found[key_node.value] = self.value(value_node, key)
        return found

    def _scalar(self, node: yaml.ScalarNode, path: KeyPath) -> object:
        if node.tag == _STR:
            return node.value
        if node.tag in _PLAIN:
            pattern, _, convert = _PLAIN[node.tag]
            if re.fullmatch(pattern, node.value):
                return convert(node.value)
        if node.tag == "!env":
            return self._variable(node.value, path)
        if node.tag == "!file":
            return self._file(node.value, path)
        return self._problem(path, _unknown_tag(node))

    def _variable(self, text: str, path: KeyPath) -> object:
        name, colon, fallback = text.partition(":")
        found = self._env.get(name) or fallback
        if not found and not colon:
            remedy = f"set it, or give a fallback: !env {name}:fallback"
            return self._problem(path, f"environment variable {name} is not set or empty; {remedy}")
        return self._hide(found, f"!env {name}")

    def _file(self, relative: str, path: KeyPath) -> object:
        file = self._folder / relative
        try:
            text = _text(file)
        except OSError as error:
            return self._problem(path, f"file {file} cannot be read: {error.strerror}")
        except ValueError as error:
            return self._problem(path, f"file {file}: {error}")
        return self._hide(text.removesuffix("\n").removesuffix("\r"), f"!file {relative}")

    def _hide(self, text: str, origin: str) -> Hidden:
        self.hidden.add(text)
        return Hidden(text, origin)

    def _problem(self, path: KeyPath, text: str) -> object:
        self.problems.append(Problem(path, text))
        return UNREADABLE


def _text(path: Path) -> str:
    """The content of a file; raises OSError, or ValueError where it is no text of a sane size."""
    with path.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"is larger than {MAX_BYTES // 1024 // 1024} MiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"is not UTF-8 text (line {line})") from None


def _printable(key: str) -> str:
    return key if key.isprintable() else repr(key)


def _unknown_tag(node: yaml.Node) -> str:
    tag = node.tag.replace(_YAML, "!!")
    return f"{tag} does not fit here (allowed: !env NAME, !env NAME:fallback, !file PATH)"


_BEGUN = "<begun>"
_SYNTAX = {
    "'\\t'": "a tab cannot indent; use spaces",
    "mapping values are not allowed": (
        "a second ': ' in one line, or a wrong indentation; put text that holds ': ' in quotes"
    ),
    "could not find expected ':'": f"a key needs ': ' behind it{_BEGUN}, or a quote is not closed",
    "expected <block end>": (
        f"the indentation does not fit what is above{_BEGUN}, or text follows a closing quote"
    ),
    "expected ',' or": f"a bracket is not closed{_BEGUN}, or a comma is missing",
    "end of stream": f"a quote is not closed{_BEGUN}",
    "undefined alias": (
        "an alias (*name) without its anchor (&name); put text that starts with * in quotes"
    ),
    "another document": "only one YAML document is allowed; remove the '---'",
    "cannot start any token": "text that starts with this character must be put in quotes",
}


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """The line and a readable sentence for what PyYAML says; our words hold nothing of the file."""
    marks = [mark.line + 1 for mark in (error.problem_mark, error.context_mark) if mark]
    said = f"{error.problem} {error.context}"
    known = (text for fragment, text in _SYNTAX.items() if fragment in said)
    sentence = next(known, f"not valid YAML: {error.problem}")
    begun = f" (begun on line {marks[-1]})" if marks[-1:] != marks[:1] else ""
    return f"{marks[0] if marks else 1}: {sentence.replace(_BEGUN, begun)}"
