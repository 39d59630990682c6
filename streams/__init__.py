"""The route: from Kafka through intake into the store, to the judges, and out again. All I/O is here.

`wire` reads and sends, `intake` takes in, `judging` asks the rules, `engine` is both on one `store`; `worker` runs it
live, `offline` over files; `answers` and `cli` are for people. What each may import is in pyproject.toml.
"""
