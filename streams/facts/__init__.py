"""Read facts from the store in bulk, for whoever takes in, judges or answers.

In: a transaction, and the ids or kinds that are needed. Out: facts, acts, rule packs, sums as they stood, as the pure
types of `circulation`. It knows the store and the words; it does not know who asks, and decides nothing.
"""
