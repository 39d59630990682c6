"""An archive of a real Kafka holds every record as it was, goes on where it ended, and is judged as its events are."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from running import ROOT, Replayed, Sender, alter, ends, of_topic, received, replayed, truth, wait

from circulation.admission.admission import Admission
from deploy.kafka import Kafka
from deploy.processes import free_port
from streams import topics as kafka_topics
from streams.cli.main import cli
from streams.demo import story
from streams.offline import archive as archives
from streams.offline.archive import ArchiveError, archive
from streams.offline.archive_checks import breaks, verify
from streams.offline.archive_files import Span, rows, spans
from streams.offline.archive_records import inputs, records
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from streams.topics import ASSETS, CONTRACTS, CREDIT, FINDINGS, PARTIES, RULES, TOPICS_IN, TOPICS_OUT
from streams.wire import topic_settings
from streams.wire.files import Record

CONTRACT = b"contract-1"


def replay(path: Path) -> Replayed:
    """What is true after an archive was judged, and what was rejected."""
    store = Store("sqlite://")
    rejected: list[bytes] = []
    Replay(offline(store, None), Admission(), rejected=rejected.append).run(records(inputs(spans(path))))
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


def middle(out: Path) -> Span:
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
    intact = list(rows(path))
    for at in range(0, len(whole), max(1, len(whole) // 25)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        # Some bytes of Parquet's own descriptions mean nothing to a reader: then every record is still there.
        assert verify(copy).problems or intact == list(rows(path)), at
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
    archived = "from streams.offline.archive import archive; archive(pathlib.Path(sys.argv[1]), sys.argv[2]"
    program = f"import sys, pathlib; {archived}"
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
    """Of the same instant packs come first, then facts; a timestamp that goes back changes no order of a key.

    Where the broker writes the time it is that of arrival, and here the producer says it.
    """
    for topic in (CONTRACTS, PARTIES, RULES):
        alter(topics, topic, message_timestamp_type="CreateTime")

    def by_producers() -> bool:
        found, _ = topic_settings.topics(AdminClient({"bootstrap.servers": topics}))
        return {"CreateTime"} == {found[one].configs["message.timestamp.type"] for one in (CONTRACTS, PARTIES, RULES)}

    wait("that is seen", by_producers)
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


def test_what_went_out_is_kept_too_and_only_what_came_in_is_judged_again(topics: str, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": topics})
    for number, topic in enumerate(TOPICS_OUT):
        for _ in range(number + 1):
            producer.produce(topic, b"%d" % number, key=b"key", headers=[("reason", b"not-json")])
    producer.flush()
    lines = list(story.lines())
    Sender(topics).send(lines)
    out = tmp_path / "out"
    assert len(lines) + 15 == archive(out, topics).records
    kept = {topic: sum(span.records for span in spans(out) if span.topic == topic) for topic in TOPICS_OUT}
    assert {topic: number + 1 for number, topic in enumerate(TOPICS_OUT)} == kept
    assert (len(lines) + 15, []) == verify(out)[1:]
    result = command("replay", out)
    assert (0, True) == (result.exit_code, f"{len(lines)} records: " in result.stderr), result.output
    assert replayed(lines).truth == replay(out).truth
    for span in spans(out):
        if span.topic == FINDINGS:
            refused = command("replay", span.path)
            assert (2, "") == (refused.exit_code, refused.stdout)
            assert "holds no input topic, but circulation.findings" in refused.stderr
            # A file that was changed is found, whatever topic it is of.
            whole = span.path.read_bytes()
            span.path.write_bytes(whole[: len(whole) // 2])
            assert any(str(span.path) in one for one in verify(out).problems)


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


def test_a_topic_that_was_made_anew_and_grew_longer_is_not_archived_over_the_old(topics: str, tmp_path: Path) -> None:
    """Its first records have offsets that the archive has of the other; what comes behind would look like the next."""
    lines = list(story.lines())
    Sender(topics).send(lines)
    archive(tmp_path, topics)
    kafka_topics.delete(topics)
    kafka_topics.create(topics)
    sender = Sender(topics)
    sender.send([*lines, *lines])
    # Neither is what lies in a partition of which the archive has nothing.
    for topic in TOPICS_IN:
        sender.raw(topic, b"{}", b"some key")
    sender.flush()
    before = files(tmp_path)
    result = command("archive", tmp_path, kafka=topics)
    assert (1, 1) == (result.exit_code, len(result.stderr.splitlines())), result.output
    assert "was made anew" in result.stderr
    assert "another folder" in result.stderr
    assert before == files(tmp_path)
    old = {span.topic: span.topic_id for span in spans(tmp_path)}
    archive(tmp_path / "another", topics)
    assert [] == verify(tmp_path / "another").problems
    new = {span.topic: span.topic_id for span in spans(tmp_path / "another")}
    assert len({*old.values(), *new.values()}) == len(old) + len(new)


def test_a_topic_that_is_made_anew_while_it_is_archived_is_not_kept_as_the_old(topics: str, tmp_path: Path) -> None:
    producer = Producer({"bootstrap.servers": topics})
    for number in range(10):
        producer.produce(CONTRACTS, use(number), CONTRACT, partition=0)
    producer.flush()
    taken: list[int] = []

    def advance(count: int) -> None:
        if not taken:
            kafka_topics.delete(topics)
            kafka_topics.create(topics)
        taken.append(count)

    with pytest.raises(ArchiveError, match="made anew"):
        archive(tmp_path, topics, advance=advance)
    assert [] == list(tmp_path.rglob("*.parquet"))


def test_a_kafka_that_was_put_back_is_not_archived_behind_what_it_had_before(tmp_path: Path) -> None:
    """Its topics have the same ids; only what is archived tells that other records have the same offsets now."""
    kafka = Kafka(tmp_path / "kafka", lambda _: None)
    earlier, out, another = tmp_path / "earlier", tmp_path / "out", tmp_path / "another"

    def fill(*counts: int) -> None:
        producer = Producer({"bootstrap.servers": kafka.bootstrap})
        for partition, count in enumerate(counts):
            for number in range(count):
                producer.produce(CONTRACTS, use(number), CONTRACT, partition=partition)
        assert 0 == producer.flush(30)

    with kafka:
        bootstrap = str(kafka.bootstrap)
        kafka_topics.create(bootstrap)
        fill(3, 3, 3, 3)
        kafka.stop()
        shutil.copytree(kafka.folder / "data", earlier)
        kafka.start()
        fill(2, 2, 0)
        assert (16, []) == archive(out, bootstrap)[1:3]
        kafka.stop()
        shutil.rmtree(kafka.folder / "data")
        shutil.copytree(earlier, kafka.folder / "data")
        kafka.start()
        # The first grows beyond what the archive has, the second does not, and of the third all that it has is there.
        fill(4, 1, 2, 1)
        before = files(out)
        result = command("archive", out, kafka=bootstrap)
        assert 1 == result.exit_code, result.output
        told = result.stderr.splitlines()
        first, second = f"{CONTRACTS}[0] has another record at offset 4", f"{CONTRACTS}[1] ends at 4"
        assert [first, second] == [
            line.removeprefix("refused: ")[: len(start)] for line, start in zip(told, (first, second), strict=True)
        ]
        assert all("put back to an earlier state" in line and "to another folder" in line for line in told)
        assert "archived 3 records in 2 new files" in result.stdout
        assert before.items() <= files(out).items()
        assert (19, []) == verify(out)[1:]
        assert (1, "archived 0 records in 0 new files") == (
            (again := command("archive", out, kafka=bootstrap)).exit_code,
            again.stdout.strip(),
        )
        # There it goes on.
        assert 0 == command("archive", another, kafka=bootstrap).exit_code
        fill(1)
        assert (1, [], []) == archive(another, bootstrap)[1:]
        assert (21, []) == verify(another)[1:]


def test_a_partition_that_was_compacted_goes_on(kafka: Kafka, topics: str, tmp_path: Path) -> None:
    """The statement that the archive ends with has made room for a newer one."""
    alter(topics, CREDIT, min_cleanable_dirty_ratio="0.0", segment_ms="100", max_compaction_lag_ms="100")
    producer = Producer({"bootstrap.servers": topics})

    def state(number: int) -> None:
        producer.produce(CREDIT, b"%d" % number, key=b"a party", partition=0)
        assert 0 == producer.flush(30)
        time.sleep(0.2)

    state(0)
    assert 1 == archive(tmp_path, topics).records

    def compacted() -> bool:
        state(1)
        return 0 not in [record.offset() for record in received(topics, CREDIT)]

    wait("the first statement is compacted away", compacted, every=1)
    done = archive(tmp_path, topics)
    assert (True, [], []) == (done.records > 0, done.lost, done.refused)
    assert [] == verify(tmp_path).problems


def test_an_archive_of_before_files_bore_the_id_of_their_topic_goes_on(topics: str, tmp_path: Path) -> None:
    lines = list(story.lines())
    Sender(topics).send(lines[:50])
    archive(tmp_path, topics)
    older = spans(tmp_path)
    for span in older:
        of_topic(span, None)
    assert {""} == {span.topic_id for span in spans(tmp_path)}
    Sender(topics).send(lines[50:])
    assert len(lines) - 50 == archive(tmp_path, topics).records
    assert (len(lines), []) == verify(tmp_path)[1:]
    assert {""} < {span.topic_id for span in spans(tmp_path)}
    assert replayed(lines).truth == replay(tmp_path).truth


def test_an_archive_that_mixes_two_topics_of_one_name_is_not_whole(copy: Path) -> None:
    span = middle(copy)
    of_topic(span, "another")
    (problem,) = verify(copy).problems
    assert [problem] == breaks(spans(copy))
    assert problem.startswith(f"{CONTRACTS}: ")
    assert "another" in problem
    result = command("archive", copy, "--verify")
    assert (1, True) == (result.exit_code, problem in result.stderr)
    assert f"warning: {problem}" in command("replay", copy).stderr


def test_a_kafka_that_is_not_there_or_has_no_topics_is_said(
    topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(archives, "SILENCE_SECONDS_MAX", 1.0)
    with pytest.raises(ArchiveError, match="does not answer"):
        archive(tmp_path, f"127.0.0.1:{free_port()}")
    # One sentence, and nothing of a library's beside it.
    assert [] == caplog.messages
    kafka_topics.delete(topics)
    with pytest.raises(ArchiveError, match="circulation topics create"):
        archive(tmp_path, topics)
