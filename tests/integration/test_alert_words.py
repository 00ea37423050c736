"""Amounts and names in the texts of alerts, as Alertmanager's own engine writes them."""

from __future__ import annotations

import random

import pytest

from integration.alerting import amtool
from local_stack.telling import SHIPPED

TEMPLATES = SHIPPED.parent / "templates" / "*.tmpl"


def rendered(template: str, *arguments: str, kind: str = "text") -> list[str]:
    """What the template writes for each of the arguments, one by one."""
    quoted = ['"{}"'.format(one.replace("\\", "\\\\").replace('"', '\\"')) for one in arguments]
    text = "\x1f".join(f'{{{{ template "{template}" {one} }}}}' for one in quoted)
    options = (f"--template.glob={TEMPLATES}", f"--template.type={kind}")
    done = amtool("template", "render", *options, f"--template.text={text}")
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split("\x1f")


def amounts() -> list[float]:
    """Of every size up to 10^13 dollars, and those around each separator."""
    source = random.Random(0)  # noqa: S311 - the same examples every time
    drawn = [round(source.uniform(0, 10**digits), 2) for digits in range(1, 14) for _ in range(20)]
    edges = [10.0**digits + more for digits in range(13) for more in (-0.01, 0, 0.01)]
    return [sign * amount for amount in drawn + edges for sign in (1, -1) if amount]


def test_an_amount_has_the_separators_that_python_gives_it() -> None:
    expected = [f"{amount:,.2f}" for amount in amounts()]
    written = [f"-${one[1:]}" if one.startswith("-") else f"${one}" for one in expected]
    assert rendered("finops.money", *(f"{amount:.2f}" for amount in amounts())) == written


@pytest.mark.parametrize("kind", ["text", "html"])
def test_an_amount_within_a_sentence_has_them_too_and_other_numbers_do_not(kind: str) -> None:
    given = "$1234567.89 of $10000 for 111111111111, -$1000.5; 99999 tokens, $1,000.00, $0.12345."
    told = (
        "$1,234,567.89 of $10,000 for 111111111111, -$1,000.5; 99999 tokens, $1,000.00, $0.12345."
    )
    assert rendered("finops.text", given, kind=kind) == [told]


@pytest.mark.parametrize(
    ("given", "written"),
    [("NaN", "NaN"), ("+Inf", "+Inf"), ("", ""), ("$10,000.00", "$10,000.00"), ("0.00", "$0.00")],
)
def test_what_is_no_plain_amount_stays_as_it_is(given: str, written: str) -> None:
    assert rendered("finops.money", given) == [written]


def test_slack_is_given_nothing_to_obey() -> None:
    assert rendered("finops.text", "<!channel> & <https://evil.example.com|click>") == [
        "‹!channel› & ‹https://evil.example.com|click›"  # noqa: RUF001 - meant
    ]
