"""A PostgreSQL of one's own: from the system's `initdb`, in one folder, on loopback, with a password.

    with Postgres(Path("state/postgres")) as postgres:
        url = postgres.create_database("circulation")

PostgreSQL refuses to run as root; root's server runs as the user `postgres`, else `nobody`.
"""

import contextlib
import hashlib
import json
import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg
from psycopg import sql

from deploy import processes

ROLE = "circulation"
START_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 30.0
NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}\Z")
# Where distributions keep the server's programs, which are not on the PATH.
PLACES = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/opt/homebrew/opt/postgresql*/bin",
)


class PostgresError(Exception):
    """The server cannot be prepared, started or reached; the message says what to do."""


def say(text: str) -> None:
    """Progress, for a person who waits: on stderr, so that what commands print stays clean."""
    print(text, file=sys.stderr, flush=True)


def programs() -> Path | None:
    """The folder of `initdb` and `postgres`: that of the PATH, else the newest of those that distributions use."""
    folders: list[Path] = []
    if initdb := shutil.which("initdb"):
        # A link on the PATH leads to the folder where the rest of the server is.
        folders += [Path(initdb).resolve().parent, Path(initdb).parent]
    for place in PLACES:
        folders += sorted(Path("/").glob(place[1:]), key=_release, reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def _release(folder: Path) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", folder.parent.name))


def _server_user() -> pwd.struct_passwd | None:
    """The user that root runs the server as; None where there is none."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


class Postgres:
    """The server of one folder. Objects come and go; the server is found again by the folder's `postgres.json`.

    `start` may be called at any time: it prepares and starts the server, finds it running, or brings it back on the
    same port with the same data after `stop` or `kill`.
    """

    def __init__(self, folder: Path | str, tell: Callable[[str], None] = say) -> None:
        self.folder = Path(folder).expanduser().resolve()
        self.log = self.folder / "postgres.log"
        self._memory = self.folder / "postgres.json"
        self._tell = tell
        # Kept so that a server that ended is reaped, when it was started by this very process.
        self._child: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @staticmethod
    def available() -> str | None:
        """Why there can be no PostgreSQL on this machine, with the command that helps; None if there can."""
        if programs() is None:
            return "PostgreSQL's initdb is not on this machine: apt-get install postgresql"
        if os.geteuid() == 0 and _server_user() is None:
            return (
                "PostgreSQL refuses to run as root, and there is no user postgres or nobody: useradd --system postgres"
            )
        return None

    @property
    def url(self) -> str:
        """Address of the database `postgres`, with the password: for clients, never for a log.

        Raises:
            PostgresError: if the folder's server was never started.
        """
        return self._url("postgres")

    def create_database(self, name: str, template: str = "template1") -> str:
        """Make a database in the running server, empty or as another one is, and answer with its address.

        Raises:
            PostgresError: if the name is none of 1 to 63 lower-case letters, digits, `_`, or is there already.
        """
        if not NAME.match(name):
            raise PostgresError(f"a database's name is of 1 to 63 lower-case letters, digits and _, got {name!r}")
        with psycopg.connect(self.url, autocommit=True) as connection:
            try:
                statement = sql.SQL("create database {} template {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
            except psycopg.errors.DuplicateDatabase as error:
                raise PostgresError(f"there is a database {name} already") from error
        return self._url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, and whoever is still connected to it; nothing happens if it is not there."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))

    def start(self) -> str:
        """Start the server unless it runs, wait until it answers, and say where: see `url`.

        Raises:
            PostgresError: with what to do: it is not installed, cannot be prepared, ends or stays silent.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        with processes.locked(self.folder / ".lock"):
            if self._pid() is None:
                if reason := self.available():
                    raise PostgresError(reason)
                self._prepare()
                self._launch()
            self._wait()
        return self.url

    def stop(self) -> bool:
        """End the server in order (its "fast" way); False if it was not running."""
        if not (pid := self._pid()):
            return False
        if not self._end(pid, signal.SIGINT, STOP_SECONDS_MAX):
            self._end(pid, signal.SIGQUIT, STOP_SECONDS_MAX)
        return True

    def kill(self) -> bool:
        """SIGKILL of the server, as a crash would; its sessions follow. `start` recovers on the same port."""
        if not (pid := self._pid()):
            return False
        return self._end(pid, signal.SIGKILL, STOP_SECONDS_MAX)

    def remove(self) -> None:
        """Stop the server and delete its data, wherever that is."""
        self.stop()
        if home := self._known().get("home"):
            shutil.rmtree(home, ignore_errors=True)
        for left in (self._memory, self.log):
            left.unlink(missing_ok=True)

    @property
    def running(self) -> bool:
        """Whether the server of this folder is alive now."""
        return self._pid() is not None

    def _known(self) -> dict[str, Any]:
        try:
            memory = json.loads(self._memory.read_bytes())
        except (OSError, ValueError):
            return {}
        keys = {"pid": int, "port": int, "home": str, "password": str}
        good = isinstance(memory, dict) and all(isinstance(memory.get(key), kind) for key, kind in keys.items())
        return memory if good else {}

    def _remember(self, **changes: int | str) -> None:
        fresh = self._memory.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        # It holds the password: readable by its owner only, from its first moment on.
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
            json.dump({**self._known(), **changes}, handle)
        fresh.replace(self._memory)

    def _data(self) -> Path:
        return Path(self._known()["home"]) / "data"

    def _url(self, database: str) -> str:
        if not (known := self._known()):
            raise PostgresError(f"no PostgreSQL was ever started in {self.folder}")
        return f"postgresql://{ROLE}:{known['password']}@127.0.0.1:{known['port']}/{database}"

    def _pid(self) -> int | None:
        if self._child:
            self._child.poll()
        known = self._known()
        if not known or not known["pid"]:
            return None
        return known["pid"] if processes.is_alive(known["pid"], str(self._data())) else None

    def _end(self, pid: int, number: signal.Signals, wait_seconds: float) -> bool:
        gone = processes.end(pid, str(self._data()), number, wait_seconds)
        if gone and self._child:
            self._child.wait()
            self._child = None
        return gone

    def _identity(self) -> dict[str, Any]:
        """Arguments of `subprocess` that make the server's programs run as a user whom PostgreSQL accepts."""
        user = _server_user() if os.geteuid() == 0 else None
        if user is None:
            return {}
        return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}

    def _prepare(self) -> None:
        """Make the data folder, once. It belongs to the server's user, who must be able to get there."""
        if self._known() and (self._data() / "PG_VERSION").is_file():
            return
        self._tell(f"preparing a PostgreSQL in {self.folder}")
        home, user = self.folder / "server", self._identity()
        if user and not _reachable(self.folder):
            # Under root's home nobody else can enter; a folder of a random name elsewhere is remembered instead.
            mark = hashlib.sha256(str(self.folder).encode()).hexdigest()[:8]
            home = Path(tempfile.mkdtemp(prefix=f"circulation-postgres-{mark}-"))
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(mode=0o700)
        if user:
            os.chown(home, user["user"], user["group"])
        password = secrets.token_urlsafe(24)
        self._remember(pid=0, port=processes.free_port(), home=str(home), password=password)
        secret = home / "password"
        secret.touch(mode=0o600)
        secret.write_text(password)
        if user:
            os.chown(secret, user["user"], user["group"])
        command = [str(self._program("initdb")), "-D", str(self._data()), "-U", ROLE, "-A", "scram-sha-256"]
        # The C locale orders text by code point, as Python does: what is "the smaller id" never depends on the machine.
        command += [f"--pwfile={secret}", "--encoding=UTF8", "--locale=C", "--no-instructions"]
        ran = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, cwd="/", **user
        )
        secret.unlink()
        if ran.returncode:
            raise PostgresError(f"initdb could not prepare {home}:\n{(ran.stdout + ran.stderr).strip()[-2000:]}")

    def _program(self, name: str) -> Path:
        folder = programs()
        if folder is None:
            raise PostgresError(self.available() or "PostgreSQL is not on this machine")
        return folder / name

    def _launch(self) -> None:
        port = self._known()["port"]
        if not processes.is_free(port):
            self._tell(f"port {port} is taken by another program; PostgreSQL gets another one")
            port = processes.free_port()
            self._remember(port=port)
        # No Unix socket: paths of folders are easily too long for one, and loopback with a password is enough.
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "max_connections": 100,
            # A server that has run for a while uses old segments of its log again. A new one fills each with zeros, and
            # all commits wait for that: under load 0.1 s every 3 s.
            "wal_init_zero": "off",
        }
        command = [str(self._program("postgres")), "-D", str(self._data())]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        deadline = time.monotonic() + STOP_SECONDS_MAX
        while True:
            with self.log.open("ab") as log:
                self._child = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    cwd="/",
                    start_new_session=True,
                    **self._identity(),
                )
            self._remember(pid=self._child.pid)
            # After a kill the old sessions hold the shared memory for a moment longer, and the server refuses at once.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout=0.3)
            held = self._child.returncode is not None and "still in use" in processes.tail(self.log, 4)
            if not held or time.monotonic() > deadline:
                return

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self._pid() is None:
                raise PostgresError(
                    f"PostgreSQL ended while starting; the end of {self.log}:\n{processes.tail(self.log)}"
                )
            with contextlib.suppress(psycopg.OperationalError):
                psycopg.connect(self.url, connect_timeout=5).close()
                return
            time.sleep(0.05)
        log_end = processes.tail(self.log)
        raise PostgresError(f"PostgreSQL is silent after {START_SECONDS_MAX:.0f} s; the end of {self.log}:\n{log_end}")


def _reachable(folder: Path) -> bool:
    """Whether a user without rights of his own can get into `folder`."""
    return all(part.stat().st_mode & 0o001 for part in (folder, *folder.parents))
