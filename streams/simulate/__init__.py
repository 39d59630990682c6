"""A seeded market of any size: ordinary trade of which nothing may be found, and plants of which all must be.

    ground    what plants are made of: events, findings that must be there, parties and assets of their own
    trade     the ordinary trade: houses, lineages, contracts, uses by the million
    licences  deadlines  feeds  provenance  persons  exports
    wording  self_dealing  competition  conduct                     plants, by family
    market    all of it together, line by line, in the order of arrival

What must be found is part of each plant and comes from the words of the contract. No detector is asked.
"""
