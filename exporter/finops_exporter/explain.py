"""Says in plain words what a pydantic model found wrong with a part of the configuration."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from types import UnionType
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, Secret, SecretBytes, SecretStr, ValidationError

from finops_exporter.yaml_source import UNREADABLE, Document, Hidden, KeyPath, Problem, Whole

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from pydantic_core import ErrorDetails

    from finops_exporter.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

_SECRET_LENGTH = 4
"""Hidden values shorter than this hide nothing, but may be part of any word."""

_NOT = "<not value>"
"""Stands in a sentence for ", not 'abc'", which a secret must not have."""

_QUOTE = "; put it in quotes"
_NUMBER, _LIST = f"must be a number{_NOT}", f"must be a list{_NOT}"
_WHOLE, _BOOL = f"must be a whole number{_NOT}", f"must be true or false{_NOT}"
_MAPPING = f"must be a mapping of keys to values{_NOT}"
_DAY = f"must be a day such as 2026-01-31{_NOT}"
SENTENCES = {
    "missing": "required key is missing",
    "string_type": f"must be text{_NOT}{_QUOTE}",
    "path_type": f"must be a path{_NOT}",
    "int_type": _WHOLE,
    "int_parsing": _WHOLE,
    "int_from_float": _WHOLE,
    "bool_type": _BOOL,
    "bool_parsing": _BOOL,
    "decimal_type": _NUMBER,
    "decimal_parsing": _NUMBER,
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": f"must be a finite number{_NOT}",
    "date_type": _DAY,
    "date_parsing": _DAY,
    "date_from_datetime_parsing": _DAY,
    "date_from_datetime_inexact": _DAY,
    "list_type": _LIST,
    "tuple_type": _LIST,
    "set_type": _LIST,
    "frozen_set_type": _LIST,
    "dict_type": _MAPPING,
    "mapping_type": _MAPPING,
    "model_type": _MAPPING,
    "model_attributes_type": _MAPPING,
    "dataclass_type": _MAPPING,
    "literal_error": f"must be {{expected}}{_NOT}",
    "enum": f"must be {{expected}}{_NOT}",
    "greater_than": f"must be greater than {{gt}}{_NOT}",
    "greater_than_equal": f"must be at least {{ge}}{_NOT}",
    "less_than": f"must be less than {{lt}}{_NOT}",
    "less_than_equal": f"must be at most {{le}}{_NOT}",
    "string_too_short": "must have {min_length} or more characters",
    "string_too_long": "must have {max_length} or fewer characters",
    "decimal_max_digits": "must have {max_digits} or fewer digits",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have {max_length} or fewer entries",
}
"""Pydantic's types of errors, each with what we say; others keep pydantic's own words."""


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a document, so that its problems can name their lines."""

    document: Document
    path: KeyPath = ()

    def error(self, key: str, text: str) -> ConfigError:
        """The error that says `text`, a sentence without secrets, of the `key` in this part."""
        return self.document.error([Problem((*self.path, key), text)])


def validated(
    model: type[M],
    raw: object,
    place: Place,
    *,
    problems: Iterable[Problem] = (),
    also: Collection[str] = (),
) -> M:
    """The model of `raw`, which stands at `place`.

    `problems` are those known before; `also` names keys that are allowed beside the model's own.
    Raises ConfigError with every problem.
    """
    told = list(problems)
    try:
        value = model.model_validate(raw)
    except ValidationError as error:
        told += _problems(error, model, place, also)
    else:
        if not told:
            return value
    # Raised out here so that no traceback leads to pydantic's error, which quotes the input.
    raise place.document.error(told)


def without_empty(model: type[BaseModel], raw: Mapping[str, object]) -> dict[str, object]:
    """`raw` without the model's keys that are written down without a value: they mean defaults."""
    known = _keys_at(model, ())
    return {key: value for key, value in raw.items() if value is not None or key not in known}


def sentence(detail: ErrorDetails) -> str:
    """What pydantic found wrong with a value that is no secret, in words that show it."""
    return _sentence(detail, Document("no document"), secret=False)


def unknown_key(key: str, allowed: Collection[str]) -> str:
    """That there is no such key; which are, and which is nearest."""
    near = get_close_matches(key, allowed, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    return f"unknown key{hint} (allowed: {', '.join(sorted(allowed)) or 'none'})"


def shown(value: object) -> str:
    """The value for a message: what is hidden and what is long is only described."""
    if isinstance(value, Hidden):
        return f"the value of {value.origin}"
    if isinstance(value, str):
        return repr(value) if len(value) <= 60 else f"{value[:60]!r}..."  # noqa: PLR2004 - one line
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Whole):
        return value.text
    kinds = {type(None): "an empty value", dict: "a mapping", list: "a list"}
    return kinds.get(type(value), str(value))


def _problems(
    error: ValidationError, model: type[BaseModel], place: Place, also: Collection[str]
) -> Iterator[Problem]:
    for detail in error.errors(include_url=False):
        if detail["input"] is UNREADABLE or detail["type"] == "default_factory_not_called":
            continue  # another problem has said it
        location = tuple(part for part in detail["loc"] if part != "[key]")
        if detail["type"] == "extra_forbidden":
            allowed = {*_keys_at(model, location[:-1]), *(also if len(location) == 1 else ())}
            text = unknown_key(str(location[-1]), allowed)
        else:
            text = _sentence(detail, place.document, secret=_is_secret(model, location))
        yield Problem(_path(place, location, missing=detail["type"] == "missing"), text)


def _path(place: Place, location: KeyPath, *, missing: bool) -> KeyPath:
    """Where the problem stands: pydantic's names of union members are no keys of the file."""
    lines = place.document.lines
    path = place.path
    for part in location:
        if not lines or (*path, part) in lines:
            path = (*path, part)
    return (*path, location[-1]) if missing and lines else path


def _sentence(detail: ErrorDetails, document: Document, *, secret: bool) -> str:
    value = detail["input"]
    template = SENTENCES.get(detail["type"], "")
    context = detail.get("ctx", {})
    text = template.format(**context) if template else _own_words(detail, document, secret=secret)
    if isinstance(value, dict | list | str):
        text = text.removesuffix(_QUOTE)
    if secret and not isinstance(value, Hidden | dict | list):
        return text.replace(_NOT, "")
    return text.replace(_NOT, f", not {shown(value)}")


def _own_words(detail: ErrorDetails, document: Document, *, secret: bool) -> str:
    """What a validator or pydantic says; a sentence "must be ..." gets the value appended.

    Such words may quote what they complain of, so everything hidden is taken out of them.
    """
    cause = detail.get("ctx", {}).get("error")
    text = str(cause or detail["msg"]).replace("Input should", "must")
    value = detail["input"]
    own = {value} if isinstance(value, Hidden) or (secret and isinstance(value, str)) else set()
    for hidden in document.hidden | own:
        if len(hidden) >= _SECRET_LENGTH:
            text = text.replace(hidden, "***")
    return f"{text}{_NOT}" if text.startswith("must ") and ", not " not in text else text


def _kinds_at(kind: Any, location: KeyPath) -> Iterator[Any]:
    """Every type that the location may have: a union has several."""
    if get_origin(kind) in (Union, UnionType, Annotated):
        for member in get_args(kind):
            yield from _kinds_at(member, location)
            if location:  # pydantic puts a union member's name into the location
                yield from _kinds_at(member, location[1:])
    elif not location:
        yield kind
    elif isinstance(kind, type) and issubclass(kind, BaseModel):
        for name, field in kind.model_fields.items():
            if location[0] in (name, field.alias):
                yield from _kinds_at(field.annotation, location[1:])
    else:
        for argument in get_args(kind):
            yield from _kinds_at(argument, location[1:])


def _keys_at(model: type[BaseModel], location: KeyPath) -> set[str]:
    """The keys that the file may have at the location."""
    return {
        field.alias or name
        for kind in _kinds_at(model, location)
        if isinstance(kind, type) and issubclass(kind, BaseModel)
        for name, field in kind.model_fields.items()
    }


def _is_secret(model: type[BaseModel], location: KeyPath) -> bool:
    """Whether the location holds a secret, or a section with one in it."""
    left, seen = list(_kinds_at(model, location)), set()
    while left:
        kind = left.pop()
        plain = get_origin(kind) or kind
        if plain in (SecretStr, SecretBytes, Secret):
            return True
        left += get_args(kind)
        if isinstance(plain, type) and issubclass(plain, BaseModel) and plain not in seen:
            seen.add(plain)
            left += [field.annotation for field in plain.model_fields.values()]
    return False
