"""What tests share: a real Kafka and a real PostgreSQL, each started once a run, and the folder of real data."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from deploy.kafka import Kafka
from deploy.postgres import Postgres
from streams import topics as kafka_topics
from streams.store.store import Store
from tests import plans

# The same examples on every run, and no time limit for each: the machine may be busy with a broker.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=2_000)
# Other examples on every run, and of properties against the slow model many more (tests/model/__init__.py).
settings.register_profile("deep", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parent.parent
DATABASES = count(1)
# What needs a server, whoever of them asks for it: `make quick` leaves it out.
SERVED = frozenset({"kafka", "topics", "postgres", "postgres_plans", "postgres_url", "migrated_postgres"})


SERVERS: list[Postgres] = []
WATCH = plans.Watch()
WATCH.begin()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--quick", action="store_true", help="no servers, no properties, nothing that is marked as slow")


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str, obj: Any) -> list[pytest.Item] | None:
    """With `--quick`, leaves out functions before there are thousands of cases of them."""
    if not collector.config.getoption("--quick") or not name.startswith("test_"):
        return None
    marks = {one.name for one in getattr(obj, "pytestmark", ())}
    return [] if marks & {"slow", "long"} or getattr(obj, "is_hypothesis_test", False) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--quick`, leaves out what needs a server."""
    if config.getoption("--quick"):
        config.hook.pytest_deselected(items=[one for one in items if _is_served(one)])
        items[:] = [one for one in items if not _is_served(one)]


def _is_served(item: pytest.Item) -> bool:
    case = getattr(item, "callspec", None)
    kinds = () if case is None else case.params.values()
    return "postgresql" in kinds or not SERVED.isdisjoint(getattr(item, "fixturenames", ()))


@pytest.fixture(autouse=True)
def watched() -> Iterator[None]:
    """Fails a test in which the program asked for the first time what goes through a table that grows."""
    yield
    server = SERVERS[0] if SERVERS else None
    wrong = WATCH.wrong(None if server is None else lambda: server.create_database(f"plans_{next(DATABASES)}"))
    assert [] == wrong, "\n".join(
        ["no index serves (mend it, or say in tests/plans.py why it may go through all of a table):", *wrong]
    )


def refuse_when_quick(request: pytest.FixtureRequest) -> None:
    """A server that is started on the way would also be asked by all tests that follow (`watched`)."""
    if request.config.getoption("--quick"):
        pytest.fail("tests/conftest.py: SERVED has no fixture of this test, which asks for a server")


def quiet(text: str) -> None:
    """Progress of servers is for people; pytest shows their logs when they fail."""


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A Kafka of this run, on free ports. Whoever stops or kills it starts it again: the port stays the same."""
    refuse_when_quick(request)
    with Kafka(tmp_path_factory.mktemp("kafka"), quiet) as broker:
        yield broker


@pytest.fixture
def topics(kafka: Kafka) -> str:
    """The address of a Kafka whose topics are there and empty: their names are fixed, so they are made anew."""
    bootstrap = kafka.start(0)
    kafka_topics.delete(bootstrap)
    kafka_topics.create(bootstrap)
    return bootstrap


@pytest.fixture(scope="session")
def postgres(request: pytest.FixtureRequest) -> Iterator[Postgres]:
    """A PostgreSQL of this run. Whoever stops or kills it starts it again: the port stays the same."""
    refuse_when_quick(request)
    if reason := Postgres.available():
        pytest.skip(reason)
    # Not under pytest's own folder, which nobody else may enter: root's server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="circulation-test-postgres-"))
    folder.chmod(0o711)
    server = Postgres(folder, quiet)
    try:
        server.start()
        SERVERS.append(server)
        yield server
    finally:
        SERVERS.clear()
        server.remove()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres: Postgres) -> Iterator[str]:
    """The address of an empty database of this test's own."""
    postgres.start()
    name = f"test_{next(DATABASES)}"
    yield postgres.create_database(name)
    postgres.start()
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of SQLite as migrations make it: to be copied, not written."""
    path = tmp_path_factory.mktemp("migrated") / "store.db"
    store = Store(f"sqlite:///{path}")
    store.migrate()
    with store.reading() as db:
        db.run("pragma wal_checkpoint(truncate)")
    store.close()
    return path


@pytest.fixture(scope="session")
def migrated_postgres(postgres: Postgres) -> str:
    """A database as migrations make it: a template for others, not to be written."""
    postgres.start()
    name = f"test_{next(DATABASES)}"
    store = Store(postgres.create_database(name))
    store.migrate()
    store.close()
    return name


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind, as migrations make it."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "store.db")
        made = Store(f"sqlite:///{tmp_path}/store.db")
        yield made
        made.close()
        return
    postgres = request.getfixturevalue("postgres")
    template = request.getfixturevalue("migrated_postgres")
    postgres.start()
    name = f"test_{next(DATABASES)}"
    made = Store(postgres.create_database(name, template))
    yield made
    made.close()
    postgres.start()
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def test_data() -> Path:
    """The folder of real data: CIRCULATION_TEST_DATA, else `shared/data` beside the checkout."""
    folder = Path(os.environ.get("CIRCULATION_TEST_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no real data in {folder}: set CIRCULATION_TEST_DATA to the folder that holds it")
    return folder
