"""The same engine on files: replay, backtest, shadow, the archive of the topics, backups of the store.

In: files, folders, stores of their own. Out: the findings a live worker would have, Parquet, folders. Nothing that runs
in a worker imports it.
"""
