"""The file of a SQLite store: taken by one process, and private to its owner."""

import contextlib
import fcntl
import logging
import os
import stat
import threading
from pathlib import Path

from streams.store.errors import StoreTaken

log = logging.getLogger("circulation")

# The files that belong to a SQLite file, and are as confidential.
BESIDE = ("", "-wal", "-shm", ".lock")
# Held by the one thread that makes a file.
_MAKING = threading.Lock()


def take(path: Path, place: str) -> int:
    """Takes the name of a SQLite file for this process alone, whether the file is there or not.

    Answers with the handle that holds it, until it is closed. Raises `StoreTaken`, which calls the file `place`: also
    where its folder is not there, for a name that was mistyped would be an empty store of its own.
    """
    if not path.parent.is_dir():
        raise StoreTaken(f"{place}: there is no folder {path.parent}: make it (mkdir -p), or name another file")
    handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(handle)
        raise StoreTaken(
            f"{place} is in use by another worker; SQLite serves one: stop it, or use PostgreSQL for several"
        ) from error
    return handle


def keep_private(name: str) -> None:
    """Makes a SQLite file readable and writable by its owner alone, before anything is in it.

    SQLite gives what it makes beside a file the rights of the file. Rights that are wider, as of a file that was
    copied here, are taken away.
    """
    with _MAKING:
        # Only one that is new is opened here: closing it would let go of what SQLite has locked in this process.
        with contextlib.suppress(FileExistsError, FileNotFoundError):
            os.close(os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
        for path in (Path(name + end) for end in BESIDE):
            with contextlib.suppress(FileNotFoundError):
                mode = stat.S_IMODE(path.stat().st_mode)
                if not mode & 0o077:
                    continue
                try:
                    path.chmod(0o600)
                except PermissionError:
                    log.warning("%s can be read by others (mode %03o), and is not ours to change", path, mode)
                else:
                    log.warning("%s could be read by others (mode %03o): now its owner alone can", path, mode)
