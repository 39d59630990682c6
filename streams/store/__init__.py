"""The store: one SQL truth on SQLite or PostgreSQL, its schema, its migrations, the judge queue and the outbox in it.

In: statements of those above, in transactions. Out: rows. It knows no fact, no rule and no Kafka; the words of the
queue (kinds, things, priorities) are encoded and decoded here alone.
"""
