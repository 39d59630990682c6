"""An archive of a real Kafka holds every record as it was, goes on where it ended, and is judged as its events are."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from running import ROOT, Replayed, Sender, ends, received, replayed, truth, wait

from circulation.admission import Admission
from deploy.kafka import Kafka
from deploy.processes import free_port
from streams import archive as archives
from streams import story
from streams import topics as kafka_topics
from streams.archive import ArchiveError, archive, breaks, records, spans, verify
from streams.cli import cli
from streams.replay import Record, Replay, offline
from streams.store import Store
from streams.topics import ASSETS, CONTRACTS, PARTIES, RULES, TOPICS_IN

CONTRACT = b"contract-1"


def replay(path: Path) -> Replayed:
    """What is true after an archive was judged, and what was rejected."""
    store = Store("sqlite://")
    rejected: list[bytes] = []
    Replay(offline(store, None), Admission(), rejected=rejected.append).run(records(spans(path)))
    return Replayed(truth(store), [json.loads(one) for one in rejected])


def use(number: int) -> bytes:
    data = {"uses": 1, "purpose": "test"}
    event = {"id": f"use-{number}", "source": "//x", "subject": "contract-1", "time": "2025-03-01T09:30:00+08:00"}
    type_ = "circulation.usage.reported"
    return json.dumps({"specversion": "1.0", "type": type_, "data": data} | event).encode()


def command(*arguments: object, kafka: str | None = None) -> Result:
    env: dict[str, str | None] = {name: None for name in os.environ if name.startswith("CIRCULATION_")}
    return CliRunner(env=env | {"CIRCULATION_KAFKA": kafka}).invoke(cli, [str(one) for one in arguments])


def files(out: Path) -> dict[str, bytes]:
    return {str(one.relative_to(out)): one.read_bytes() for one in sorted(out.rglob("*")) if one.is_file()}


@pytest.fixture(scope="module")
def told(kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """A Kafka that was told the story, with records that only their headers explain, and an archive of it.

    The archive was made in two runs, and of small files.
    """
    bootstrap = kafka.start(0)
    kafka_topics.delete(bootstrap)
    kafka_topics.create(bootstrap)
    out = tmp_path_factory.mktemp("archive") / "out"
    lines = list(story.lines())
    sender = Sender(bootstrap)
    sender.send(lines[:50])
    first = archive(out, bootstrap, file_bytes_max=2_000)
    sender.send(lines[50:])
    binary = {"specversion": "1.0", "id": "use-b", "source": "//x", "type": "circulation.usage.reported"}
    binary |= {"subject": "contract-1", "time": "2025-03-01T09:30:00+08:00"}
    headers = [(f"ce_{name}", text.encode()) for name, text in binary.items()]
    sender.raw(
        CONTRACTS, b'{"uses": 1, "purpose": "test"}', CONTRACT, [("content-type", b"application/json"), *headers]
    )
    batch = [("content-type", b"application/cloudevents-batch+json")]
    sender.raw(CONTRACTS, b"[" + use(1) + b",17," + use(2) + b"]", CONTRACT, batch)
    sender.raw(CONTRACTS, b"\xff\x00", None, [("odd", b"\xff"), ("odd", b""), ("none", None)])  # type: ignore[list-item]
    sender.raw(CONTRACTS, None, CONTRACT)
    sender.raw(CONTRACTS, b"", b"")
    sender.raw(ASSETS, use(3), CONTRACT)
    sender.flush()
    second = archive(out, bootstrap, file_bytes_max=2_000)
    assert (50, len(lines) - 50 + 6, []) == (first.records, second.records, first.lost + second.lost)
    assert first.files + second.files == len(spans(out)) > len(lines) / 10
    return bootstrap, out


@pytest.fixture
def copy(told: tuple[str, Path], tmp_path: Path) -> Iterator[Path]:
    """The archive, to be damaged."""
    yield Path(shutil.copytree(told[1], tmp_path / "copy"))


def test_every_record_is_kept_as_it_was(told: tuple[str, Path]) -> None:
    bootstrap, out = told
    kept: dict[str, list[Record]] = {topic: [] for topic in TOPICS_IN}
    for record in records(spans(out)):
        kept[record.topic].append(record)
    for topic, some in kept.items():
        there: list[Any] = received(bootstrap, topic)
        expected = {
            (topic, one.partition(), one.offset()): (one.key(), one.value(), one.headers() or []) for one in there
        }
        assert expected == {one.place: (one.key, one.value, one.headers) for one in some}
    span = next(one for one in spans(out) if one.topic == CONTRACTS)
    (taken,) = [
        one
        for one in received(bootstrap, span.topic)
        if (span.partition, span.begin) == (one.partition(), one.offset())
    ]
    assert taken.timestamp()[1] == pq.read_table(span.path)["timestamp"].cast("int64")[0].as_py()


def test_an_archive_is_judged_as_its_events_are(told: tuple[str, Path]) -> None:
    """What only headers explain is admitted too: three uses, under a contract that the story does not know."""
    expected, found = replayed(story.lines()), replay(told[1])
    own = {id_: one for id_, one in found.truth.findings.items() if one["about"]["id"] == CONTRACT.decode()}
    assert ["unknown-contract"] == [one["detector"] for one in own.values()]
    assert expected.truth.findings == {id_: one for id_, one in found.truth.findings.items() if id_ not in own}
    reasons = ["not-json", "not-json", "not-json", "not-cloudevent", "unknown-type"]
    assert sorted([one["reason"] for one in expected.rejected] + reasons) == sorted(
        one["reason"] for one in found.rejected
    )
    (of_batch,) = [one for one in found.rejected if "index" in one]
    assert (CONTRACTS, 1, "17") == (of_batch["topic"], of_batch["index"], of_batch["record"])


def test_the_command_replays_a_folder_and_a_file(told: tuple[str, Path], tmp_path: Path) -> None:
    written = tmp_path / "found.jsonl"
    again = tmp_path / "again.jsonl"
    result = command("replay", told[1], "--findings", written)
    assert 0 == result.exit_code, result.output
    assert 0 == command("replay", told[1], "--findings", again).exit_code
    assert written.read_bytes() == again.read_bytes() != b""
    file = next(one for one in spans(told[1]) if one.topic == CONTRACTS)
    alone = command("replay", file.path)
    assert 0 == alone.exit_code, alone.output
    assert f"{file.records} records" in alone.stderr


def test_a_run_with_nothing_new_writes_nothing(told: tuple[str, Path]) -> None:
    bootstrap, out = told
    before = files(out)
    assert (0, 0) == archive(out, bootstrap)[:2]
    assert before == files(out)
    assert "archived 0 records in 0 new files" in command("archive", out, kafka=bootstrap).stdout


def test_a_whole_archive_is_said_to_be_whole(told: tuple[str, Path]) -> None:
    found = verify(told[1])
    assert (len(spans(told[1])), sum(ends(told[0], TOPICS_IN).values()), []) == found
    result = command("archive", told[1], "--verify")
    assert (0, f"{found.records:,} records in {found.files:,} files: whole\n") == (result.exit_code, result.output)


def middle(out: Path) -> archives.Span:
    """A file of the archive with one before it and one after it."""
    chain = [one for one in spans(out) if one.topic == CONTRACTS]
    return next(
        one
        for before, one, after in zip(chain, chain[1:], chain[2:], strict=False)
        if before.partition == one.partition == after.partition
    )


def test_a_byte_that_was_changed_is_found_wherever_it_is(copy: Path) -> None:
    path = middle(copy).path
    whole = path.read_bytes()
    intact = list(archives._rows(path))
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        # Some bytes of Parquet's own descriptions mean nothing to a reader: then every record is still there.
        assert verify(copy).problems or intact == list(archives._rows(path)), at
    path.write_bytes(whole)
    assert [] == verify(copy).problems


def test_a_file_that_is_cut_lost_doubled_or_of_another_place_is_found(copy: Path) -> None:
    span = middle(copy)
    whole = span.path.read_bytes()

    span.path.write_bytes(whole[: len(whole) // 2])
    assert any(str(span.path) in one for one in verify(copy).problems)
    assert 1 == command("archive", copy, "--verify").exit_code

    span.path.unlink()
    missing = f"{CONTRACTS}[{span.partition}]: the offsets {span.begin} to {span.end - 1} are missing"
    assert missing in verify(copy).problems
    assert missing in breaks(spans(copy))
    assert f"warning: {missing}" in command("replay", copy).stderr

    other = span.path.parent.parent / "partition=7" / span.path.name
    other.parent.mkdir(exist_ok=True)
    other.write_bytes(whole)
    assert any("it says of itself that it is" in one for one in verify(copy).problems)
    other.unlink()

    span.path.write_bytes(whole)
    first = next(one for one in spans(copy) if one[1:3] == span[1:3])
    first.path.unlink()
    assert any("the file before it is missing" in one for one in verify(copy).problems)


def test_a_file_that_was_written_anew_is_found(copy: Path) -> None:
    """Somebody who takes a record out, and writes a file that is whole in itself."""
    span = middle(copy)
    table = pq.read_table(span.path)
    pq.write_table(table.slice(1).replace_schema_metadata(pq.read_metadata(span.path).metadata), span.path)
    found = verify(copy).problems
    assert [f"{span.path}: {span.records} records were written, and {span.records - 1} are there"] == found


def test_what_is_no_archive_is_refused_in_one_line(tmp_path: Path, told: tuple[str, Path]) -> None:
    text = tmp_path / "text.parquet"
    text.write_text("no Parquet")
    other = tmp_path / "other.parquet"
    pq.write_table(pq.read_table(spans(told[1])[0].path).replace_schema_metadata(None), other)
    for path in (tmp_path, text, other, tmp_path / "nowhere.parquet"):
        result = command("replay", path)
        assert (2, 1) == (result.exit_code, len(result.stderr.splitlines())), result.output
    assert 2 == command("archive", tmp_path, "--verify").exit_code


def test_a_run_that_is_killed_leaves_whole_files_and_the_next_goes_on(topics: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    producer = Producer({"bootstrap.servers": topics, "queue.buffering.max.messages": 1_000_000})
    for number in range(20_000):
        producer.produce(CONTRACTS, use(number), b"contract-%d" % (number % 50))
    producer.flush()
    log = (tmp_path / "log").open("wb")
    environ = {name: text for name, text in os.environ.items() if not name.startswith("CIRCULATION_")}
    program = "import sys, pathlib; from streams.archive import archive; archive(pathlib.Path(sys.argv[1]), sys.argv[2]"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{program}, file_bytes_max=100_000)", str(out), topics],
        env=environ | {"PYTHONPATH": str(ROOT)},
        stdout=log,
        stderr=log,
    )
    wait("a file is there", lambda: process.poll() is not None or list(out.rglob("*.parquet")), every=0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    log.close()
    before = spans(out)
    assert 0 < sum(span.records for span in before) < 20_000, (tmp_path / "log").read_text()
    assert [] == verify(out).problems
    done = archive(out, topics, file_bytes_max=100_000)
    assert 20_000 == sum(span.records for span in before) + done.records
    assert (20_000, []) == verify(out)[1:]
    assert [] == list(out.rglob("*.partial"))


def test_records_come_in_the_order_of_their_timestamps_and_each_partition_in_its_own(
    topics: str, tmp_path: Path
) -> None:
    """Of the same instant packs come first, then facts; a timestamp that goes back changes no order of a key."""
    producer = Producer({"bootstrap.servers": topics})
    sent = [
        (CONTRACTS, 0, b"a", 3_000),
        (CONTRACTS, 0, b"b", 2_000),  # by a clock that was set back
        (CONTRACTS, 0, b"c", 5_000),
        (CONTRACTS, 1, b"d", 1_000),
        (CONTRACTS, 1, b"e", 4_000),
        (PARTIES, 0, b"f", 4_000),
        (RULES, 0, b"g", 4_000),
        (RULES, 0, b"h", 6_000),
    ]
    for topic, partition, value, timestamp in sent:
        producer.produce(topic, value, partition=partition, timestamp=timestamp)
    producer.flush()
    archive(tmp_path, topics, file_bytes_max=1)
    assert [(one[0], one[1]) for one in sent] == sorted(
        ((span.topic, span.partition) for span in spans(tmp_path)), key=lambda tp: (tp[0] != CONTRACTS, tp)
    )
    assert b"dabgfech" == b"".join(one.value or b"" for one in records(spans(tmp_path)))


def test_a_second_run_at_the_same_time_is_refused(topics: str, tmp_path: Path) -> None:
    with archives._alone(tmp_path), pytest.raises(ArchiveError, match="another run writes"):
        archive(tmp_path, topics)


def test_marks_of_transactions_leave_no_gap(topics: str, tmp_path: Path) -> None:
    """Of what a producer took back, nothing is kept; its marks have offsets, and no records."""
    producer = Producer({"bootstrap.servers": topics, "transactional.id": "archive"})
    producer.init_transactions(30)
    for number in range(3):
        producer.begin_transaction()
        producer.produce(CONTRACTS, use(number), CONTRACT, partition=0)
        if number == 1:
            producer.abort_transaction(30)
        else:
            producer.commit_transaction(30)
    out = tmp_path / "out"
    assert 2 == archive(out, topics).records
    (span,) = spans(out)
    assert (0, ends(topics, [CONTRACTS])[(CONTRACTS, 0)]) == (span.begin, span.end)
    assert [] == verify(out).problems
    assert 0 == archive(out, topics).records


def test_topics_that_were_made_anew_are_not_archived_over_the_old(topics: str, tmp_path: Path) -> None:
    Sender(topics).send(story.lines())
    archive(tmp_path, topics)
    kafka_topics.delete(topics)
    kafka_topics.create(topics)
    before = files(tmp_path)
    with pytest.raises(ArchiveError, match="made anew"):
        archive(tmp_path, topics)
    assert before == files(tmp_path)
    assert 1 == command("archive", tmp_path, kafka=topics).exit_code


def test_a_kafka_that_is_not_there_or_has_no_topics_is_said(
    topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "SILENCE_SECONDS_MAX", 1.0)
    with pytest.raises(ArchiveError, match="does not answer"):
        archive(tmp_path, f"127.0.0.1:{free_port()}")
    kafka_topics.delete(topics)
    with pytest.raises(ArchiveError, match="circulation topics create"):
        archive(tmp_path, topics)
