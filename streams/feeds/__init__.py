"""Partitions and positions: where each is read, to which one a key belongs, and what becomes of lost records.

In: what Kafka has (`streams.wire`), and what the store has read. Out: whether a partition may be read on, its findings
(`feed-lost`, `misplaced-key`), records that are sent on to their home, and the steps of growing or resuming a topic.
"""
