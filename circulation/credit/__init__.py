"""Credit: the score of a party, its statement, and which records are public (contract §5).

In: the parameters of a pack (`settings`), events and standing findings. Out: a statement with all that made it
(`statement`), as much of it as may be sent (`sending`), and the records that were public at an instant (`public`). It
knows events and no store: what is kept of credit, line by line, is for `streams.judging.credit_lines`.
"""
