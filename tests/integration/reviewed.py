"""Messages as files that were reviewed by eye; FINOPS_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import yaml

from doubles.mailbox import Mail
from shared import ROOT

if TYPE_CHECKING:
    from doubles.pagerduty import Event
    from doubles.slack import SlackMessage

GOLDEN = ROOT / "tests" / "golden" / "notifications"


def reviewed(name: str, *messages: Mail | SlackMessage | Event) -> None:
    """Compare messages with the file of this name."""
    file = GOLDEN / f"{name}.txt"
    told = "\n".join(map(_shown, messages))
    if os.environ.get("FINOPS_UPDATE_GOLDEN"):
        file.parent.mkdir(exist_ok=True)
        file.write_text(told, encoding="utf-8")
    assert told == file.read_text(encoding="utf-8"), "review, then FINOPS_UPDATE_GOLDEN=1"


def _shown(message: Mail | SlackMessage | Event) -> str:
    if isinstance(message, Mail):
        head = {"mail": ", ".join(message.to), "from": message.sender, "subject": message.subject}
        return f"{_block(head)}\n{message.text}\n--- html\n{message.html}"
    fields = message.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    fields.pop("dedup_key", None)  # of Alertmanager's making; equal or not is tested
    if "payload" in fields:  # Alertmanager 0.30 and later send a number as one, and "" as null
        details = fields["payload"]["custom_details"].items()
        fields["payload"]["custom_details"] = {
            name: "" if one is None else str(one) for name, one in details
        }
    if "attachments" in fields:
        (attachment,) = fields.pop("attachments")
        text = attachment.pop("text")
        return f"{_block({'slack': fields | attachment})}\n{text}"
    return _block({"pagerduty": fields})


def _block(fields: dict[str, Any]) -> str:
    text = yaml.dump(fields, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return f"=== {text}"


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""


_Dumper.add_representer(
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style="|" if "\n" in text else None
    ),
)
