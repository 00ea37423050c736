"""Source `aws_cost_explorer`: the costs of AWS accounts from the Cost Explorer API.

`months` says what is asked for again, `queries` how it is asked, `answers` what an answer means,
`record_types` which charge category a record type is; `collector` puts them together.
"""
