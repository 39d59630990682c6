"""Cases: the life of one as a timetable, and through the engine (contract §4)."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import orjson
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import DAY, parse_instant
from circulation.docket import (
    STATES,
    VERBS,
    Case,
    Cleared,
    Docket,
    Order,
    Raised,
    Step,
    Told,
    docket_id,
    docket_of,
    order_of,
    step_of,
)
from circulation.examples import BUYER, Json, asset, entry, event, listed, pack, party, retracted, signed, terms, used
from circulation.packs.reading import parse_pack
from streams.cli.main import cli
from streams.offline import replay
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from tests.unit.world import admitted

D = docket_id("usage-limit", "contract", "c")
T = parse_instant("2025-03-01")


def raised(finding: str = "f", severity: str = "orange", at: int = T) -> Raised:
    return Raised(finding, "usage-limit", "contract", "c", BUYER, severity, at)


def order(verb: Any, n: int = 1, time: int = T, **more: Any) -> Order:
    return Order(f"{D}-{n}", verb, "//office", f"{verb}-{n}-{time}", time, "an official", **more)


def told(*steps: Step | int, docket: Docket | None = None) -> list[tuple[str, str, str, str]]:
    """What is told of these steps: which opening, what, state and severity after it. A number lets time pass."""
    docket = docket or Docket(D)
    found = []
    for step in steps:
        found += docket.pass_(step) if isinstance(step, int) else docket.enter(step)
    return [(one.case.rpartition("-")[2], one.what, one.data["state"], one.data["severity"]) for one in found]


TIMETABLES: dict[str, tuple[Sequence[Step | int], list[str]]] = {
    "a finding opens a case": ([raised()], ["1 opened opened orange"]),
    "an equal one is added to it in silence": ([raised("f"), raised("g")], ["1 opened opened orange"]),
    "a graver one escalates it": (
        [raised(severity="yellow"), raised("g", "orange"), raised("h", "orange"), raised("i", "red")],
        ["1 opened opened yellow", "1 escalated opened orange", "1 escalated opened red"],
    ),
    "a finding that becomes graver escalates it": (
        [raised(severity="orange"), raised(severity="red")],
        ["1 opened opened orange", "1 escalated opened red"],
    ),
    "a severity once reached is not reached again": (
        [raised(severity="red"), Cleared("f"), raised(severity="red"), raised("g", "orange")],
        ["1 opened opened red"],
    ),
    "what is cleared leaves the case open": (
        [raised(), Cleared("f"), order("acknowledged")],
        ["1 opened opened orange", "1 acknowledged acknowledged orange"],
    ),
    "officials lead it to its end": (
        [raised(), *(order(verb) for verb in ("acknowledged", "ordered", "rectified", "closed"))],
        ["1 opened opened orange"]
        + [f"1 {verb} {verb} orange" for verb in ("acknowledged", "ordered", "rectified", "closed")],
    ),
    "an acknowledgement does not undo an order": (
        [raised(), order("ordered"), order("acknowledged")],
        ["1 opened opened orange", "1 ordered ordered orange", "1 acknowledged ordered orange"],
    ),
    "of a closed case nothing but its opening changes the state": (
        [raised(), order("closed"), order("ordered"), order("reopened"), order("reopened")],
        [
            "1 opened opened orange",
            "1 closed closed orange",
            "1 ordered closed orange",
            "1 reopened opened orange",
            "1 reopened opened orange",
        ],
    ),
    "a new finding after the end opens the next one": (
        [raised(), order("closed"), raised("g", "yellow")],
        ["1 opened opened orange", "1 closed closed orange", "2 opened opened yellow"],
    ),
    "what was found before opens the next one when it is raised again or graver": (
        [raised(), order("closed"), raised(severity="red"), order("closed", 2), Cleared("f"), raised()],
        [
            "1 opened opened orange",
            "1 closed closed orange",
            "2 opened opened red",
            "2 closed closed red",
            "3 opened opened orange",
        ],
    ),
    "what was found before and is less grave opens nothing": (
        [raised(), order("closed"), raised(severity="yellow")],
        ["1 opened opened orange", "1 closed closed orange"],
    ),
    "a case is not reopened beside a later one": (
        [raised(), order("closed"), raised("g"), order("reopened", 1)],
        [
            "1 opened opened orange",
            "1 closed closed orange",
            "2 opened opened orange",
            "1 reopened closed orange",
        ],
    ),
    "orders wait for their case, in their order": (
        [order("acknowledged"), order("closed", 2), order("closed"), raised(), raised("g")],
        [
            "1 opened opened orange",
            "1 acknowledged acknowledged orange",
            "1 closed closed orange",
            "2 opened opened orange",
            "2 closed closed orange",
        ],
    ),
    "what is found after it was rectified escalates": (
        [raised(), order("rectified"), raised("g", "yellow"), raised("h", "yellow")],
        ["1 opened opened orange", "1 rectified rectified orange", "1 escalated opened orange"],
    ),
    "an order that is not met escalates, once": (
        [raised(), order("ordered", due=T + DAY), T + DAY, T + DAY + 1, T + 2 * DAY],
        ["1 opened opened orange", "1 ordered ordered orange", "1 escalated ordered orange"],
    ),
    "an order that is met in time does not": (
        [raised(), order("ordered", due=T + DAY), order("rectified", time=T + DAY), T + 2 * DAY],
        ["1 opened opened orange", "1 ordered ordered orange", "1 rectified rectified orange"],
    ),
    "an order that is met late escalates before": (
        [raised(), order("ordered", due=T + DAY), order("rectified", time=T + DAY + 1), T + 2 * DAY],
        [
            "1 opened opened orange",
            "1 ordered ordered orange",
            "1 escalated ordered orange",
            "1 rectified rectified orange",
        ],
    ),
    "a new order has an instant of its own": (
        [raised(), order("ordered", due=T + DAY), order("ordered", due=T + 3 * DAY), T + 2 * DAY, T + 4 * DAY],
        [
            "1 opened opened orange",
            "1 ordered ordered orange",
            "1 ordered ordered orange",
            "1 escalated ordered orange",
        ],
    ),
}


@pytest.mark.parametrize("name", TIMETABLES)
def test_the_life_of_a_case(name: str) -> None:
    steps, expected = TIMETABLES[name]
    assert expected == [" ".join(one) for one in told(*steps)]


def test_a_case_says_why_it_escalates_and_what_officials_did() -> None:
    docket = Docket(D)
    docket.enter(raised(severity="yellow"))
    (graver,) = docket.enter(raised("g", "red", T + 1))
    assert ("severity", "g", T + 1) == (graver.data["reason"], graver.data["finding"], graver.time)
    given_ = order("ordered", note="delete it", due=T + DAY, evidence=("paper",))
    (ordered,) = docket.enter(given_)
    assert {
        "by": "an official",
        "note": "delete it",
        "due": "2025-03-02T00:00:00+08:00",
        "evidence": ("paper",),
        "order": {"source": "//office", "id": given_.id},
    }.items() <= ordered.data.items()
    (late,) = docket.pass_(T + 2 * DAY)
    assert ("overdue", T + DAY, 4) == (late.data["reason"], late.time, late.number)


def test_a_finding_counts_in_the_newest_case_that_it_was_added_to() -> None:
    docket = Docket(D)
    told(raised(), raised("g"), order("closed"), raised("g", "red"), raised("h"), Cleared("f"), docket=docket)
    assert [(2, 0), (2, 2)] == [(case.findings, case.standing) for case in docket.cases.values()]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, "blue warn", None),
        (None, "red shadow", None),
        (None, "yellow warn", Raised),
        (None, "red enforce", Raised),
        ("blue enforce", "yellow enforce", Raised),
        ("red shadow", "red enforce", Raised),
        ("yellow enforce", "yellow warn", None),
        ("yellow enforce", "red enforce", Raised),
        ("yellow enforce", "blue enforce", Cleared),
        ("red enforce", "red shadow", Cleared),
        ("red enforce", None, Cleared),
        ("blue enforce", None, None),
    ],
)
def test_cases_are_made_of_findings_from_yellow_on_that_warn_or_enforce(
    before: str | None, after: str | None, expected: type | None
) -> None:
    def data(said: str | None) -> Json | None:
        if said is None:
            return None
        severity, mode = said.split()
        about = {"kind": "contract", "id": "c"}
        return {"finding": "f", "detector": "usage-limit", "about": about, "severity": severity, "mode": mode}

    found = step_of(data(before), data(after), T)
    assert expected == (None if found is None else type(found))


@pytest.mark.parametrize("key", ["c", f"{D}-0", f"{D}-01", f"{D}", f"{D}-{10**18}", f"{D.upper()}-1", f"{D}-1 "])
def test_what_no_case_can_be_called_is_no_order_of_a_case(key: str) -> None:
    assert docket_of(key) is None
    assert order_of(admitted(event("case.closed", key.strip(), "2025-01-01", by="me"))) is None or key != key.strip()


FINDINGS = st.sampled_from(["f", "g", "h"])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(raised, FINDINGS, st.sampled_from(["yellow", "orange", "red"]), st.integers(T, T + 5)),
    st.builds(Cleared, FINDINGS),
    st.builds(
        order,
        st.sampled_from(VERBS),
        st.integers(1, 3),
        st.integers(T, T + 5),
        due=st.none() | st.integers(T, T + 5),
    ),
)


def lived(steps: Sequence[Step], cuts: set[int]) -> tuple[list[Told], dict[str, Case]]:
    """A docket that is put away and taken up again at the cuts, as the store keeps it."""
    docket, found, waiting = Docket(D), [], []
    for at, step in enumerate(steps):
        if at in cuts:
            waiting = [one for some in docket.waiting.values() for one in some]
            docket = Docket(D, docket.cases.values(), docket.members)
            for one in waiting:
                assert docket.enter(one) == []
        found += docket.enter(step)
    return found, docket.cases


@settings(max_examples=300)
@given(steps=st.lists(STEPS, max_size=30), data=st.data())
def test_any_split_into_batches_tells_the_same(steps: list[Step], data: st.DataObject) -> None:
    cuts = data.draw(st.sets(st.integers(0, len(steps))))
    found, cases = lived(steps, set())
    assert (found, cases) == lived(steps, cuts)
    assert [f"{one.case}.{one.number}" for one in found] == list(dict.fromkeys(f"{o.case}.{o.number}" for o in found))
    # at most one is open; each was opened once; what it counts is what stands in it
    assert 1 >= sum(case.open for case in cases.values())
    assert [case.n for case in cases.values()] == list(range(1, len(cases) + 1))
    assert all(0 <= case.standing <= case.findings and case.state in STATES for case in cases.values())


class Run:
    """A replay whose cases can be looked at between its events."""

    def __init__(self, rules: Json | None = None, store: Store | None = None) -> None:
        self.store = store or Store("sqlite://")
        self.left: list[Json] = []
        self._engine = offline(self.store, parse_pack(rules or pack(), published=False))

    def take(self, *said: Json, until: str | None = None) -> "Run":
        run = Replay(
            self._engine,
            Admission(),
            cases=lambda line: self.left.append(orjson.loads(line)),
            until=None if until is None else parse_instant(until),
        )
        run.run(orjson.dumps(one) for one in said)
        return self

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        with self.store.reading() as db:
            return db.rows(query)

    def what(self) -> list[str]:
        return [f"{one['id'].rpartition('-')[2]} {one['type'].rpartition('.')[2]}" for one in self.left]

    def open(self) -> list[str]:
        return [row[0] for row in self.rows("select severity from open_findings order by severity")]


ONLY = {"broken-provenance": {"mode": "off"}, "negative-list": {"mode": "off"}, "unverified-trade": {"mode": "off"}}
LIMITS = pack(detectors=ONLY)
SIGNED = signed("c", "2025-01-01", terms=terms(uses_max=100))
USES = [used("c", f"2025-01-0{day}", uses, id=f"u{day}") for day, uses in ((2, 85), (3, 11), (4, 10), (5, 30))]


def ordered(verb: str, n: int = 1, time: str = "2025-01-10", **more: Any) -> Json:
    return event(f"case.{verb}", f"{D}-{n}", time, by="an official", **more)


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Store(url)
    made.migrate()
    return made


def test_a_case_lives_in_the_store_of_either_dialect_and_what_is_open_is_seen_there(store: Store) -> None:
    run = Run(LIMITS, store).take(SIGNED, *USES)
    assert ["1.1 opened", "1.2 escalated", "1.3 escalated"] == run.what()
    assert ["blue", "orange", "red", "yellow"] == run.open()
    run.take(ordered("acknowledged"), ordered("closed", time="2025-01-11"))
    # the blue one is of no case
    assert ["blue"] == run.open()
    assert [(4,)] == run.rows("select count(*) from standing_findings")
    assert [("closed", "red", 3, 3, 5)] == run.rows("select state, severity, findings, standing, events from cases")
    assert ["1.4 acknowledged", "1.5 closed"] == run.what()[3:]
    told_ = run.rows("select data from case_events order by number")
    assert [one["data"] for one in run.left] == [orjson.loads(row[0]) for row in told_]
    for summary, data in run.rows("select summary, data from standing_findings"):
        assert summary == json.loads(data)["summary"]
    assert [] == run.rows("select * from docket") == run.rows("select * from queue")


def test_a_text_that_the_dialect_does_not_know_does_not_break_the_view(store: Store) -> None:
    run = Run(pack(entry("secret")), store).take(asset("a", tags=["secret"]), listed("a", "2025-01-02"))
    with store.writing() as db:
        (data,) = db.one("select data from findings where detector = 'negative-list'") or (b"",)
        changed = orjson.loads(data) | {"summary": "a \x00 and a \\u0000"}
        db.run("update findings set data = ? where detector = 'negative-list'", orjson.dumps(changed))
    ((summary, data),) = run.rows("select summary, data from open_findings where detector = 'negative-list'")
    assert summary.startswith("a ")
    assert json.loads(data)["detector"] == "negative-list"


def test_orders_wait_for_their_case_and_one_that_is_taken_back_takes_no_effect() -> None:
    early, gone = ordered("acknowledged", time="2025-01-01"), ordered("closed", time="2025-01-01")
    nowhere = event("case.closed", "no-case", "2025-01-01", by="an official")
    run = Run(LIMITS).take(early, gone, retracted(gone, "2025-01-01"), nowhere, ordered("closed", 2))
    assert [] == run.what()
    run.take(SIGNED, *USES)
    assert ["1.1 opened", "1.2 acknowledged", "1.3 escalated", "1.4 escalated"] == run.what()
    assert [(1,)] == run.rows("select count(*) from docket")


def test_findings_that_are_refuted_leave_their_case_to_the_officials() -> None:
    rules = pack(detectors={"negative-list": {"mode": "off"}})
    run = Run(rules).take(listed("a", "2025-01-02"))
    # registered from the start of 2025 on, as is known only later
    run.take(asset("a"), party("p:1", "2025-01-03"))
    about = "from cases where detector = 'broken-provenance'"
    assert [("opened", 1, 0)] == run.rows(f"select state, findings, standing {about}")
    assert [] == run.rows("select * from open_findings where detector = 'broken-provenance'")


def test_an_order_whose_instant_passes_unmet_escalates_by_the_clock() -> None:
    run = Run(LIMITS).take(SIGNED, *USES, ordered("ordered", due="2025-01-20"))
    run.take(party("p:1", "2025-01-20"))
    assert "1.4 ordered" == run.what()[-1]
    run.take(party("p:2", "2025-01-20T00:00:01"))
    assert "1.5 escalated" == run.what()[-1]
    last = run.left[-1]
    assert ("overdue", "2025-01-20T00:00:00+08:00") == (last["data"]["reason"], last["time"])
    assert [] == run.rows("select * from deadlines where thing like 'case%'")


def test_shadow_and_blue_findings_are_open_without_a_case() -> None:
    run = Run(pack(detectors=ONLY | {"usage-limit": {"mode": "shadow"}})).take(SIGNED, *USES)
    assert ([], 4) == (run.what(), len(run.open()))


@pytest.mark.parametrize("run_max", [1, 2, 7])
def test_the_same_file_writes_the_same_cases_however_it_is_cut(run_max: int) -> None:
    uses = [used("c", f"2025-02-01T00:{at:02}:00", 3, id=f"u{at}", sequence=at + 1) for at in range(50)]
    said = [SIGNED, *uses[:33], ordered("closed", time="2025-02-02"), *uses[33:], ordered("closed", 2, "2025-02-03")]
    whole = Run(LIMITS).take(*said, until="2025-03-01").left
    assert 5 <= len(whole)
    with mock.patch.object(replay, "RUN_MAX", run_max):
        assert whole == Run(LIMITS).take(*said, until="2025-03-01").left


def test_the_command_shows_cases_and_the_life_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    made = Store(url)
    made.migrate()
    Run(LIMITS, made).take(SIGNED, *USES, ordered("acknowledged", note="looked at"))
    made.close()
    monkeypatch.setenv("CIRCULATION_STORE", url)

    def said(*arguments: str) -> str:
        result = CliRunner().invoke(cli, ["cases", *arguments], prog_name="circulation")
        assert 0 == result.exit_code, result.output
        return result.stdout

    assert [f"{D}-1"] == [one["case"] for one in json.loads(said("--json", "--state", "open", "--party", BUYER))]
    assert [] == json.loads(said("--json", "--state", "closed"))
    assert f"{D}-1" in said("--detector", "usage-limit")
    life = said(f"{D}-1")
    assert "looked at" in life
    assert "3 of 3 findings stand" in life
    whole = json.loads(said(f"{D}-1", "--json"))
    assert ["opened", "escalated", "escalated", "acknowledged"] == [one["what"] for one in whole["events"]]
    assert ["yellow", "orange", "red"] == [one["severity"] for one in whole["members"]]
    missing = CliRunner().invoke(cli, ["cases", "none"], prog_name="circulation")
    assert 1 == missing.exit_code
    assert "Error: there is no case 'none': `circulation cases` shows their ids, to be given whole\n" == missing.stderr
