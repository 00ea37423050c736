"""PostgreSQL, and nothing else: the only package that knows a statement, a table or a driver.

`database` the pool · `migrate` the schema · `costs` replacing · `runs` the journal of sources ·
`reads` what the snapshot and people ask · `embedded` a server of our own for one machine.
"""
