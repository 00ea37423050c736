"""The description of the routes as a page for people, which needs nothing from elsewhere."""

from __future__ import annotations

import html
import json
from typing import TYPE_CHECKING, Any

from finops_exporter.web.api import problem
from finops_exporter.web.api.openapi import OPENAPI_PATH

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from finops_exporter.web.api.openapi import Json
    from finops_exporter.web.api.problem import Kind
    from finops_exporter.web.api.route import Route


def docs_page(routes: Sequence[Route[Any]], described: Json) -> str:
    """The page as HTML, of the routes and what `openapi.document` made of them."""
    kinds = dict.fromkeys([kind for route in routes for kind in route.problems])
    info = described["info"]
    return _PAGE.format(
        title=html.escape(info["title"]),
        version=html.escape(info["version"]),
        about=_paragraphs(info["description"]),
        openapi=OPENAPI_PATH,
        routes="".join(_route(route, described) for route in routes),
        problems="".join(_kind(kind) for kind in [*kinds, *problem.KINDS]),
    )


def _route(route: Route[Any], described: Json) -> str:
    operation = described["paths"][route.path][route.method.lower()]
    schemas = described["components"]["schemas"]
    parts = [
        f"<h2><code>{route.method} {html.escape(route.path)}</code></h2>",
        f"<p><strong>{html.escape(route.summary)}</strong></p>",
        _paragraphs(operation["description"]),
    ]
    if route.has_body:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(_fields(_resolved(schema, schemas)))
    elif operation["parameters"]:
        parts.append(
            _fields(
                {
                    "properties": {one["name"]: one["schema"] for one in operation["parameters"]},
                    "required": [one["name"] for one in operation["parameters"] if one["required"]],
                }
            )
        )
    parts += _examples(route)
    return "".join(parts)


def _examples(route: Route[Any]) -> Iterable[str]:
    for title, example in (("Request", route.example), ("Answer", route.example_answer)):
        if example is not None:
            text = html.escape(json.dumps(dict(example), indent=2, ensure_ascii=False))
            yield f"<p>{title}</p><pre>{text}</pre>"


def _fields(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    rows = "".join(
        f"<tr><td><code>{html.escape(name)}</code></td>"
        f"<td>{html.escape(_allowed(one))}</td>"
        f"<td>{'required' if name in required else _default(one)}</td>"
        f"<td>{html.escape(one.get('description', ''))}</td></tr>"
        for name, one in schema.get("properties", {}).items()
    )
    head = "<tr><th>field</th><th>allowed</th><th></th><th>meaning</th></tr>"
    return f"<table>{head}{rows}</table>" if rows else ""


def _default(schema: Mapping[str, Any]) -> str:
    value = schema.get("default")
    return "optional" if value is None else html.escape(f"default {json.dumps(value)}")


def _allowed(schema: Mapping[str, Any]) -> str:
    """The values that a schema allows, in a few words."""
    if "anyOf" in schema:
        kinds = [_allowed(one) for one in schema["anyOf"] if one.get("type") != "null"]
        return " or ".join(kinds)
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    limits = [
        f"{word} {schema[key]}"
        for key, word in (
            ("minimum", "from"),
            ("exclusiveMinimum", "above"),
            ("maximum", "to"),
            ("minLength", "from"),
            ("maxLength", "to"),
        )
        if key in schema
    ]
    if "maxLength" in schema:
        limits.append("characters")
    return " ".join([schema.get("format") or schema.get("type", ""), *limits])


def _resolved(schema: Mapping[str, Any], schemas: Mapping[str, Any]) -> Mapping[str, Any]:
    name = schema["$ref"].rpartition("/")[2]
    found: Mapping[str, Any] = schemas[name]
    return found


def _kind(kind: Kind) -> str:
    return (
        f'<tr id="{kind.name}"><td><code>{kind.type}</code></td><td>{kind.status}</td>'
        f"<td>{html.escape(kind.title)}</td><td>{_code(kind.meaning)}</td></tr>"
    )


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_code(part)}</p>" for part in text.split("\n\n") if part)


def _code(text: str) -> str:
    """Escaped, with what stands between backticks as code."""
    pieces = html.escape(text).split("`")
    return "".join(
        f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces)
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 64rem; margin: 3rem auto; }}
table {{ border-collapse: collapse; }}
th {{ text-align: left; }}
td, th {{ vertical-align: top; padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid #8884; }}
pre {{ background: #8881; padding: .75rem; overflow: auto; }}
h2 {{ margin-top: 3rem; }}
</style>
</head>
<body>
<h1>{title} {version}</h1>
{about}
<p>The same for programs: <a href="{openapi}">{openapi}</a> (OpenAPI 3.1).</p>
{routes}
<h2>Problems</h2>
<p>What goes wrong is told as <code>application/problem+json</code> (RFC 9457), whose
<code>type</code> is one of these.</p>
<table>
<tr><th>type</th><th>status</th><th>title</th><th>what to do</th></tr>
{problems}
</table>
</body>
</html>
"""
