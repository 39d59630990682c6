"""Enter what rules say into the book of findings, and put on the outbox what goes out.

In: what a rule said of a scope or a thing, within a transaction. Out: findings raised, revised or cleared, their
messages, and who receives them. It knows the store and the facts, and neither intake nor judging, which both call it.
"""
