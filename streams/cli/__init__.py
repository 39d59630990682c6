"""The command line, a module for each group of commands; `main` lists them and imports each when it is called.

In: arguments and settings. Out: tables for people, JSON for programs, exit codes. It stands above everything else, and
holds no rule, no SQL of its own and nothing that a worker needs.
"""
