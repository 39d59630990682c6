"""What a command imports before it answers: a person who asks for help, or looks, waits for what is used."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from streams.address import address

OURS = {"circulation", "dashboards", "deploy", "detectors", "packs", "streams"}
# They take longer to import than most commands to answer. `detectors` makes the examples of all rules.
HEAVY = {
    "aiokafka",
    "alembic",
    "asyncio",
    "confluent_kafka",
    "detectors",
    "faust",
    "grafanalib",
    "kafka",
    "mode",
    "prometheus_client",
    "psycopg",
    "pyarrow",
    "rich",
    "sqlalchemy",
    "yaml",
}
RUN = """
import json, sys
from streams.cli.main import main
sys.argv = ["circulation", *json.loads(sys.argv[1])]
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)))
"""


def imported(*arguments: str, store: Path) -> set[str]:
    """The modules that a command has imported by its end, in a process of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("CIRCULATION_")}
    ran = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(arguments)],
        env=environ | {"CIRCULATION_STORE": f"sqlite:///{store}"},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(ran.stdout.splitlines()[-1]))


def test_help_imports_nothing_of_ours_but_the_command_line(tmp_path: Path) -> None:
    found = imported("--help", store=tmp_path / "store.db")
    assert {"streams", "streams.cli", "streams.cli.groups", "streams.cli.main"} == {
        one for one in found if one.partition(".")[0] in OURS
    }
    assert set() == HEAVY & found


@pytest.mark.parametrize("arguments", [["findings", "--help"], ["findings"], ["findings", "--json"]], ids=" ".join)
def test_findings_of_a_file_imports_no_driver_of_anything_else_and_no_rules(
    arguments: list[str], migrated_sqlite: Path, tmp_path: Path
) -> None:
    found = imported(*arguments, store=shutil.copy(migrated_sqlite, tmp_path))
    assert "streams.cli.findings" in found
    assert set() == HEAVY & found


@given(st.from_regex(r"sqlite:///?[A-Za-z0-9_.~ +/:@%?=&-]*", fullmatch=True))
def test_an_address_of_sqlite_is_read_as_sqlalchemy_reads_it(url: str) -> None:
    try:
        read = make_url(url)
    except Exception:
        with pytest.raises(ValueError):
            address(url)
        return
    found = address(url)
    assert (read.drivername, read.database, read.render_as_string()) == found
    assert (False, Path(str(read.database))) == (found.postgres, found.file)


def test_an_address_of_another_store_is_shown_without_its_password() -> None:
    found = address("postgresql://someone:secret@host:5432/circulation")
    assert ("postgresql", "circulation", "postgresql://someone:***@host:5432/circulation") == found
    assert (True, None) == (found.postgres, found.file)


def test_what_is_no_address_is_refused() -> None:
    with pytest.raises(ValueError):
        address("circulation.db")
