"""OpenLineage: what its three kinds of events say, and what is derived from what by them (contract §2a).

In: JSON of an event. Out: what a monitor keeps of it (`parsing`, `facets`, with names in one form, `names`); and of the
kept events of a run what it derives, from when on (`runs`). Pure: no store, no clock.
"""
