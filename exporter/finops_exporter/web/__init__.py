"""HTTP: what is served comes in as plain functions, so that nothing here knows costs or SQL."""
