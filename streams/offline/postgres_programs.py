"""PostgreSQL's own programs, as a backup runs them: where they are, the address they get, and what they fail with."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO, Final

from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import make_url

from deploy import postgres
from streams.offline.backup_manifest import BackupError

_VARIABLES: Final = {
    "host": "PGHOST",
    "port": "PGPORT",
    "user": "PGUSER",
    "password": "PGPASSWORD",
    "dbname": "PGDATABASE",
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "sslcert": "PGSSLCERT",
    "sslkey": "PGSSLKEY",
    "options": "PGOPTIONS",
}


def program_of(name: str) -> str:
    """The path of a program. Raises `BackupError` where it is not there."""
    folder = postgres.programs()
    path = shutil.which(name) or (str(folder / name) if folder is not None and (folder / name).is_file() else None)
    if path is None:
        raise BackupError(f"there is no {name} on the PATH: it comes with PostgreSQL's client programs")
    return path


def environ_of(url: str) -> Mapping[str, str]:
    """The address in variables: a password on a command line is seen by all who may list processes."""
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    params = conninfo_to_dict(address)
    unknown = params.keys() - _VARIABLES.keys()
    if unknown:
        raise BackupError(f"the address of the store says {', '.join(sorted(unknown))}, which no variable can tell")
    return {_VARIABLES[name]: str(value) for name, value in params.items() if value is not None}


def run(command: list[str], url: str) -> None:
    """Runs a program with the address of a store. Raises `BackupError` where it fails."""
    with tempfile.TemporaryFile() as errors:
        ran = subprocess.run(
            command, env={**os.environ, **environ_of(url)}, stdout=subprocess.DEVNULL, stderr=errors, check=False
        )
        if ran.returncode:
            raise failed(command[0], errors)


def failed(program: str, errors: BinaryIO) -> BackupError:
    """The error of a program that failed, with the first line that names one, else the last."""
    errors.seek(0)
    lines = (errors.read().decode(errors="replace").strip() or "it said nothing").splitlines()
    line = next((text for text in lines if "error:" in text.lower()), lines[-1])
    return BackupError(f"{Path(program).name} failed: {line}")
