"""Facts of assets, parties and contracts, with their times: folded from the statements about each.

Facts are a function of the *set* of statements, never of the order in which they came (contract §2, "Facts have a
time"). The description of a registration is taken as first stated where an act is earlier than the first of them;
derivations, grants, gradings and terminations are not.

In: the statements of each entity, packs, derivations, sums. Out: the `Facts` of one rule (`facts`), which answers only
what the rule declared. It knows events, packs, licences and lineage, and no rule.
"""
