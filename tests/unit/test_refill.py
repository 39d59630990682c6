"""What expired is taken in from an archive at the positions that it had: each once, whatever happens on the way."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest

from circulation.examples import SELLER, party
from streams.feeds.feeds import Feed
from streams.feeds.homing import place
from streams.feeds.resuming import Kept, ResumeRefused
from streams.offline import refill as refills
from streams.offline.archive_files import Writer, spans
from streams.offline.refill import covered, refill, spans_of
from streams.settings import Settings
from streams.store import schema
from streams.store.store import Store
from streams.topics import PARTIES
from streams.wire.addresses import home_of
from streams.worker.worker import Worker

PARTITIONS = 7
TP = (PARTIES, home_of(SELLER.encode(), PARTITIONS))
# The first such party is at home in another partition.
OTHER = next(one for one in (f"lei:{n}" for n in range(99)) if home_of(one.encode(), PARTITIONS) != TP[1])
# Offset 13 is the mark of a transaction, and no record.
OFFSETS = (10, 11, 12, 14, 15)


class Sent:
    """A record as Kafka's client gives it to the archive."""

    def __init__(self, offset: int, value: bytes, key: str) -> None:
        self._offset, self._value, self._key = offset, value, key

    def offset(self) -> int:
        return self._offset

    def timestamp(self) -> tuple[int, int]:
        return (1, 1_700_000_000_000)

    def key(self) -> bytes:
        return self._key.encode()

    def value(self) -> bytes:
        return self._value

    def headers(self) -> Sequence[tuple[str, bytes]]:
        return ()


def value(offset: int, name: str = SELLER) -> bytes:
    return orjson.dumps(party(name, f"2025-01-{offset}", name=f"Name {offset}"))


def write(out: Path, begin: int, end: int, poison: int | None = None, stray: int | None = None) -> None:
    """One file of an archive; at offset `poison` lies what is no event, at `stray` what is at home elsewhere."""
    folder = out / f"topic={TP[0]}" / f"partition={TP[1]}"
    with Writer(folder, TP, begin, "") as writer:
        for offset in OFFSETS:
            if begin <= offset < end:
                key = OTHER if offset == stray else SELLER
                writer.add(Sent(offset, b"{" if offset == poison else value(offset, key), key))
        assert writer.finish(end, lambda: "id") is not None


@pytest.fixture
def worker(store: Store) -> Iterator[Worker]:
    url = store._url.render_as_string(hide_password=False)
    made = Worker(Settings.read({"CIRCULATION_STORE": url, "CIRCULATION_KAFKA": "127.0.0.1:1"}), store)
    with store.writing() as db:
        db.many(schema.progress, [(*TP, 10, "id", None, None, 0, None, None)])
    made.heart.begin()
    yield made
    made.close()


def feed(position: int = 10) -> Feed:
    return Feed(*TP, position, "id", 20, 30, "id")


def names(store: Store) -> list[str]:
    with store.reading() as db:
        return [orjson.loads(bytes(row[0]))["name"] for row in db.rows("select data from events order by id")]


def position(store: Store) -> int:
    with store.reading() as db:
        ((at,),) = db.rows("select next from progress")
    return int(at)


def test_how_far_an_archive_reaches_without_a_hole(tmp_path: Path) -> None:
    for begin, end in ((10, 12), (12, 14), (15, 16)):
        write(tmp_path, begin, end)
    found = spans_of(tmp_path, TP)
    assert 3 == len(found) == len(spans(tmp_path))
    assert [] == spans_of(tmp_path, (PARTIES, 1))
    assert [9, 14, 14, 14, 12, 16, 16] == [
        covered(found, *wanted) for wanted in ((9, 20), (10, 20), (11, 20), (13, 20), (10, 12), (15, 20), (15, 16))
    ]


def test_all_that_is_there_is_taken_in_once_and_the_position_moves_with_it(
    worker: Worker, store: Store, tmp_path: Path
) -> None:
    write(tmp_path, 10, 12)
    write(tmp_path, 12, 16)
    assert Kept(10, 16, 5) == refill(worker, feed(), tmp_path, 20, partitions=PARTITIONS)
    assert ([f"Name {offset}" for offset in OFFSETS], 16) == (names(store), position(store))
    with pytest.raises(ResumeRefused, match=r"does not hold offset 16 of circulation\.parties\[2\]"):
        refill(worker, feed(16), tmp_path, 20, partitions=PARTITIONS)


def test_it_takes_in_no_further_than_to_where_the_partition_goes_on(
    worker: Worker, store: Store, tmp_path: Path
) -> None:
    write(tmp_path, 10, 16)
    assert Kept(10, 12, 2) == refill(worker, feed(), tmp_path, 12, partitions=PARTITIONS)
    assert (["Name 10", "Name 11"], 12) == (names(store), position(store))


def test_a_run_that_ends_half_way_is_gone_on_with_and_what_is_no_event_is_rejected(
    worker: Worker, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, 10, 16, poison=11)
    monkeypatch.setattr(refills, "RECORDS_MAX", 2)
    steps = refills._steps

    def killed(*wanted: Any) -> Iterator[Any]:
        yield next(steps(*wanted))
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(refills, "_steps", killed)
        refill(worker, feed(), tmp_path, 20, partitions=PARTITIONS)
    assert (["Name 10"], 12) == (names(store), position(store))
    assert Kept(12, 16, 3) == refill(worker, feed(12), tmp_path, 20, partitions=PARTITIONS)
    assert (["Name 10", "Name 12", "Name 14", "Name 15"], 16) == (names(store), position(store))
    with store.reading() as db:
        ((headers, raw),) = db.rows("select headers, value from outbox where topic = 'circulation.rejected'")
    assert b"{" == bytes(raw)
    assert ["reason", "not-json"] in orjson.loads(bytes(headers))
    assert ["offset", "11"] in orjson.loads(bytes(headers))


def test_what_is_at_home_elsewhere_is_sent_on_as_a_worker_sends_it_on(
    worker: Worker, store: Store, tmp_path: Path
) -> None:
    write(tmp_path, 10, 16, stray=12)
    assert Kept(10, 16, 5) == refill(worker, feed(), tmp_path, 20, partitions=PARTITIONS)
    assert ["Name 10", "Name 11", "Name 14", "Name 15"] == names(store)
    with store.reading() as db:
        ((key, headers, raw),) = db.rows("select key, headers, value from outbox where topic = ?", PARTIES)
        assert [(1,)] == db.rows("select sent_on from progress")
    assert (OTHER.encode(), value(12, OTHER)) == (bytes(key), bytes(raw))
    assert ["sent-on-from", f"{TP[1]}@12"] in orjson.loads(bytes(headers))


def test_it_goes_by_the_number_of_partitions_that_the_workers_go_by(
    worker: Worker, store: Store, tmp_path: Path
) -> None:
    with store.writing() as db:
        place(db, PARTIES, "id", PARTITIONS + 1, {}, 1)
    assert TP[1] != home_of(SELLER.encode(), PARTITIONS + 1)
    write(tmp_path, 10, 16)
    assert Kept(10, 16, 5) == refill(worker, feed(), tmp_path, 20, partitions=PARTITIONS)
    assert [] == names(store)


def test_who_took_in_meanwhile_is_not_passed_over(worker: Worker, store: Store, tmp_path: Path) -> None:
    write(tmp_path, 10, 16)
    with store.writing() as db:
        db.run("update progress set next = 12")
    with pytest.raises(ResumeRefused, match="moved on by somebody else"):
        refill(worker, feed(), tmp_path, 20, partitions=PARTITIONS)
    assert ([], 12) == (names(store), position(store))
