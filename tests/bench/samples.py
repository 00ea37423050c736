"""The same samples, for our renderer and for prometheus_client."""

from __future__ import annotations

from itertools import islice, product
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge

from finops_exporter.exposition.bodies import Page, blocks, page
from finops_exporter.exposition.catalogue import LIVE_METRICS, cost_metric
from finops_exporter.exposition.metric import Family
from finops_exporter.exposition.render import Rendered, Renderer

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVICES = 40
REGIONS = 5


def families(series: int) -> list[Family]:
    """`series` samples of a real family: days x accounts x regions x services.

    The keys come sorted, so that prometheus_client, which keeps the order of arrival, writes the
    same bytes.
    """
    metric, _ = cost_metric("cost_daily_usd", "aws")
    accounts = -(-series // (10 * SERVICES * REGIONS))
    keys = product(
        sorted(str(offset) for offset in range(1, 11)),
        (f"{100_000_000_000 + account}" for account in range(accounts)),
        (f"eu-central-{region}" for region in range(REGIONS)),
        (f"Amazon Service {service:02}" for service in range(SERVICES)),
    )
    # Cents to thousands, four decimals, no two alike: what an amount looks like.
    amounts = ((number * 7919 % 10_000_019) / 10_000 for number in range(series))
    return [Family(metric, dict(zip(islice(keys, series), amounts, strict=True)))]


def registry(given: Sequence[Family]) -> CollectorRegistry:
    """The families as gauges of prometheus_client, the way its users set them."""
    found = CollectorRegistry()
    for family in given:
        gauge = Gauge(family.metric.name, family.metric.help, family.metric.labels, registry=found)
        for key, number in family.samples.items():
            gauge.labels(*key).set(number)
    return found


def ready_page(given: Sequence[Family]) -> Page:
    """A page as a refresh leaves it: the snapshot's block, then what follows the clock."""
    live = Family(LIVE_METRICS["finops_database_up"], {(): 1.0})
    (above,) = Renderer().render([live])
    return page(
        blocks(Renderer().render(given)),
        above.text + above.samples,
        above.openmetrics + above.samples + b"# EOF\n",
    )


def text_of(rendered: Sequence[Rendered]) -> bytes:
    """Families in the text format."""
    return b"".join(one.text + one.samples for one in rendered)
