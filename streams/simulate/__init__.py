"""A seeded market of any size: ordinary trade of which nothing may be found, and plants of which all must be.

    told      what a plant yields: events, and findings that must be there
    ground    what plants are made of: parties and assets of their own, and builders of their events
    trade     the ordinary trade: houses, lineages, contracts, uses by the million
    quantities  licences  deadlines  feeds  negative_list  provenance  persons  exports
    rights  wording  self_dealing  competition  conduct             plants, by family
    market    all of it together, line by line, in the order of arrival

What must be found is part of each plant and comes from the words of the contract. No detector is asked.
"""
