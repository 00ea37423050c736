"""How a configuration says to get into AWS; known without AWS' library."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from finops_exporter.collectors import Options

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


def _shaped(pattern: str, words: str) -> AfterValidator:
    """Lets only texts of this pattern pass; `words` say what they must be."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"must {words}")
        return text

    return AfterValidator(check)


_Role = Annotated[
    str,
    _shaped(
        r"arn:[a-z0-9-]+:iam::[0-9]{12}:role/.+",
        "be the ARN of a role, such as arn:aws:iam::123456789012:role/billing",
    ),
]
_Session = Annotated[
    str, _shaped(r"[\w+=,.@-]{2,64}", "be 2 to 64 letters, digits, or any of _+=,.@-")
]
_Endpoint = Annotated[
    str, _shaped(r"https?://[^@]+", "start with http:// or https://, and hold no @: no password")
]


class AssumeRole(Options):
    """The role to take on, as in a profile of the AWS command line."""

    role_arn: _Role
    external_id: _Text | None = None
    session_name: _Session = "finops-exporter"


class Access(Options):
    """How to get into AWS; without any of it, as the AWS command line would."""

    region: _Text = Field(default="us-east-1", description="Whose endpoints are asked.")
    profile: _Text | None = Field(default=None, description="A profile of ~/.aws/config.")
    assume_role: AssumeRole | None = Field(default=None, description="A role to take on first.")
    endpoint_url: _Endpoint | None = Field(
        default=None, description="Another endpoint for all calls, such as a private one."
    )
