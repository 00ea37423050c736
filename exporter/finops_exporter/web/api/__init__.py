"""A small HTTP API made from a table of typed routes: what is served comes in as such a table."""
