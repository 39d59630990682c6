"""The address of a store, and what most commands ask of it.

SQLAlchemy reads addresses, and takes longer to import than most commands to answer: of a plain file of SQLite one knows
without it.
"""

import re
from pathlib import Path
from typing import Final, NamedTuple

# Where Kafka is looked for that no setting names: where `circulation kafka start` has it.
KAFKA_HERE: Final = "127.0.0.1:9092"

# A file in whose name nothing is quoted, and nothing would be.
_PLAIN: Final = re.compile(r"sqlite:///([A-Za-z0-9_.~ +/-]+)")


def silent(bootstrap: str, why: object = "") -> str:
    """What is said of a Kafka that does not answer, with what to do where it may be that nobody started one."""
    return f"Kafka at {bootstrap} does not answer{f': {why}' if why else ''}{start_one(bootstrap)}"


def start_one(bootstrap: str) -> str:
    """How to start the Kafka that does not answer, in brackets behind a blank; empty where it is not one of here."""
    is_local = bootstrap in (KAFKA_HERE, KAFKA_HERE.replace("127.0.0.1", "localhost"))
    return " (circulation kafka start starts one here)" if is_local else ""


class Address(NamedTuple):
    """What an address says: the driver, the database (None where it names none), and itself without the password."""

    drivername: str
    database: str | None
    shown: str

    @property
    def postgres(self) -> bool:
        """Whether it is of PostgreSQL."""
        return self.drivername.partition("+")[0] == "postgresql"

    @property
    def file(self) -> Path | None:
        """The file of SQLite, whether it is there or not; None for any other database."""
        return Path(str(self.database)) if self.drivername.partition("+")[0] == "sqlite" else None


def address(url: str) -> Address:
    """What an address says. Raises `ValueError` where it is none."""
    if (plain := _PLAIN.fullmatch(url)) is not None:
        return Address("sqlite", plain[1], url)
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        read = make_url(url)
    except ArgumentError as error:
        raise ValueError(str(error)) from error
    return Address(read.drivername, read.database, read.render_as_string(hide_password=True))
