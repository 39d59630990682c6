"""The servers of the workers, started and stopped without an administrator: a broker and a PostgreSQL.

Both keep to loopback and to one folder, remember their port, and can be killed as well as stopped, so that the
tests, the demo and a person at a laptop use the very same software that a regulator runs.
"""
