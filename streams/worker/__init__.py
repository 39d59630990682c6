"""A worker: threads around one engine, each with a room of its own, its judge process, its metrics, what it prunes.

In: settings, fetches of `streams.wire`. Out: committed transactions, relayed messages, pages and metrics. It decides
when something runs; what is done is the engine's.
"""
