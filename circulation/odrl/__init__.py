"""Maps ODRL agreements onto the terms of a contract.

In: a contract's data as JSON gave it, with a `policy`. Out: the `terms` that it means (`policy`), or everything that
does not map, each with its place. It knows JSON, instants and identifiers, and no event.
"""
