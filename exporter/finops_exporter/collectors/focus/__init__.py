"""FOCUS 1.0-1.2 files: `collector` speaks with the kernel, `reader` is its child process.

The collector works with `options` (what is configured), `listing` (which local files there are),
`deliveries` (which objects of stores there are) and `answers` (what the reader says). Deliveries
come from `patterns` and `manifests` (which objects belong together), and from `objects` (the seam
to stores), of which `s3` is one.
The reader works with `files` (what a file holds), `delimited` (CSV without DuckDB), `views` (rows
as SQL sees them), `statements` (what is asked of them) and `columns` (FOCUS itself).
"""
