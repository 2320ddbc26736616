"""The log formats that metrics are read from, one module a format.

`parser` has the Protocol and the parser that every format shares, `detection` finds the format of a log, `own` is the format of
`metrics.jsonl`, and `custom` makes a format of a user's regex.
"""
