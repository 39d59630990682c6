"""What tests share: a real Kafka and a real PostgreSQL, each started once a run, and the folder of real data."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from deploy.kafka import Kafka
from deploy.postgres import Postgres
from streams import topics as kafka_topics
from streams.store import Store

# The same examples on every run, and no time limit for each: the machine may be busy with a broker.
settings.register_profile("ci", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("explore", deadline=None, max_examples=2_000)
# Other examples on every run, and of properties against the slow model many more (tests/model/__init__.py).
settings.register_profile("deep", deadline=None, suppress_health_check=list(HealthCheck))
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci"))

ROOT = Path(__file__).resolve().parent.parent
DATABASES = count(1)


def quiet(text: str) -> None:
    """Progress of servers is for people; pytest shows their logs when they fail."""


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kafka]:
    """A Kafka of this run, on free ports. Whoever stops or kills it starts it again: the port stays the same."""
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
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL of this run. Whoever stops or kills it starts it again: the port stays the same."""
    if reason := Postgres.available():
        pytest.skip(reason)
    # Not under pytest's own folder, which nobody else may enter: root's server runs as another user.
    folder = Path(tempfile.mkdtemp(prefix="circulation-test-postgres-"))
    folder.chmod(0o711)
    server = Postgres(folder, quiet)
    try:
        server.start()
        yield server
    finally:
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
