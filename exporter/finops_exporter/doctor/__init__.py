"""`finops-exporter doctor`: what is wrong with an installation, and what to do about it.

`findings` what a check says · `installation` and `bookkeeping` the judgements, pure ·
`examination` the checks in their order against a database.
"""
