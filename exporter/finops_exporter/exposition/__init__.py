"""From stored values to bytes: `catalogue` names, `snapshot` reads, `render` writes and swaps."""
