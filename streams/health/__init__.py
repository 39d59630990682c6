"""Say how a worker is: clocks, members, readiness.

In: what the worker measured. Out: the answers of `/ready` and `/health`, the clock that deadlines go by, and what the
store says of all workers. It decides when something is not watched; it reads nothing from Kafka itself.
"""
