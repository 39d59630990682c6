"""The folder in which a demo lives: held by one demo at a time, and never one that holds something else."""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

MARK: Final = ".circulation-demo"


class FolderTaken(Exception):
    """The folder is not the demo's to use."""


def default_folder() -> Path:
    """Where the demo lives unless it is told otherwise, after the XDG base directories."""
    base = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(base).expanduser() / "circulation" / "demo"


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder for this demo alone. One that holds something else is left alone: the demo deletes what it made."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).is_file():
        raise FolderTaken(f"{folder} holds something that is not of the demo: name an empty folder with --folder")
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / MARK).open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise FolderTaken(f"another demo runs in {folder}: name another folder with --folder") from error
        yield
