"""Replay: the same desks and rules over a file, by the clock of its events."""

import base64
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
import zstandard

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Json, asset, entry, event, listed, party, signed, terms, used
from circulation.packs.reading import parse_pack
from streams.offline.replay import Replay, Tally, findings_of, offline
from streams.store.store import Store
from streams.wire.files import lines_of
from tests.modes import only

RULES = only("negative-list", "usage-limit", "deletion-overdue", entries=[entry("secret")])
SECRET = asset("asset", tags=["secret"])
HARMLESS = asset("asset", time="2024-12-01")


class Written(NamedTuple):
    findings: list[Json]
    rejected: list[Json]
    tally: Tally


def replayed(lines: Sequence[Json | bytes], *, until: str | None = None) -> Written:
    engine = offline(Store("sqlite://"), parse_pack(RULES, published=False))
    findings: list[bytes] = []
    rejected: list[bytes] = []
    run = Replay(
        engine,
        Admission(),
        findings=findings.append,
        rejected=rejected.append,
        until=None if until is None else parse_instant(until),
    )
    tally = run.run(one if isinstance(one, bytes) else orjson.dumps(one) for one in lines)
    return Written([orjson.loads(one) for one in findings], [orjson.loads(one) for one in rejected], tally)


def deletion(until: str | None, *more: Json) -> list[Json]:
    held = signed("c", "2025-01-01", terms=terms(valid_to="2025-03-01", delete_within_days=1))
    found = replayed([held, *more], until=until).findings
    return [one for one in found if one["data"]["detector"] == "deletion-overdue"]


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n"])
def test_empty_lines_are_ignored_and_counted_as_lines(ending: bytes) -> None:
    written = replayed([b"\n", orjson.dumps(party("p:1")) + ending, b"   \r\n", b""])
    assert (4, 1, 0, 0) == written.tally[:4]


def test_a_rejected_line_is_written_with_its_number_its_reason_and_its_bytes() -> None:
    broken = b'{"specversion": "1.0", "id": "\xe4"'
    written = replayed([party("p:1"), b"not json\n", broken + b"\r\n"])
    assert [(2, "not-json"), (3, "not-json")] == [(one["line"], one["reason"]) for one in written.rejected]
    assert "not json" == written.rejected[0]["record"]
    assert "record" not in written.rejected[1]
    assert broken == base64.b64decode(written.rejected[1]["record_base64"])
    assert all(one["detail"] for one in written.rejected)
    assert 2 == written.tally.rejected


def test_rejections_are_written_in_the_order_of_the_lines() -> None:
    lost = event("usage.cancelled", "c", "2025-01-01", usage="never", uses=1)
    written = replayed([b"one", used("c", "2025-01-01"), b"two", lost, b"three"])
    assert [1, 3, 4, 5] == [one["line"] for one in written.rejected]
    assert orjson.loads(written.rejected[2]["record"]) == lost


def test_the_clock_is_the_highest_admitted_time() -> None:
    written = replayed([party("p:1", "2025-03-01"), party("p:1", "2025-02-01"), b"rejected"])
    assert parse_instant("2025-03-01") == written.tally.clock


def test_what_is_refused_late_or_is_a_duplicate_does_not_move_the_clock() -> None:
    first = party("p:1", "2025-02-20", id="first")
    unknown = event("usage.cancelled", "c", "2025-12-01", usage="never", uses=1)
    again = first | {"time": "2025-12-01T00:00:00+08:00"}
    for ignored in (unknown, again):
        assert parse_instant("2025-02-20") == replayed([first, ignored]).tally.clock
        assert [] == deletion(None, first, ignored)


def test_a_duplicate_among_uses_does_not_move_the_clock_of_what_they_raise() -> None:
    held = signed("c", "2025-01-01", terms=terms(uses_max=2))
    first, second, third = (used("c", f"2025-02-0{day}", sequence=day, id=f"u{day}") for day in (1, 2, 3))
    again = used("c", "2025-02-20", sequence=1, id="u1")
    found = replayed([held, first, second, again, third]).findings
    bands = [one["time"] for one in found if one["data"]["detector"] == "usage-limit"]
    assert [parse_instant("2025-02-02"), parse_instant("2025-02-03")] == [parse_instant(one) for one in bands]


def test_packs_do_not_move_the_clock() -> None:
    published = event("rulepack.published", "beijing", "2025-06-01", **RULES)
    assert parse_instant("2025-03-01") == replayed([party("p:1", "2025-03-01"), published]).tally.clock
    assert replayed([published]).tally.clock is None


def test_until_moves_the_clock_on_and_never_back() -> None:
    for until, clock in (("2025-04-01", "2025-04-01"), ("2025-01-01", "2025-03-01")):
        assert parse_instant(clock) == replayed([party("p:1", "2025-03-01")], until=until).tally.clock


def test_a_time_up_to_until_is_not_of_the_future() -> None:
    late = party("p:1", "2999-01-01")
    assert ["from-the-future"] == [one["reason"] for one in replayed([late]).rejected]
    assert [] == replayed([late], until="2999-01-01").rejected


@pytest.mark.parametrize(
    ("clock", "raised"),
    [
        ("2025-03-01T23:59:59.999999+08:00", 0),
        ("2025-03-02T00:00:00+08:00", 0),
        ("2025-03-02T00:00:00.000001+08:00", 1),
    ],
)
def test_a_deadline_fires_when_the_clock_is_past_it(clock: str, raised: int) -> None:
    assert raised == len(deletion(clock))
    assert raised == len(deletion(None, party("p:1", clock)))


def test_a_finding_of_a_deadline_bears_the_deadline_and_leaves_with_the_clock() -> None:
    (one,) = deletion("2025-09-01")
    assert "2025-03-02T00:00:00+08:00" == one["data"]["occurred"]
    assert "2025-09-01T00:00:00+08:00" == one["time"]


def test_what_is_refuted_is_cleared_and_what_is_said_again_has_the_next_revision() -> None:
    back = event("event.retracted", "asset", "2025-03-03", event=HARMLESS["id"], type=HARMLESS["type"], reason="wrong")
    found = replayed([SECRET, listed("asset", "2024-12-15"), HARMLESS, back]).findings
    kinds = [(one["type"].rsplit(".", 1)[1], one["data"]["revision"]) for one in found]
    assert [("raised", 1), ("cleared", 1), ("raised", 2)] == kinds
    assert "refuted" == found[1]["data"]["reason"]
    for one in found:
        assert f"{one['data']['finding']}.{one['data']['revision']}" == one["id"]
    assert len({(one["source"], one["id"]) for one in found}) == 3


def test_what_was_taken_back_is_cleared_as_retracted() -> None:
    shown = listed("asset", "2025-02-01")
    back = event("event.retracted", "asset", "2025-02-02", event=shown["id"], type=shown["type"], reason="wrong")
    found = replayed([SECRET, shown, back]).findings
    assert [("raised", None), ("cleared", "retracted")] == [
        (one["type"].rsplit(".", 1)[1], one["data"].get("reason")) for one in found
    ]


def test_a_finding_is_keyed_by_the_party_that_is_responsible() -> None:
    (one,) = replayed([SECRET, listed("asset", "2025-02-01")]).findings
    assert one["data"]["party"] == one["subject"]
    assert {"pack", "version", "digest"} == set(one["data"]["rulepack"])
    assert "enforce" == one["data"]["mode"]


def test_duplicates_are_counted_and_ignored() -> None:
    assert (3, 3, 2, 0) == replayed([SECRET, SECRET, SECRET]).tally[:4]


def test_standing_findings_come_in_the_order_of_their_ids() -> None:
    lines = [SECRET, *(listed("asset", f"2025-02-{day:02}") for day in range(1, 9))]
    found: list[dict[str, Any]] = findings_of(lines, pack=RULES)
    assert 8 == len(found)
    assert found == sorted(found, key=lambda one: one["finding"])


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", ".jsonl.zst"])
def test_packed_files_are_unpacked_on_the_way(suffix: str, tmp_path: Path) -> None:
    text = b"one\ntwo\n\nlast"
    packed = {"jsonl": bytes, "gz": gzip.compress, "zst": zstandard.compress}[suffix.rsplit(".", 1)[1]](text)
    path = tmp_path / f"events{suffix}"
    path.write_bytes(packed)
    assert [b"one\n", b"two\n", b"\n", b"last"] == list(lines_of(path))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_packed_file_that_is_none_cannot_be_read(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"events{suffix}"
    path.write_bytes(b"plain text\n")
    with pytest.raises(OSError):
        list(lines_of(path))


def test_a_file_of_several_frames_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl.zst"
    path.write_bytes(b"".join(zstandard.compress(one) for one in (b"one\nt", b"", b"wo\n" + b"x" * 300_000)))
    assert [b"one\n", b"two\n", b"x" * 300_000] == list(lines_of(path))


@pytest.mark.parametrize(("suffix", "pack_"), [(".gz", gzip.compress), (".zst", zstandard.compress)])
def test_a_file_that_was_cut_off_cannot_be_read(suffix: str, pack_: Callable[[bytes], bytes], tmp_path: Path) -> None:
    path = tmp_path / f"events{suffix}"
    path.write_bytes(pack_(b"line\n" * 1000)[:-12])
    with pytest.raises(OSError):
        list(lines_of(path))
