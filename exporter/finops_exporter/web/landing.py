"""The landing page: where the other pages are, and how providers and sources stand."""

from __future__ import annotations

import html
from dataclasses import astuple
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from finops_exporter.web.views import ProviderLine, SourceLine, Views


def landing_page(views: Views, *, telemetry_path: str, show_version: bool) -> str:
    """The page as HTML; whatever comes from outside is escaped."""
    reasons = [f"Not ready: {reason}" for reason in views.not_ready()] or [views.problem()]
    state = "".join(
        f"<p><strong>{html.escape(reason)}</strong></p>" for reason in reasons if reason
    )
    return _PAGE.format(
        version=html.escape(f" {views.version}") if show_version else "",
        telemetry_path=html.escape(telemetry_path),
        state=state or "<p>Ready.</p>",
        providers=_table(
            ("provider", "current month", "newest complete day (UTC)", "ended"), views.providers()
        ),
        sources=_table(
            ("source", "newest run", "started (UTC)", "last stored (UTC)", "error"), views.sources()
        ),
    )


def _table(head: Sequence[str], lines: Sequence[ProviderLine | SourceLine]) -> str:
    if not lines:
        return "<p>Nothing is stored yet.</p>"
    rows = [head, *(astuple(line) for line in lines)]
    cells = ["".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in cells) + "</table>"


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>finops-exporter</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 3rem auto; }}
table {{ border-collapse: collapse; }}
tr:first-child {{ font-weight: bold; }}
td {{ vertical-align: top; padding: .25rem 1.5rem .25rem 0; border-bottom: 1px solid #8884; }}
</style>
</head>
<body>
<h1>finops-exporter{version}</h1>
<p>
<a href="{telemetry_path}">Metrics</a> ·
<a href="/-/healthy">Healthy</a> ·
<a href="/-/ready">Ready</a>
</p>
{state}
<h2>Billing data</h2>
{providers}
<h2>Sources</h2>
{sources}
</body>
</html>
"""
