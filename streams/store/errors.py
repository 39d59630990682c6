"""The troubles of a store, told by the errors of its drivers."""

import sqlite3
import sys


class StoreAway(Exception):
    """The store does not answer, is locked, or gave up a transaction: what was begun must be begun anew."""


class StoreRefuses(StoreAway):
    """The store answers and writes nothing, whatever it is: it is read-only, we may not, its tables are not there."""


class StoreTaken(Exception):
    """This process may not have a SQLite file: another worker has it, or there is no folder for it."""


# PostgreSQL's code of a statement that took too long.
BROKEN_OFF = "57014"


def broken_off(error: BaseException) -> bool:
    """Whether a statement was broken off since it took too long."""
    if isinstance(error, sqlite3.OperationalError):
        return getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT
    return getattr(error, "sqlstate", None) == BROKEN_OFF


def away(error: BaseException | None) -> bool:
    """Whether the store did not answer, is locked, or gave up a transaction."""
    if isinstance(error, sqlite3.OperationalError):
        return True
    # A caller with an error of this driver has imported it.
    if (psycopg := sys.modules.get("psycopg")) is None:
        return False
    # 54: a limit of the program that a statement or row breaks; it answers, and no retry mends that. No id is too long
    # for an index: `streams.store.keys`.
    if isinstance(error, psycopg.OperationalError):
        return not (error.sqlstate or "").startswith("54")
    return isinstance(error, psycopg.InterfaceError)


# Where tables are to be made: we may not, or there is no schema for them.
FORBIDDEN = ("42501", "3F000")

# Of PostgreSQL's classes and codes of errors, those that have nothing to do with what is written: the transaction or
# the server only reads (25), we may not (42501), a table, column or function is not there (a migration under way, a
# database restored in part), a plan that a migration made stale (0A), a broken index (XX). Faults of a row are of other
# classes: its data (22), a constraint (23), a limit of the program (54).
_REFUSED = ("25", "42501", "42P01", "42703", "42883", "0A", "XX")


def refused(error: BaseException) -> bool:
    """Whether the store answers, and would write nothing whatever it is."""
    psycopg = sys.modules.get("psycopg")
    if psycopg is not None and isinstance(error, psycopg.Error):
        return (error.sqlstate or "").startswith(_REFUSED)
    # The file is damaged, or no database any more; what a row breaks is one of its subclasses.
    return type(error) is sqlite3.DatabaseError
