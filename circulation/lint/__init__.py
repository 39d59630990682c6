"""Says what is wrong with a pack that could take effect: what cannot be meant.

In: the data of a pack, and the rules that there are. Out: remarks, each with its place (`lint`). It knows packs and
rules; no pack and no rule knows it.
"""
