"""Packs: what one says, which is in force at an instant, and whether an entry matches an asset.

In: data as an event or a YAML file has it. Out: a `Pack`, or everything that is wrong with it (`reading`, `yaml`); the
`Packs` of all time (`in_force`); the entries that match (`matching`); what two versions differ in (`diff`). It knows
instants, identifiers and the settings of credit, and no fact and no rule: what the rules make of a pack is for
`circulation.lint` to say.
"""
