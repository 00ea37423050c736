"""FOCUS 1.0-1.2 files: `collector` speaks with the kernel, `reader` is its child process.

The collector works with `listing` (which files there are).
The reader works with `files` (what a file holds), `delimited` (CSV without DuckDB), `views` (rows
as SQL sees them), `statements` (what is asked of them) and `columns` (FOCUS itself).
"""
