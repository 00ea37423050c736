"""What people want sums by, as they type it."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from finops_exporter.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence


def keys_of(text: str, allowed: Sequence[str]) -> tuple[str, ...]:
    """The keys of a list such as "tenant,day"; raises UsageError for an unknown one."""
    keys = tuple(key.strip() for key in text.split(",") if key.strip())
    for key in keys:
        if key not in allowed:
            near = difflib.get_close_matches(key, allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(f"cannot group by {key!r}{hint} (allowed: {', '.join(allowed)})")
    if len(set(keys)) != len(keys):
        raise UsageError(f"a key comes twice in {text!r}")
    return keys
