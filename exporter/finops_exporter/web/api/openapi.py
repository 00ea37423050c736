"""Describes the routes as OpenAPI 3.1, from the same table that serves them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter

from finops_exporter.web.api import problem
from finops_exporter.web.api.problem import CONTENT_TYPE, Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from finops_exporter.web.api.route import Route

Json = dict[str, Any]

OPENAPI_PATH = "/api/openapi.json"
_MODES: tuple[Literal["validation"], Literal["serialization"]] = ("validation", "serialization")
REF = "#/components/schemas/{model}"


def document(routes: Sequence[Route[Any]], *, title: str, version: str, about: str) -> Json:
    """The whole description; `about` is Markdown."""
    schemas = _Schemas(routes)
    paths: dict[str, Json] = defaultdict(dict)
    for route in routes:
        paths[route.path][route.method.lower()] = _operation(route, schemas)
    bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "fai_<id>_<secret>"}
    return {
        "openapi": "3.1.0",
        "info": {"title": title, "version": version, "description": about},
        "paths": dict(paths),
        "components": {"schemas": schemas.definitions, "securitySchemes": {"bearer": bearer}},
    }


def kinds_of(route: Route[Any]) -> list[Kind]:
    """Every kind of problem that the route may answer, by status."""
    found = [*route.problems, problem.INTERNAL, problem.MALFORMED]
    if route.roles:
        found += [problem.UNAUTHORIZED, problem.FORBIDDEN, problem.RATE_LIMITED]
        found += [problem.UNAVAILABLE]
    if route.has_body:
        found += [problem.TOO_SLOW, problem.TOO_LARGE, problem.WRONG_TYPE]
    found += [problem.INVALID]
    return sorted(dict.fromkeys(found), key=lambda kind: kind.status)


class _Schemas:
    """The schemas of all types that the routes speak of."""

    def __init__(self, routes: Sequence[Route[Any]]) -> None:
        asked = dict.fromkeys(route.asks for route in routes)
        answered = dict.fromkeys(route.answers for route in routes)
        answered |= dict.fromkeys(kind.shape for route in routes for kind in kinds_of(route))
        wanted = [(kind, _MODES[0]) for kind in asked] + [(kind, _MODES[1]) for kind in answered]
        found, definitions = TypeAdapter.json_schemas(
            [(place, mode, TypeAdapter(kind)) for place, (kind, mode) in enumerate(wanted)],
            ref_template=REF,
        )
        self._by_type = {wanted[place][0]: schema for (place, _), schema in found.items()}
        self.definitions: Json = {
            name: _untitled(schema) for name, schema in definitions.get("$defs", {}).items()
        }

    def of(self, kind: type) -> Json:
        """Where the schema of the type is."""
        return dict(self._by_type[kind])

    def properties(self, kind: type) -> Mapping[str, Json]:
        """What the type is made of; with `required` in those that must be given."""
        schema = self.definitions[self.of(kind)["$ref"].rpartition("/")[2]]
        required = schema.get("required", ())
        return {
            name: {**one, "required": name in required}
            for name, one in schema.get("properties", {}).items()
        }


def _untitled(schema: Any) -> Any:
    """Without the titles that pydantic makes of every name."""
    if isinstance(schema, dict):
        return {
            key: _untitled(value)
            for key, value in schema.items()
            if key != "title" or not isinstance(value, str)
        }
    return [_untitled(one) for one in schema] if isinstance(schema, list) else schema


def _operation(route: Route[Any], schemas: _Schemas) -> Json:
    found: Json = {
        "operationId": f"{route.method.lower()}_{route.path.strip('/').replace('/', '_')}".replace(
            "{", ""
        )
        .replace("}", "")
        .replace("-", "_"),
        "summary": route.summary,
        "description": _description(route),
    }
    if route.roles:
        found["security"] = [{"bearer": []}]
    if route.has_body:
        content: Json = {"schema": schemas.of(route.asks)}
        if route.example is not None:
            content["example"] = dict(route.example)
        found["requestBody"] = {"required": True, "content": {"application/json": content}}
    else:
        found["parameters"] = [
            _parameter(name, schema, in_path=name in route.path_parameters)
            for name, schema in schemas.properties(route.asks).items()
        ]
    found["responses"] = {"200": _answer(route, schemas), **_problems(kinds_of(route), schemas)}
    return found


def _description(route: Route[Any]) -> str:
    roles = " or ".join(sorted(route.roles)) or "none: anybody may ask"
    return f"{route.description}\n\nRole of the token: {roles}.".strip()


def _parameter(name: str, schema: Json, *, in_path: bool) -> Json:
    described = {key: value for key, value in schema.items() if key != "required"}
    return {
        "name": name,
        "in": "path" if in_path else "query",
        "required": in_path or schema["required"],
        "schema": described,
    }


def _answer(route: Route[Any], schemas: _Schemas) -> Json:
    content: Json = {"schema": schemas.of(route.answers)}
    if route.example_answer is not None:
        content["example"] = dict(route.example_answer)
    found: Json = {"description": "Done", "content": {"application/json": content}}
    if route.headers:
        found["headers"] = {
            name: {"description": meaning, "schema": {"type": "string"}}
            for name, meaning in route.headers.items()
        }
    return found


def _problems(kinds: Iterable[Kind], schemas: _Schemas) -> Json:
    """By status: several kinds may share one."""
    by_status: dict[int, list[Kind]] = defaultdict(list)
    for kind in kinds:
        by_status[kind.status].append(kind)
    return {str(status): _problem(several, schemas) for status, several in by_status.items()}


def _problem(kinds: Sequence[Kind], schemas: _Schemas) -> Json:
    names = dict.fromkeys(name for kind in kinds for name in kind.headers)
    found: Json = {
        "description": "; ".join(f"{kind.title} ({kind.name})" for kind in kinds),
        "content": {CONTENT_TYPE: {"schema": _any_of(kinds, schemas)}},
    }
    if names:
        found["headers"] = {name: {"schema": {"type": "string"}} for name in names}
    return found


def _any_of(kinds: Sequence[Kind], schemas: _Schemas) -> Json:
    found = [schemas.of(shape) for shape in dict.fromkeys(kind.shape for kind in kinds)]
    return found[0] if len(found) == 1 else {"anyOf": found}
