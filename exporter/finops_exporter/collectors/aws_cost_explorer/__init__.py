"""Source `aws_cost_explorer`: the costs of AWS accounts from the Cost Explorer API.

Pure: `months` says what is due, `cuts` what can be known together, `queries` how it is asked,
`answers` what an answer means, `record_types` which charge category a record type is. `pages` asks,
`reading` makes rows of some months in the cuts that are due, `accounts` knows their names, and
`collector` speaks with the kernel.
"""
