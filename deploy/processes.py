"""Shared by both servers: a free port, a lock, and whether a process is still the one that was started."""

import contextlib
import fcntl
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

# Below the range from which the system takes ports for outgoing connections (32768 and up on Linux): a port found
# here stays free until the server, which may need seconds to start, binds it.
PORT_FIRST, PORT_LAST = 20_000, 32_000
PORT_TRIES_MAX = 200
EXEC_TRIES_MAX = 50
LOG_TAIL_BYTES = 65_536


def is_free(port: int) -> bool:
    """Whether a server could listen on this loopback port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a port whose last connections are still winding up counts as free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError):
            return False
    return True


def free_port(*used: int) -> int:
    """A loopback port on which nothing listens, and that is none of `taken`."""
    for _ in range(PORT_TRIES_MAX):
        port = random.SystemRandom().randint(PORT_FIRST, PORT_LAST)
        if port not in used and is_free(port):
            return port
    raise OSError(f"no free loopback port between {PORT_FIRST} and {PORT_LAST} in {PORT_TRIES_MAX} tries")


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock file `path`; whoever else wants it waits. It is let go even when the process is killed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def command_line(pid: int) -> str:
    """The command line of a process, empty if there is none (or it has ended and nobody has asked for its result)."""
    proc = Path("/proc")
    if not (proc / "self").exists():
        ps = subprocess.run(["ps", "-p", str(pid), "-o", "args="], capture_output=True, text=True, check=False)
        return ps.stdout
    for _ in range(EXEC_TRIES_MAX):
        try:
            raw = (proc / str(pid) / "cmdline").read_bytes()
            state = (proc / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()[0]
        except (OSError, IndexError):
            return ""
        if raw or state in b"ZX":
            return raw.replace(b"\0", b" ").decode(errors="replace")
        # Alive and nameless: it is changing into another program at this moment, as Java does when it starts.
        time.sleep(0.01)
    return ""


def is_alive(pid: int, mark: str) -> bool:
    """Whether `pid` still is the server that bears `mark` in its command line: the system gives numbers away again."""
    return mark in command_line(pid)


def end(pid: int, mark: str, number: signal.Signals, wait_seconds: float) -> bool:
    """Send our server a signal, once, and wait until it is gone; False if it outlives the time given."""
    if is_alive(pid, mark):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    deadline = time.monotonic() + wait_seconds
    while is_alive(pid, mark):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def tail(path: Path, lines: int = 12, since: int = 0) -> str:
    """The last lines that a log has got from the byte `since` on, for an error message."""
    try:
        with path.open("rb") as handle:
            handle.seek(max(since, path.stat().st_size - LOG_TAIL_BYTES))
            return "\n".join(handle.read().decode(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""


def size(path: Path) -> int:
    """The bytes of a file, 0 where there is none."""
    return path.stat().st_size if path.exists() else 0
