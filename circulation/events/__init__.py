"""Events: the topics, the types of events, and the shape of the data of all that comes in (contract §2).

In: an event's data as JSON gave it. Out: a struct of its type and the canonical JSON of it, or what is wrong
(`reading`). Everything that a type's data may hold is a struct in the module of its kind of entity (`parties`,
`assets`, `contracts`, `orders`); `names` has the constants, `types` the topic and the struct of each type. It knows
instants, identifiers, terms and ODRL, and no fact.
"""
