"""Answer people's questions from the store: traces, impact, parties, findings, coverage of the law.

In: a transaction that reads, and what was asked for. Out: documents as contract §5 has them, and drawings of them; the
command line prints them. It writes nothing and knows nothing of Kafka, workers or judging.
"""
