"""Kinds of acts whose growth `benchmarks/growth.py` measures, a module for each thing that they are acts of.

Each module lists them in `KINDS`, in the order of the report. They are events, and know nothing of a store.
"""
