"""Ways round the monitor by the envelope, each closed: slips, numbers that begin again, rejections forgotten."""

import base64
import copy
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from samples import DATA, NOW, SOURCE, sample

import detectors
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY, ATTRIBUTES
from circulation.admission.reasons import Reason, Rejection
from circulation.admission.records import EVENT_BYTES_MAX, LARGE_BYTES_MAX
from circulation.admission.sources import Sources
from circulation.calendar import parse_instant
from circulation.currencies import INTRODUCED, WITHDRAWN
from circulation.events.event import Event
from circulation.events.names import EVENT_RETRACTED, OPENLINEAGE_RUN, RULEPACK_PUBLISHED
from circulation.events.reading import read
from circulation.events.types import TYPES
from circulation.examples import (
    SELLER,
    Json,
    asset,
    derived,
    entry,
    event,
    listed,
    pack,
    party,
    signed,
    terms,
    used,
)
from circulation.near import Slips
from circulation.packs.problems import PackInvalid
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from streams.engine import Engine
from streams.intake import Arrival, Refused
from streams.intake.batch import rejected
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from streams.worker.registry import Metrics

USAGE = "circulation.usage.reported"
CONTRACTS = "circulation.contracts"
FEED = "//exchange.example"


def answered(said: Any, sources: Sources | None = None, **how: Any) -> Event | Rejection:
    record = said if isinstance(said, bytes) else orjson.dumps(said)
    given_ = {"topic": None, "key": ANY, "headers": None, "now": NOW, **how}
    found = Admission(sources).admit(record, **given_)
    assert not isinstance(found, list)
    return found


def told(said: Any, **how: Any) -> tuple[str, str]:
    """The code and the detail of what is rejected."""
    found = answered(said, **how)
    assert isinstance(found, Rejection), found
    return str(found.reason), found.detail


def slipped(said: Json, *path: str | int, old: str, new: str) -> Json:
    """The same event with one member called otherwise."""
    said = orjson.loads(orjson.dumps(said))
    place: Any = said
    for step in path:
        place = place[step]
    place[new] = place.pop(old)
    return said


# A slip of the pen.


@pytest.mark.parametrize(
    ("said", "path", "old", "new", "where"),
    [
        (signed("c", "2025-01-01", terms=terms(uses_max=10)), ("terms",), "uses_max", "use_max", "terms."),
        (signed("c", "2025-01-01", terms=terms(uses_max=10)), ("terms",), "uses_max", "usesMax", "terms."),
        (signed("c", "2025-01-01", terms=terms(uses_max=10)), ("terms",), "uses_max", "maximum_uses", "terms."),
        (
            signed("c", "2025-01-01", terms=terms(windows=[{"uses_max": 1, "seconds": 60}])),
            ("terms", "windows", 0),
            "uses_max",
            "uses_mx",
            "terms.windows[0].",
        ),
        (
            listed("a", "2025-01-01", price={"mode": "guided", "amount": "2", "ceiling": "1"}),
            ("price",),
            "ceiling",
            "cieling",
            "price.",
        ),
        (derived("b", "2025-01-01", "a") | {}, ("inputs", 0), "asset", "assets", "inputs[0]."),
        (party(SELLER, controller="x:1"), (), "controller", "controler", ""),
        (party(SELLER, ciio=True), (), "ciio", "CIIO-", ""),
        (asset("a", public=True), (), "public", "pulbic", ""),
        (used("c", "2025-01-01", country="DE"), (), "country", "Country", ""),
    ],
)
def test_a_misspelt_limit_is_no_licence_without_one(
    said: Json, path: tuple[str | int, ...], old: str, new: str, where: str
) -> None:
    code, detail = told(slipped(said, "data", *path, old=old, new=new))
    assert "invalid-data" == code
    assert f"$.data.{where}{new}: no such member" in detail
    if new != "maximum_uses":
        assert f"did you mean {old}?" in detail


def test_what_nobody_knows_is_refused_in_a_licence_and_ignored_and_counted_elsewhere() -> None:
    within = signed("c", "2025-01-01", terms=terms(colour="red"))
    assert ("invalid-data", "$.data.terms.colour: no such member") == told(within)
    beside = party(SELLER, colour="red", flavour=None) | {"traceparent": "00-1", "tracestate": None}
    event = answered(beside)
    assert isinstance(event, Event)
    assert (2, 0) == (event.unknown, answered(party(SELLER)).unknown)
    use = answered(used("c", "2025-01-01", colour="red"))
    assert isinstance(use, Event)
    assert 1 == use.unknown


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"negative_lst": []}, None),  # beside the list
        ({"negative_list": None, "negative_lst": []}, "$.data.negative_lst: is not known; did you mean negative_list?"),
        ({"valid_too": "2026-01-01"}, "$.data.valid_too: is not known; did you mean valid_to?"),
        ({"colour": 1}, None),
        ({"detectors": {"usage-limit": {"mod": "off"}}}, "did you mean mode?"),
        ({"detectors": {"usage-limit": {"mode": "off", "mod": "off"}}}, None),
        ({"detectors": {"usage-limit": {"warnig_percent": 70}}}, "did you mean warning_percent?"),
        ({"negative_list": [entry("a", valid_too="2026-01-01")]}, "did you mean valid_to?"),
        ({"negative_list": [entry("a", match={"category": ["x"], "lvel": ["core"]})]}, "did you mean level?"),
    ],
)
def test_a_slip_in_a_published_pack_is_no_pack_without_it(members: Json, expected: str | None) -> None:
    said = pack(approved_by=["a", "b"]) | members
    known = parameters(detectors.RULES)
    try:
        parse_pack(said, published=True, known=known)
        told_ = None
    except PackInvalid as invalid:
        told_ = "; ".join(invalid.problems)
    assert (expected is None) == (told_ is None), told_
    assert expected is None or (told_ is not None and expected in told_)
    # One that is in force already stays so.
    assert said["pack"] == parse_pack(said, published=True).pack


def test_unknown_members_are_counted_by_type_of_what_is_taken_in() -> None:
    store = Store("sqlite://")
    engine = offline(store, parse_pack(pack(), published=False))
    engine.take_up()
    lines = [
        SIGNED | {"traceparent": "1"},
        use(1, 1) | {"traceparent": "1", "dataref": "2"},
        use(2, 2),
        use(3, 3, colour="red"),
        use(3, 3, colour="red"),
        cancelled("never", "2025-02-04", 1, colour="red"),
    ]
    events = [one for one in map(answered, lines) if isinstance(one, Event)]
    outcome = engine.take([Arrival(at, NOW, one, b"", ("file", 0, at)) for at, one in enumerate(events)], [], NOW)
    assert ((len(lines), 1), ["invalid-data"]) == ((len(events), outcome.duplicates), list(outcome.rejected))
    assert {"circulation.contract.signed": 1, USAGE: 3} == outcome.unknown
    metrics = Metrics(CollectorRegistry())
    metrics.unknown(outcome.unknown)
    assert 3 == metrics.registry.get_sample_value("circulation_unknown_members_total", {"type": USAGE})


def test_a_name_like_that_of_a_member_which_is_there_is_nobodys_slip() -> None:
    assert isinstance(answered(party(SELLER, controller="x:1", controler="x:2")), Event)
    assert "invalid-data" == told(party(SELLER, controller=None, controler="x:2"))[0]
    assert isinstance(answered(party(SELLER, controler=None)), Event)
    # Two edits away is another word.
    assert isinstance(answered(party(SELLER, contoler="x:2")), Event)


def test_a_slip_is_told_however_many_dashes_it_has() -> None:
    said = party(SELLER, controller=None) | {}
    said["data"]["_".join("controler") + "_" * 9_999] = "x:1"
    code, detail = told(said)
    assert "invalid-data" == code
    assert detail.endswith("did you mean controller?")


@pytest.mark.parametrize(
    ("new", "meant"),
    [
        ("sequenc", "sequence"),
        ("seqeunce", "sequence"),
        ("sequence_type", "sequencetype"),
        ("SequenceEpoch", "sequenceepoch"),
        ("partition-key", "partitionkey"),
        ("reportes", "reporter"),
        ("data_bas64", "data_base64"),
    ],
)
def test_a_slip_in_an_attribute_is_told_and_an_extension_is_not(new: str, meant: str) -> None:
    said = used("c", "2025-01-01") | {new: "1"}
    expected = ("invalid-data", f"$.{new}: no such attribute; did you mean {meant}?")
    assert expected == told(said)
    headers = [(f"ce_{name}", str(one).encode()) for name, one in said.items() if name != "data"]
    # Names of headers have no upper case.
    if new.lower() != meant:
        assert ("invalid-data", expected[1].lower()) == told(orjson.dumps(said["data"]), headers=headers)
    assert isinstance(answered(used("c", "2025-01-01") | {"traceparent": "1", "dataref": "2", "bsn": "3"}), Event)


def test_a_slip_in_a_type_is_told() -> None:
    assert (
        "unknown-type",
        "$.type: no event has the type 'circulation.usage.reportd'; did you mean " + USAGE + "?",
    ) == (told(used("c", "2025-01-01") | {"type": "circulation.usage.reportd"}))
    assert "circulation.delivery.completed" in told(used("c", "2025-01-01") | {"type": "circulation.delivery.done"})[1]


LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-é数"


@st.composite
def slips(draw: st.DrawFn, word: str) -> str:
    """A word one edit away, in any case and with any `_` and `-`."""
    at = draw(st.integers(0, len(word) - 1))
    letter = draw(st.sampled_from(LETTERS))
    edited = draw(
        st.sampled_from(
            [
                word[:at] + letter + word[at:],
                word[:at] + word[at + 1 :],
                word[:at] + letter + word[at + 1 :],
                word[:at] + word[at : at + 2][::-1] + word[at + 2 :],
            ]
        )
    )
    if draw(st.booleans()):
        edited = edited.upper()
    between = draw(st.sampled_from(["", "_", "-"]))
    return edited[:at] + between + edited[at:]


def objects(value: Any) -> Iterator[Json]:
    """All objects in a value that have members."""
    if isinstance(value, dict) and value:
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(one)


KNOWN = {name for _, struct in TYPES.values() if struct is not None for name in struct.__struct_fields__}


@given(st.sampled_from(sorted(name for name in TYPES if DATA[name] and name != RULEPACK_PUBLISHED)), st.data())
def test_of_any_event_no_slip_in_the_name_of_any_member_is_admitted(type_name: str, data: st.DataObject) -> None:
    said = copy.deepcopy(sample(type_name))
    places = list(objects(said["data"]))
    place = places[data.draw(st.integers(0, len(places) - 1))]
    member = data.draw(st.sampled_from(sorted(place)))
    new = data.draw(slips(member))
    # A slip may make another member of it, which is judged as that.
    assume(new not in place and new not in KNOWN)
    place[new] = place.pop(member)
    found = answered(said)
    assert isinstance(found, Rejection)
    assert "no such member; did you mean" in found.detail


@given(st.sampled_from(sorted(ATTRIBUTES)), st.data())
def test_one_slip_is_near_to_its_word_and_two_in_different_places_mostly_are_not(
    word: str, data: st.DataObject
) -> None:
    assert word in Slips(ATTRIBUTES).of(data.draw(slips(word)))
    # A letter that is moved away is two slips, though one left out of each makes them the same.
    assert [] == Slips([word]).of(word + "xyz") == Slips([word]).of("xy" + word) == Slips(["abcdef"]).of("bcdaef")


@pytest.mark.parametrize("type_name", TYPES)
def test_no_good_event_is_taken_for_a_slip_whatever_it_leaves_out(type_name: str) -> None:
    struct = TYPES[type_name][1]
    for left_out in DATA[type_name]:
        members = {name: one for name, one in DATA[type_name].items() if name != left_out}
        reading = read(type_name, members)
        assert not any("no such member" in fault.rule for fault in reading.faults), (struct, left_out)


def test_up_to_ten_faults_are_told_each_with_its_path_those_of_the_code_first() -> None:
    said = sample("circulation.export.performed", subject="nobody", id="\n")
    said["data"] = {
        "export": "",
        "recipient": "no",
        "country": "XX",
        "persons": -1,
        "level": "high",
        "asset": 7,
        "contrat": "c",
    }
    code, detail = told(said)
    lines = detail.split("\n")
    assert "bad-identifier" == code
    assert ["$.subject", "$.id", "$.data.export", "$.data.recipient"] == [one.partition(": ")[0] for one in lines[:4]]
    paths = {one.partition(": ")[0] for one in lines[4:]}
    assert {"$.data.country", "$.data.persons", "$.data.level", "$.data.asset", "$.data.contrat", "$.data"} == paths
    many = derived("b", "2025-01-01", *["a"] * 30)
    for one in many["data"]["inputs"]:
        one["share"] = 2
    code, detail = told(many)
    assert ("invalid-data", [f"$.data.inputs[{at}].share" for at in range(10)]) == (
        code,
        [one.partition(": ")[0] for one in detail.split("\n")],
    )
    assert ("not-cloudevent", 6) == (told(b"{}")[0], len(told(b"{}")[1].split("\n")))


# What is written in another way.


def test_json_in_base64_is_data() -> None:
    said = used("c", "2025-01-01")
    members = {name: one for name, one in said.items() if name != "data"}
    packed = {"data_base64": base64.b64encode(orjson.dumps(said["data"])).decode()}
    for more in ({}, {"datacontenttype": "application/json"}, {"datacontenttype": "text/json; charset=utf-8"}):
        assert answered(said) == answered(members | packed | more)
    assert "invalid-data" == told(members | packed | {"datacontenttype": "application/xml"})[0]
    slip = {"data_base64": base64.b64encode(orjson.dumps({"uses": 1, "purpose": "p", "contry": "DE"})).decode()}
    assert ("invalid-data", "$.data.contry: no such member; did you mean country?") == told(members | slip)


@pytest.mark.parametrize("currency", ["CNY", "BGN", "HRK", "XCG", *sorted(WITHDRAWN), *sorted(INTRODUCED)])
def test_a_currency_is_good_in_which_somebody_may_have_paid(currency: str) -> None:
    assert isinstance(answered(signed("c", "2025-06-01", currency=currency)), Event)


@pytest.mark.parametrize("currency", ["DEM", "cny", "BTC", ""])
def test_a_currency_that_went_before_2015_or_never_was_is_not(currency: str) -> None:
    assert "invalid-data" == told(signed("c", "2025-06-01", currency=currency))[0]


@pytest.mark.parametrize(("more", "expected"), [(0, None), (1, "too-large")])
def test_an_event_has_1_mib_and_a_pack_and_a_run_16(more: int, expected: str | None) -> None:
    run = {"eventTime": "2025-01-01T00:00:00Z", "run": {"runId": "r"}, "job": {"namespace": "n", "name": "j"}}
    for said, most in (
        (sample(USAGE), EVENT_BYTES_MAX),
        (sample(RULEPACK_PUBLISHED), LARGE_BYTES_MAX),
        (run, LARGE_BYTES_MAX),
    ):
        record = orjson.dumps(said)
        found = answered(record + b" " * (most + more - len(record)))
        assert expected == (str(found.reason) if isinstance(found, Rejection) else None)


# What is rejected is found again.


def headers_of(said: Any, **how: Any) -> tuple[bytes | None, dict[str, str]]:
    found = answered(said, **how)
    assert isinstance(found, Rejection)
    message = rejected(Refused(1, found, (CONTRACTS, 3, 7)))
    return message.key, dict(message.headers)


def test_a_rejected_record_names_its_event_in_headers_and_its_source_in_the_key() -> None:
    said = sample(USAGE, data={})
    names = {"source": SOURCE, "type": USAGE, "subject": "contract-1", "id": "e-1"}
    record, large = orjson.dumps(said), orjson.dumps(sample(USAGE, more="x" * EVENT_BYTES_MAX))
    binary = [("ce_specversion", b"1.0"), *((f"ce_{name}", one.encode()) for name, one in names.items())]
    for given_, how in ((record, {}), (large, {}), (b"{}", {"headers": binary}), (b"{", {"headers": binary})):
        key, headers = headers_of(given_, **how)
        assert SOURCE.encode() == key
        assert names == {name: headers.get(name) for name in names}
        assert ("circulation.contracts", "3", "7") == tuple(headers[name] for name in ("topic", "partition", "offset"))
    run = {"eventTime": "2025-01-01", "run": {"runId": "r"}, "job": {}, "producer": "urn:dbt"}
    key, headers = headers_of(run)
    assert (b"urn:dbt", OPENLINEAGE_RUN, "r") == (key, headers["type"], headers["subject"])
    key, _ = headers_of(run, headers=[("ce_source", b"//etl.example")])
    assert b"//etl.example" == key


@pytest.mark.parametrize(
    ("said", "readable"),
    [
        (b"not json", set()),
        (b"\xff", set()),
        (b'{"source": "s", "id": ', set()),
        (b'{"source": 7, "id": "i"}', {"id"}),
        (b'{"source": "a", "source": "b"}', {"source"}),
        (b'{"source": "%s"}' % (b"s" * 1_025), set()),
        (b"[" * 70, set()),
    ],
)
def test_what_cannot_be_read_of_a_rejected_record_is_not_told(said: bytes, readable: set[str]) -> None:
    key, headers = headers_of(said)
    assert readable == headers.keys() & {"source", "type", "subject", "id"}
    assert ("source" in readable) == (key is not None)


# Numbers that begin again.


def cancelled(usage: str, time: str, uses: int, **how: Any) -> Json:
    return event("usage.cancelled", "c", time, usage=usage, uses=uses, **how)


class Told:
    """What a replay said."""

    def __init__(self, lines: Sequence[Json | bytes], *, cut: int = 0, sources: Sources | None = None) -> None:
        store = Store("sqlite://")
        left: list[bytes] = []
        rejected_: list[bytes] = []
        self.duplicates = 0
        records = [one if isinstance(one, bytes) else orjson.dumps(one) for one in lines]
        for part in (records[:cut], records[cut:]):
            engine: Engine = offline(store, parse_pack(pack(), published=False))
            run = Replay(engine, Admission(sources), findings=left.append, rejected=rejected_.append)
            self.duplicates += run.run(part).duplicates
        # What was said, without the clock, which begins anew with a replay.
        self.said = [
            (one["type"], {name: each for name, each in one["data"].items() if name != "cleared"})
            for one in map(orjson.loads, left)
        ]
        self.rejected = [
            (one["reason"], orjson.loads(one["record"])["id"])
            for one in map(orjson.loads, rejected_)
            if "record" in one
        ]
        with store.reading() as db:
            rows = db.rows(
                "select data from findings where standing and detector = 'feed-gap' order by occurred, finding"
            )
        self.gaps = [orjson.loads(row[0]) for row in rows]

    def evidence(self) -> list[tuple[str, Any, Any]]:
        """Of each gap the event that revealed it, what is missing, and what of it was rejected."""
        return [
            (
                one["cause"]["id"],
                one["evidence"].get("missing"),
                [(each["number"], each["reasons"]) for each in one["evidence"].get("rejected", [])],
            )
            for one in self.gaps
        ]


def use(number: int, day: int, /, id: str | None = None, **data: Any) -> Json:
    return used("c", f"2025-02-{day:02}", id=id or f"u{number}", sequence=number, **data)


SIGNED = signed("c", "2025-01-01", terms=terms(uses_max=10))


def test_numbers_that_begin_again_are_never_swallowed() -> None:
    lines = [SIGNED, use(1, 1), use(2, 2), use(1, 3, "again-1"), use(2, 4, "again-2"), use(3, 5)]
    found = Told(lines)
    assert [("sequence-reused", "again-1"), ("sequence-reused", "again-2")] == found.rejected
    assert 0 == found.duplicates
    assert [] == found.gaps


def test_the_same_number_that_is_no_later_is_a_duplicate_whatever_its_id() -> None:
    assert (2, []) == (
        (found := Told([SIGNED, use(1, 1), use(2, 4), use(1, 1), use(2, 4, "other")])).duplicates,
        found.rejected,
    )


def test_numbers_begin_again_in_the_midst_of_one_fetch_or_of_another() -> None:
    """The state moves on with runs of uses too, and is kept between two replays of one store."""
    lines = [SIGNED, *(use(at, at) for at in range(1, 6)), use(3, 5, "same"), use(3, 6, "later"), use(6, 7)]
    for cut in range(len(lines)):
        found = Told(lines, cut=cut)
        assert ([("sequence-reused", "later")], 1) == (found.rejected, found.duplicates)


def test_what_fills_a_gap_late_is_later_than_all_and_still_good() -> None:
    found = Told([SIGNED, use(1, 1), use(3, 3), use(2, 9), use(1, 10, "late")])
    assert ([], [("sequence-reused", "late")]) == (found.gaps, found.rejected)


def test_of_a_rejected_event_with_a_used_number_the_first_code_counts() -> None:
    first = use(1, 1)
    lines = [SIGNED, first, cancelled("never", "2025-02-03", 1, id="unknown", sequence=1)]
    lines.append(cancelled("u1", "2025-02-04", 1, id="known", sequence=1))
    assert [("invalid-data", "unknown"), ("sequence-reused", "known")] == Told(lines).rejected


def test_a_higher_epoch_counts_from_one_again_and_says_that_its_end_before_is_not_known() -> None:
    lines = [SIGNED, use(1, 1), use(2, 2), used("c", "2025-02-03", id="new", sequence=1, epoch=4)]
    found = Told(lines)
    assert ([], 0) == (found.rejected, found.duplicates)
    (gap,) = found.gaps
    assert ({"sequenceepoch": 0, "last": 2}, 4, "new") == (
        gap["evidence"]["before"],
        gap["evidence"]["sequenceepoch"],
        gap["cause"]["id"],
    )
    first = Told([SIGNED, used("c", "2025-02-03", id="new", sequence=1, epoch=4)])
    assert ([], []) == (first.gaps, first.rejected)


def test_what_an_epoch_lacked_may_still_be_filled_and_nothing_more_comes_of_it() -> None:
    lines = [SIGNED, use(1, 1), use(3, 3), used("c", "2025-02-04", id="new", sequence=2, epoch=1)]
    assert [("u3", [[2, 2]], []), ("new", None, []), ("new", [[1, 1]], [])] == sorted(
        Told(lines).evidence(), key=lambda one: (one[0] != "u3", one[1] is not None)
    )
    lines += [use(2, 2), use(3, 3), use(4, 9, "above"), used("c", "2025-02-09", id="filled", sequence=1, epoch=1)]
    found = Told(lines)
    assert [("new", None, [])] == found.evidence()
    assert ([("sequence-reused", "above")], 1) == (found.rejected, found.duplicates)
    lines += [used("c", "2025-02-10", id="newest", sequence=1, epoch=2), use(2, 2, "of-0")]
    assert ("sequence-reused", "of-0") == Told(lines).rejected[-1]


def test_epochs_of_one_source_are_no_business_of_another_subject() -> None:
    lines = [party(SELLER, "2025-01-01", sequence=1, epoch=3), party("x:other", "2025-01-01", sequence=1)]
    assert ([], []) == ((found := Told(lines)).gaps, found.rejected)


# What came and was rejected.


BAD = use(2, 2, "bad", purpose="\0")


def test_a_gap_tells_what_of_it_came_and_was_rejected_whenever_that_was() -> None:
    before, after = [SIGNED, use(1, 1), BAD, use(4, 4)], [SIGNED, use(1, 1), use(4, 4), BAD]
    for lines in (before, after):
        for cut in range(len(lines) + 1):
            assert [("u4", [[2, 3]], [(2, ["invalid-data"])])] == Told(lines, cut=cut).evidence()


def test_a_good_one_bears_the_number_and_what_was_rejected_is_told_no_more() -> None:
    lines = [SIGNED, use(1, 1), BAD, use(4, 4), use(2, 2)]
    assert [("u4", [[2, 3]], [])] == Told(lines).evidence()
    assert [("u4", [[2, 3]], [])] == Told([*lines, BAD]).evidence()
    assert [] == Told([*lines, use(3, 3)]).gaps


def test_each_reason_of_a_number_is_told_once_and_of_no_other_feed() -> None:
    wrong = use(2, 2, "mismatch") | {"partitionkey": "other"}
    unknown = cancelled("never", "2025-02-02", 1, id="never", sequence=3)
    others = [use(2, 2, "elsewhere", purpose="\0") | {"source": "//other"}, party("x:y", sequence=2, name=1)]
    lines = [SIGNED, use(1, 1), BAD, BAD, wrong, unknown, *others, use(4, 4)]
    expected = [(2, ["invalid-data", "key-mismatch"]), (3, ["invalid-data"])]
    assert [("u4", [[2, 3]], expected)] == Told(lines).evidence()


def test_whoever_is_not_authorised_says_nothing_about_the_numbers_of_another() -> None:
    sources = Sources.parse(f"{FEED}: {{types: ['*.usage.*', '*.contract.*']}}".encode())
    forged = party("x:y", sequence=1, id="p") | {"subject": "c", "type": "circulation.delivery.completed"}
    forged |= {"sequence": "2", "data": DATA["circulation.delivery.completed"]}
    found = Told([SIGNED, use(1, 1), forged, use(3, 3)], sources=sources)
    assert [("not-authorised", "p")] == found.rejected
    assert [("u3", [[2, 2]], [])] == found.evidence()


def test_what_was_rejected_by_its_type_is_told_of_a_file_as_of_a_topic() -> None:
    wrong = [use(2, 2, "slip") | {"type": USAGE + "s"}, use(3, 3, "other") | {"type": "circulation.usage.metered"}]
    found = Told([SIGNED, use(1, 1), *wrong, use(4, 4)])
    assert [("u4", [[2, 3]], [(2, ["unknown-type"]), (3, ["unknown-type"])])] == found.evidence()
    of_topic = answered(wrong[0], topic=CONTRACTS)
    assert isinstance(of_topic, Rejection)
    assert of_topic == answered(wrong[0])


def said_of(coming: Sequence[tuple[int, int, int, bool]], sizes: Sequence[int]) -> tuple[Any, ...]:
    """What stands, was rejected and is kept, of uses (epoch, number, day, good) in fetches of these sizes."""
    store = Store("sqlite://")
    engine = offline(store, parse_pack(pack(), published=False))
    engine.take_up()
    lines = [SIGNED] + [
        used("c", f"2025-02-{day:02}", id=f"{at}", sequence=number, epoch=epoch, purpose="p" if good else "\0")
        for at, (epoch, number, day, good) in enumerate(coming)
    ]
    left = []
    place, fetch = 0, iter(sizes)
    while place < len(lines):
        size = next(fetch, 3)
        arrivals, refused = [], []
        for order, line in enumerate(lines[place : place + size], start=place):
            raw = orjson.dumps(line)
            found = answered(raw, topic=CONTRACTS)
            if isinstance(found, Rejection):
                refused.append(Refused(order, found, (CONTRACTS, 0, order)))
            else:
                assert isinstance(found, Event)
                arrivals.append(Arrival(order, NOW, found, raw, (CONTRACTS, 0, order)))
        outcome = engine.take(arrivals, refused, NOW)
        left += [(one.place, str(one.rejection.reason)) for one in outcome.rejections]
        left += [(order, "ignored") for order in sorted(outcome.ignored)]
        engine.settle_apart(NOW)
        place += size
    with store.reading() as db:
        rows = db.rows("select data from findings where standing and detector = 'feed-gap' order by finding")
        state = db.rows("select state from desks")
    told_ = [{name: one for name, one in orjson.loads(row[0]).items() if name != "revision"} for row in rows]
    return told_, sorted(left, key=repr), state


COMING = st.tuples(st.integers(0, 2), st.integers(1, 5), st.integers(1, 9), st.booleans())


@given(st.lists(COMING, max_size=14), st.lists(st.integers(1, 5), max_size=8))
def test_of_numbers_the_same_is_said_and_kept_however_they_come_in_fetches(
    coming: list[tuple[int, int, int, bool]], sizes: list[int]
) -> None:
    assert said_of(coming, [99]) == said_of(coming, sizes) == said_of(coming, [1] * 99)


def test_what_a_replay_says_of_rejected_numbers_does_not_hang_on_how_its_file_is_cut() -> None:
    bad = [use(at, at, f"bad-{at}", purpose="\0") for at in (2, 5, 6)]
    lines = [SIGNED, use(1, 1), bad[0], use(4, 4), bad[1], use(3, 3), use(8, 8), bad[2], use(7, 7), use(2, 2)]
    whole = Told(lines)
    for cut in range(1, len(lines)):
        assert whole.said == Told(lines, cut=cut).said


def test_the_topic_of_a_rejected_retraction_is_that_of_what_it_takes_back() -> None:
    bad = sample(EVENT_RETRACTED, sequence="2", subject="c", source=FEED, id="bad")
    bad["data"] = {"event": "u1", "type": USAGE, "reason": 7}
    found = answered(bad)
    assert isinstance(found, Rejection)
    assert (Reason.INVALID_DATA, CONTRACTS, 2) == (found.reason, found.claim.topic, found.claim.sequence)
    assert parse_instant("2025-01-01") < NOW
