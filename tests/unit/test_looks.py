"""What people look at is written down, whatever they ask and whether they may write, and goes to the journal once."""

import json
import os
import pwd
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
from click.testing import CliRunner, Result
from sqlalchemy import make_url

from circulation.admission.admission import Admission
from circulation.docket import docket_id
from circulation.examples import OWNER, derived, event
from streams.cli.main import cli
from streams.demo import chapters, story
from streams.offline.replay import Replay, offline
from streams.settings import Settings
from streams.store import schema
from streams.store.store import Store
from streams.wire import lookups as looks
from streams.worker.worker import Worker

USER = pwd.getpwuid(os.geteuid()).pw_name
CASE = docket_id("usage-limit", "contract", "contract-traffic") + "-1"
AT = 1_767_225_600_000_000
# Every command that looks into the store, and what it writes down beside its own name.
COMMANDS = [
    ["findings"],
    ["findings", "--severity", "red", "--json"],
    ["findings", "--party=" + OWNER, "--since", "2025-01-01"],
    ["cases", "--state", "open"],
    ["cases", CASE, "--json"],
    ["credit", chapters.TRAVEL, "--as-of", "2026-01-01", "--json"],
    ["trace", "traffic", "--json", "--as-of", "2026-01-01"],
    ["impact", "NL-27", "--as-of", "2026-01-01", "--json"],
    ["party", chapters.TRAVEL, "--as-of", "2026-01-01", "--json"],
    ["rules", "compare", "--detector", "usage-limit", "--json"],
    ["outbox", "list", "--json"],
    # That there is nothing is an answer, too.
    ["findings", "ffffffff"],
    ["cases", "nothing"],
    ["credit", "scheme:nobody"],
    ["trace", "nothing"],
    ["party", "scheme:nobody"],
]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that holds the story: to be copied."""
    path = tmp_path_factory.mktemp("told") / "store.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    Replay(offline(store, None), Admission()).run(story.lines())
    store.close()
    return path


@pytest.fixture
def url(told: Path, tmp_path: Path) -> str:
    """A store of this test's own."""
    with sqlite3.connect(told) as source, sqlite3.connect(tmp_path / "store.db") as copy:
        source.backup(copy)
    return f"sqlite:///{tmp_path / 'store.db'}"


def ran(url: str, *arguments: str, official: str | None = None, given: str | bytes | None = None) -> Result:
    environ = {"CIRCULATION_STORE": url, "CIRCULATION_CLOCK": "events", "CIRCULATION_OFFICIAL": official}
    result = CliRunner(env=environ).invoke(cli, list(arguments), input=given, prog_name="circulation")
    assert "Traceback" not in result.output
    return result


def written(url: str) -> list[tuple[str, str, str, list[str]]]:
    """Who, user, command and arguments of what is written down."""
    store = Store(url)
    with store.reading() as db:
        rows = db.rows("select who, login, command, arguments from looks order by look")
    store.close()
    return [(who, login, command, orjson.loads(arguments)) for who, login, command, arguments in rows]


def without_the_table(url: str) -> None:
    store = Store(url)
    with store.writing() as db:
        db.run("drop table looks")
    store.close()


def sent(store: Store) -> list[tuple[bytes, dict[str, Any]]]:
    """Key and event of what waits for the relay."""
    with store.reading() as db:
        rows = db.rows("select topic, key, value from outbox order by id")
    assert {topic for topic, _, _ in rows} <= {"circulation.journal"}
    return [(bytes(key), json.loads(bytes(value))) for _, key, value in rows]


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_that_looks_is_written_down_and_answers_as_it_would_otherwise(command: list[str], url: str) -> None:
    result = ran(url, *command)
    words = 2 if command[0] in ("rules", "outbox") else 1
    assert [(USER, USER, " ".join(command[:words]), command[words:])] == written(url)
    assert "written down" not in result.stderr
    without_the_table(url)
    again = ran(url, *command)
    assert (result.exit_code, result.stdout) == (again.exit_code, again.stdout)
    note = "note: that this was looked at could not be written down for the journal: no such table: looks\n"
    assert note in again.stderr
    assert result.stderr == again.stderr.replace(note, "")


def test_a_look_before_any_worker_says_what_is_missing(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    store.touch()
    with looks.Notebook(f"sqlite:///{store}") as notebook:
        rows = looks.looks("rejected list", [], official=None, at=1)
        assert "the store is empty: a worker makes its tables" == notebook.write(rows)


def test_who_looks_has_a_name_beside_that_of_the_operating_system(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    ran(url, "findings", official="李伟")
    ran(url, "cases")
    assert [("李伟", USER, "findings", []), (USER, USER, "cases", [])] == written(url)


@pytest.mark.parametrize(
    "command",
    [["trace", "--schema"], ["rules", "show"], ["settings"], ["findings", "--severity", "grey"], ["rules", "lint"]],
    ids=" ".join,
)
def test_what_does_not_look_into_the_store_is_not_written_down(command: list[str], url: str) -> None:
    ran(url, *command)
    assert [] == written(url)


def test_a_backtest_touches_nothing_live(url: str, tmp_path: Path) -> None:
    (tmp_path / "pack.yaml").write_text(ran(url, "rules", "show", "beijing", "--yaml").stdout)
    result = ran(url, "rules", "backtest", str(tmp_path / "pack.yaml"))
    assert (0, []) == (result.exit_code, written(url))
    assert "written down" not in result.stderr


def test_of_ids_on_standard_input_each_is_written_down(url: str) -> None:
    ids = [f"asset-{number}" for number in range(2_000)]
    lines = ran(url, "trace", "-", "--down", given="traffic\r\n\n" + "\n".join(ids)).stdout.splitlines()
    assert 2_001 == len(lines)
    rows = written(url)
    assert ["traffic", *ids] == [one for *_, arguments in rows for one in arguments[2:]]
    assert {("trace", "-", "--down")} == {(command, *arguments[:2]) for _, _, command, arguments in rows}
    assert len(rows) < 20


def test_nothing_on_standard_input_is_no_look(url: str) -> None:
    assert (0, "") == ((result := ran(url, "trace", "-", given="\n")).exit_code, result.stdout)
    assert [] == written(url)


def test_of_an_answer_a_line_it_is_said_once_that_it_was_not_written_down(url: str) -> None:
    without_the_table(url)
    given = "\n".join(f"asset-{number:0100}" for number in range(1_000))
    result = ran(url, "trace", "-", given=given)
    assert (1_000, 1) == (len(result.stdout.splitlines()), result.stderr.count("written down"))


def test_a_busy_store_is_not_waited_for_long(url: str) -> None:
    with sqlite3.connect(make_url(url).database or "", isolation_level=None) as other:
        other.execute("begin immediate")
        result = ran(url, "findings", "--json")
        other.execute("rollback")
    assert (0, []) == (result.exit_code, written(url))
    assert len(story.STANDING) == len(json.loads(result.stdout))
    assert "could not be written down for the journal: database is locked\n" in result.stderr


def test_a_file_that_may_only_be_read_is_looked_at_all_the_same(told: Path) -> None:
    # Not under pytest's own folder, which nobody else may enter.
    with tempfile.TemporaryDirectory(prefix="circulation-test-looks-") as name:
        folder = Path(name)
        path = folder / "store.db"
        folder.chmod(0o777)
        with sqlite3.connect(told) as source, sqlite3.connect(path) as copy:
            copy.execute("pragma journal_mode=wal")
            source.backup(copy)
            # A worker has it open, so that its log is there.
            copy.execute("select 1 from looks").fetchall()
            for one in folder.iterdir():
                one.chmod(0o666)
            path.chmod(0o444)
            user = os.geteuid()
            if user == 0:
                ran(f"sqlite:///{told}.none", "findings")  # what it imports, it imports as who may
                os.seteuid(65_534)
            try:
                result = ran(f"sqlite:///{path}", "findings", "--json")
            finally:
                os.seteuid(user)
    assert (0, len(story.STANDING)) == (result.exit_code, len(json.loads(result.stdout)))
    assert "could not be written down for the journal: attempt to write a readonly database\n" in result.stderr


# What is written down.


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("postgresql://me:secret@host/name", "postgresql://me:***@host/name"),
        ("postgres://warehouse/public.orders", "postgres://warehouse/public.orders"),
        ("a\nb\x00c\udcff", "a\ufffdb\ufffdc\ufffd"),
        ("x" * 1_200, "x" * 1_200),
        ("x" * 1_201, "x" * 1_200 + "…"),
    ],
)
def test_an_argument_is_kept_without_secrets_and_within_bounds(given: str, kept: str) -> None:
    (row,) = looks.looks("trace", [given], official=None, at=AT)
    (other,) = looks.looks("trace", ["-"], [given], official=None, at=AT)
    assert ([kept], ["-", kept]) == (orjson.loads(row.arguments), orjson.loads(other.arguments))


@pytest.mark.slow
@pytest.mark.parametrize("argument", ["", '"' * 1_200, "数" * 1_200, "a"])
def test_whatever_is_asked_fits_into_a_row(argument: str) -> None:
    rows = looks.looks("trace", [argument] * 10_000, [argument] * 10_000, official="数" * 128, at=AT)
    assert all(len(one.arguments) <= schema.LOOK_CHARACTERS_MAX for one in rows)
    assert all(orjson.loads(one.arguments).count("…") == 1 for one in rows)


def test_the_order_of_ids_is_that_of_looks() -> None:
    things = ["x" * 1_000] * 100
    ids = [one.look for at in (0, 1, AT, 2 * AT) for one in looks.looks("trace", [], things, official=None, at=at)]
    assert ids == sorted(set(ids))


# From the store to the journal.


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    place = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(place)
    store.migrate()
    yield store
    store.close()


def address(store: Store) -> str:
    return store._url.render_as_string(hide_password=False)


def test_a_worker_sends_looks_in_their_order_and_once(empty: Store) -> None:
    Replay(offline(empty, None), Admission()).run(orjson.dumps(one) for one in [derived("b", "2025-01-01", "a")])
    with empty.writing() as db:
        db.run("delete from outbox")
        later = looks.looks("credit", ["scheme:x"], official=None, at=AT + 1)
        db.many(schema.looks, later)
        db.many(schema.looks, looks.looks("trace", ["b", "--json"], official="Li Wei", at=AT))
    worker = Worker(Settings.read({"CIRCULATION_STORE": address(empty)}), empty)
    for _ in range(2):
        worker.sending.post_lookups()
    worker.reader.close()
    (key, first), (_, second) = sent(empty)
    assert b"Li Wei" == key
    assert {
        "specversion": "1.0",
        "id": first["id"],
        "source": "/circulation/looks",
        "type": "circulation.look.made",
        "subject": "Li Wei",
        "time": "2026-01-01T08:00:00+08:00",
        "datacontenttype": "application/json",
        "data": {
            "who": "Li Wei",
            "user": USER,
            "command": "trace",
            "arguments": ["b", "--json"],
            "looked": "2026-01-01T08:00:00+08:00",
        },
    } == first
    assert (later[0].look, USER, "credit") == (second["id"], second["subject"], second["data"]["command"])
    assert [] == written(address(empty))


def test_what_is_sent_at_once_is_bounded_and_nothing_is_left(empty: Store) -> None:
    with empty.writing() as db:
        for number in range(looks.LOOKS_AT_ONCE + 1):
            db.many(schema.looks, looks.looks("findings", [], official=None, at=AT + number))
    counts = []
    for _ in range(3):
        with empty.writing() as db:
            counts.append(looks.journal(db))
    assert [looks.LOOKS_AT_ONCE, 1, 0] == counts
    times = [one["data"]["looked"] for _, one in sent(empty)]
    assert times == sorted(set(times))


def test_what_is_undone_is_sent_by_the_next(empty: Store) -> None:
    (row,) = looks.looks("findings", [], official=None, at=AT)
    assert None is looks.Notebook(address(empty)).write([row])
    with pytest.raises(KeyboardInterrupt), empty.writing() as db:
        looks.journal(db)
        raise KeyboardInterrupt
    with empty.writing() as db:
        assert 1 == looks.journal(db)
    assert [row.look] == [one["id"] for _, one in sent(empty)]


def test_of_two_workers_one_sends(postgres_url: str) -> None:
    one, two = Store(postgres_url), Store(postgres_url)
    one.migrate()
    with one.writing() as db:
        db.many(schema.looks, looks.looks("findings", [], official=None, at=AT))
    with one.writing() as mine:
        assert 1 == looks.journal(mine)
        with two.writing() as db:
            assert 0 == looks.journal(db)
    with two.writing() as db:
        assert 0 == looks.journal(db)
    assert 1 == len(sent(one))
    one.close()
    two.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [{"look": ""}, {"who": ""}, {"who": "x" * 129}, {"login": "x" * 129}, {"command": "x" * 129}, {"arguments": ""},
     {"arguments": "x" * 32_769}],
    ids=str,
)  # fmt: skip
def test_the_store_refuses_a_row_that_no_worker_could_send(change: dict[str, str], empty: Store) -> None:
    (row,) = looks.looks("findings", [], official=None, at=AT)
    with pytest.raises(Exception, match=r"(?i)check"), empty.writing() as db:
        db.many(schema.looks, [row._replace(**change)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kept", "told"), [("not JSON", ["not JSON"]), ('{"a": 1}', ['{"a": 1}']), ("[1]", ["[1]"]), ('["a"]', ["a"])]
)
@pytest.mark.parametrize("made", [-(2**63), 2**63 - 1])
def test_a_row_that_somebody_else_wrote_keeps_no_worker_from_sending(
    kept: str, told: list[str], made: int, empty: Store
) -> None:
    with empty.writing() as db:
        db.many(schema.looks, [("x", made, "who", "login", "command", kept)])
    with empty.writing() as db:
        assert 1 == looks.journal(db)
    assert told == sent(empty)[0][1]["data"]["arguments"]


# Who may do what on PostgreSQL.


@pytest.fixture
def role(postgres_url: str) -> Iterator[str]:
    """The address of the story's store under a role that may read, and whose transactions may not write."""
    store = Store(postgres_url)
    store.migrate()
    Replay(offline(store, None), Admission()).run(
        [orjson.dumps(event("asset.withdrawn", "a", "2025-01-01", reason="r"))]
    )
    store.close()
    database = make_url(postgres_url)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("create role someone login password 'someone'")
        connection.execute("alter role someone set default_transaction_read_only = on")
        connection.execute("grant pg_read_all_data to someone")
        yield database.set(username="someone", password="someone").render_as_string(hide_password=False)
        connection.execute("drop owned by someone")
        connection.execute("drop role someone")


def test_who_may_only_read_looks_and_is_told_that_it_was_not_written_down(role: str, postgres_url: str) -> None:
    result = ran(role, "trace", "a", "--json")
    assert (0, "a") == (result.exit_code, json.loads(result.stdout)["asset"]["asset"])
    assert "could not be written down for the journal: permission denied for table looks\n" in result.stderr
    assert "someone:someone" not in result.stderr
    assert [] == written(postgres_url)


def test_an_onlooker_may_write_down_that_it_looked_and_nothing_else(role: str, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"create role {schema.ONLOOKER} nologin")
        try:
            # A worker starts, and then another.
            for _ in range(2):
                Store(postgres_url).migrate()
            connection.execute(f"grant {schema.ONLOOKER} to someone")
            result = ran(role, "trace", "a")
            assert (0, "") == (result.exit_code, result.stderr)
            assert [(USER, USER, "trace", ["a"])] == written(postgres_url)
            with psycopg.connect(role, autocommit=True) as own:
                own.execute("set default_transaction_read_only = off")
                for statement in (
                    "delete from looks",
                    "update looks set who = 'x'",
                    "insert into outbox (since, topic, headers, value) values (0, 'circulation.findings', '', '')",
                    "insert into findings select * from findings",
                ):
                    with pytest.raises(psycopg.errors.InsufficientPrivilege):
                        own.execute(statement)
        finally:
            connection.execute(f"drop owned by {schema.ONLOOKER}")
            connection.execute(f"drop role {schema.ONLOOKER}")
