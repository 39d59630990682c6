"""Each service of the compose file, run by hand as its container would: its command, its environment, its files.

No container engine is needed: names of other containers become addresses on loopback, places in volumes become
folders. The programs are the real ones; of Grafana, which this machine does not have, only what it reads is checked
(in the tests of dashboards and panels).
"""

import fnmatch
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from confluent_kafka.admin import AdminClient
from running import wait, wait_drained

from deploy import kafka as brokers
from deploy.kafka import missing_tools
from deploy.postgres import Postgres
from deploy.processes import free_port
from streams import topics as kafka_topics
from streams.demo import story
from streams.demo.story import Found
from tests.composed import PASSWORDS, ROOT, composed

SERVICES: dict[str, dict[str, Any]] = composed()["services"]
CONFIG = ROOT / "deploy" / "compose"

pytestmark = [
    pytest.mark.skipif(missing_tools() is not None, reason=str(missing_tools())),
    pytest.mark.skipif(Postgres.available() is not None, reason=str(Postgres.available())),
]


def bare() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("CIRCULATION_", "PYTHON"))}


def answer(url: str) -> bytes | None:
    """What a page says; None while nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return response.read()
    except OSError:
        return None


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image holds of our own: the build context without what is ignored, installed away from the checkout."""
    folder = tmp_path_factory.mktemp("image")
    ignored = [line.removeprefix("**/") for line in (ROOT / ".dockerignore").read_text().split()]

    def leave(_: str, names: list[str]) -> list[str]:
        return [name for name in names if any(fnmatch.fnmatch(name, one) for one in ignored)]

    shutil.copytree(ROOT, folder / "context", ignore=leave)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"),
            *("--target", str(folder / "site"), str(folder / "context")),
        ],
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return folder


class Ours:
    """A service of our image, run as the image would run it: from elsewhere, with its own environment alone."""

    def __init__(self, image: Path, name: str, put: Mapping[str, str]) -> None:
        service = SERVICES[name]
        self.folder = image
        self.log = image / f"{name}.log"
        self.environ = {**bare(), "PYTHONPATH": str(image / "site"), "PYTHONSAFEPATH": "1"}
        self.environ |= {key: self._put(value, put) for key, value in service.get("environment", {}).items()}
        entry = service.get("entrypoint", ["circulation"])
        words = [self._put(word, put) for word in [*entry, *service.get("command", ())]]
        if words[0] in ("circulation", "python"):
            words = [sys.executable, *(("-m", "streams.cli.main") if words[0] == "circulation" else ()), *words[1:]]
        self.words = words

    @staticmethod
    def _put(text: str, put: Mapping[str, str]) -> str:
        for name, instead in put.items():
            text = text.replace(name, instead)
        return text

    def run(self) -> str:
        done = subprocess.run(
            self.words, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=120
        )
        assert 0 == done.returncode, done.stdout + done.stderr
        return done.stdout + done.stderr

    def start(self) -> subprocess.Popen[bytes]:
        with self.log.open("wb") as log:
            return subprocess.Popen(self.words, cwd=self.folder, env=self.environ, stdout=log, stderr=log)


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Kafka, with its environment made into a configuration by the very class that its image calls."""
    folder = tmp_path_factory.mktemp("broker")
    port, controller = free_port(), free_port()
    environ = {key: str(value) for key, value in SERVICES["kafka"]["environment"].items()}
    assert "BROKER://:9092,CONTROLLER://:9093" == environ["KAFKA_LISTENERS"]
    environ["KAFKA_LISTENERS"] = f"BROKER://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
    environ["KAFKA_ADVERTISED_LISTENERS"] = environ["KAFKA_ADVERTISED_LISTENERS"].replace(
        "kafka:9092", f"127.0.0.1:{port}"
    )
    environ["KAFKA_CONTROLLER_QUORUM_VOTERS"] = f"1@127.0.0.1:{controller}"
    environ["KAFKA_LOG_DIRS"] = str(folder / "data")
    for name in ("default", "mounted", "final"):
        (folder / name).mkdir()
    # What the image ships for somebody who sets nothing; here something is set, so nothing of it may matter.
    (folder / "default" / "server.properties").write_text("process.roles=broker\n")
    for name in ("log4j2.yaml", "tools-log4j2.yaml"):
        (folder / "default" / name).write_text("Configuration:\n  Loggers:\n    Root:\n      level: INFO\n")
    java = ["java", "-Xmx512m", "-cp", f"{brokers.install(lambda _: None)}/*"]
    setup = ["setup", *(f"--{one}-configs-dir={folder / one}" for one in ("default", "mounted", "final"))]
    done = subprocess.run(
        [*java, "kafka.docker.KafkaDockerWrapper", *setup],
        env={**bare(), **environ},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    log = folder / "kafka.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [*java, "kafka.Kafka", str(folder / "final" / "server.properties")], stdout=out, stderr=out, cwd=folder
        )
    address = f"127.0.0.1:{port}"
    try:

        def there() -> bool:
            assert process.poll() is None, log.read_text()[-3_000:]
            try:
                return bool(AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=2).brokers)
            except Exception:
                return False

        wait("the broker answers", there)
        yield address
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def database(postgres: Postgres) -> Iterator[str]:
    """PostgreSQL with the database that its image would make, after the script that its image would run."""
    postgres.start()
    url = postgres.create_database("composed")
    given = SERVICES["postgres"]["environment"]
    parts = psycopg.conninfo.conninfo_to_dict(url)
    environ = {
        **bare(),
        **given,
        "PGHOST": str(parts["host"]),
        "PGPORT": str(parts["port"]),
        "PGPASSWORD": str(parts["password"]),
        # Its image makes the role; this machine's server has another one.
        "POSTGRES_USER": str(parts["user"]),
        "POSTGRES_DB": "composed",
    }
    done = subprocess.run(
        ["sh", str(CONFIG / "reader.sh")], env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    assert given["READER_PASSWORD"] not in done.stdout + done.stderr
    yield url
    postgres.start()
    postgres.drop_database("composed")
    with psycopg.connect(postgres.url, autocommit=True) as connection:
        connection.execute("drop role reader")
        connection.execute("drop role circulation_onlooker")


def test_kafka_is_set_up_as_the_file_says(broker: str, image: Path) -> None:
    put = {"kafka:9092": broker}
    said = Ours(image, "topics", put).run()
    assert kafka_topics.FINDINGS in said
    admin = AdminClient({"bootstrap.servers": broker, "log_level": 0})
    there = admin.list_topics(timeout=10).topics
    assert {*kafka_topics.TOPICS_IN, kafka_topics.FINDINGS, kafka_topics.REJECTED} <= there.keys()
    assert {12} == {len(there[topic].partitions) for topic in kafka_topics.TOPICS_IN if topic != kafka_topics.RULES}
    # A second start of the whole finds them, and is content.
    Ours(image, "topics", put).run()


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="it is not here: apt-get install prometheus")
@pytest.mark.skipif(
    shutil.which("prometheus-alertmanager") is None, reason="it is not here: apt-get install prometheus-alertmanager"
)
def test_the_whole_of_it_runs_and_says_what_it_found(broker: str, database: str, image: Path, tmp_path: Path) -> None:
    views, web = tmp_path / "views", f"127.0.0.1:{free_port()}"
    stored = f"postgresql://circulation:{PASSWORDS['STORE_PASSWORD']}@postgres:5432/circulation"
    assert stored == SERVICES["worker"]["environment"]["CIRCULATION_STORE"]
    put = {"kafka:9092": broker, stored: database, "0.0.0.0:6066": web, "/views": str(views)}
    put["/demo/emitter.py"] = str(CONFIG / "emitter.py")
    Ours(image, "topics", put).run()
    Ours(image, "views", put).run()
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert json.loads(Path(home.replace("/views", str(views), 1)).read_text())["title"]
    processes = [Ours(image, "worker", put).start()]
    try:
        wait("the worker is ready", lambda: answer(f"http://{web}/ready"))
        lines = (line.strip() for line in (ROOT / "Dockerfile").read_text().splitlines())
        check = next(line.removeprefix("CMD ") for line in lines if line.startswith("CMD ["))
        words = [word.replace("127.0.0.1:6066", web) for word in json.loads(check)]
        assert 0 == subprocess.run([sys.executable, *words[1:]], timeout=30, check=False).returncode
        assert f"sent {len(list(story.lines()))} events" in Ours(image, "emitter", put).run()
        wait_drained(broker, database)
        standing = _looked(database)
        # The clock is the wall's: what is overdue since the story ended stands, too.
        assert Counter(story.STANDING) <= standing
        _watched(tmp_path, views, web, standing.total(), processes)
    finally:
        for process in processes:
            process.terminate()
        codes = [process.wait(40) for process in processes]
    assert 0 == codes[0], (image / "worker.log").read_text()[-3_000:]


def _watched(folder: Path, views: Path, web: str, standing: int, processes: list[subprocess.Popen[bytes]]) -> None:
    """Prometheus scrapes the worker, judges its rules and tells Alertmanager, each started as the file says.

    What is started is added to `processes`, which the caller ends.
    """
    alerts, metrics = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    config = yaml.safe_load((CONFIG / "prometheus.yml").read_text())
    config["rule_files"] = [one.replace("/views", str(views), 1) for one in config["rule_files"]]
    # No name server here knows the containers; where it would lead is the same.
    del config["scrape_configs"][0]["dns_sd_configs"]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [web]}]
    config["scrape_configs"][1]["static_configs"] = [{"targets": [metrics]}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [alerts]}]
    config["global"] = dict.fromkeys(config["global"], "1s")
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    put = {
        "/etc/prometheus/prometheus.yml": str(folder / "prometheus.yml"),
        "/etc/alertmanager/alertmanager.yml": str(CONFIG / "alertmanager.yml"),
        "=/prometheus": f"={folder / 'metrics'}",
        "=/alertmanager": f"={folder / 'alerts'}",
    }
    started = []
    for program, name, address in (
        ("prometheus-alertmanager", "alertmanager", alerts),
        ("prometheus", "prometheus", metrics),
    ):
        words = [Ours._put(word, put) for word in SERVICES[name]["command"]]
        with (folder / f"{name}.log").open("wb") as log:
            started.append(
                subprocess.Popen([program, *words, f"--web.listen-address={address}"], stdout=log, stderr=log)
            )
        processes.append(started[-1])
    deadline = time.monotonic() + 60

    def targets() -> list[str]:
        for process, name in zip(started, ("alertmanager", "prometheus"), strict=True):
            assert process.poll() is None, (folder / f"{name}.log").read_text()[-3_000:]
        said = answer(f"http://{metrics}/api/v1/targets")
        return [] if said is None else [one["health"] for one in json.loads(said)["data"]["activeTargets"]]

    wait("Prometheus scrapes both", lambda: targets() == ["up", "up"], deadline - time.monotonic())
    query = f"http://{metrics}/api/v1/query?query=sum(circulation_findings_standing)"
    wait(
        "what stands is scraped",
        lambda: (
            (said := answer(query)) is not None
            and [str(standing)] == [one["value"][1] for one in json.loads(said)["data"]["result"]]
        ),
    )
    said = answer(f"http://{metrics}/api/v1/alertmanagers")
    assert said is not None
    assert [alerts] == [one["url"].split("/")[2] for one in json.loads(said)["data"]["activeAlertmanagers"]]
    assert answer(f"http://{alerts}/-/ready") is not None


def _looked(database: str) -> Counter[Found]:
    """Grafana's user sees what stands, and can change nothing but say what it looked at; the answer is what it sees."""
    parts = psycopg.conninfo.conninfo_to_dict(database)
    parts |= {"user": "reader", "password": PASSWORDS["READER_PASSWORD"]}
    with psycopg.connect(**parts, autocommit=True) as connection:
        found = connection.execute("select detector, severity, about from standing_findings").fetchall()
        for statement in ("delete from findings", "create table mine (n int)"):
            with pytest.raises(psycopg.Error):
                connection.execute(statement)
        connection.execute("set default_transaction_read_only = off")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("delete from findings")
        connection.execute("insert into looks values ('1', 0, 'reader', 'reader', 'findings', '[]')")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("insert into outbox (since, topic, headers, value) values (0, 't', '', '')")
    return Counter(Found(*one) for one in found)
