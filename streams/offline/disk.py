"""Sync files and folders to the disk."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Brings a file to the disk, or the names in a folder: a name is on the disk once its folder is."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
