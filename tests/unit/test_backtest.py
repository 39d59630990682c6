"""A backtest finds what the engine would find under another pack, and touches nothing of the store it looks at."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

import detectors
from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import BUYER, SELLER, Json, asset, entry, event, listed, pack, party, signed, terms, used
from circulation.packs.pack import Pack
from circulation.packs.reading import parse_pack
from circulation.rules import parameters
from streams.breaker import Limits
from streams.cli.main import cli
from streams.facts.rulebook import shipped
from streams.offline.backtest import Ran, Tries, document, over_events, over_store
from streams.offline.comparison import ASIDE, Span
from streams.offline.replay import Replay, findings_of, offline
from streams.store.schema import metadata
from streams.store.store import Store

LIMITS = Limits(percent=50, looks_min=10, seconds=900)
OLD = pack(entry("secret"), entry("road"), detectors={"paper-trade": {"mode": "warn"}})
NEW = pack(
    entry("secret", disposition="restrict", unless=["consent"]),
    entry("water"),
    version="2",
    detectors={
        "paper-trade": {"mode": "enforce", "days": 10},
        "unverified-trade": {"mode": "off"},
        "usage-limit": {"mode": "shadow", "warning_percent": 50},
    },
)


def paid(contract: str, time: str) -> Json:
    return event(
        "settlement.paid", contract, time, settlement=f"s-{contract}", payer=BUYER, payee=SELLER, amount="1000"
    )


# Of everything something: entries that go, stay and come, checks, sums with deadlines, screenings, statements.
KEPT = [
    party(SELLER, "2025-01-01"),
    *(asset(f"a{tag}", "2025-01-01", tags=[tag]) for tag in ("secret", "road", "water", "none")),
    *(listed(f"a{tag}", f"2025-01-0{at}") for at, tag in enumerate(("secret", "road", "water", "none"), start=2)),
    *(
        signed(f"c{tag}", f"2025-01-1{at}", asset=f"a{tag}", terms=terms(uses_max=100))
        for at, tag in enumerate(("secret", "road", "water", "none"), start=1)
    ),
    *(paid(f"c{tag}", "2025-01-20") for tag in ("secret", "none")),
    event("grant.issued", SELLER, "2025-02-01", grant="g", kind="consent", valid_from="2025-01-01"),
    event("usage.reported", "cnone", "2025-03-01", id="last", uses=60, purpose="p"),
]
USES = [used("cnone", f"2025-02-0{day}", 20) for day in range(1, 4)]
NOW = parse_instant("2025-06-01")


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)


def packed(data: Json) -> Pack:
    return parse_pack(data, published=False, known=parameters(detectors.RULES))


def tried(data: Json = NEW, base: Json | None = OLD, **members: Any) -> Tries:
    default = shipped(detectors.RULES) if base is None else packed(base)
    return Tries(packed(data), default, default.pack, **members)


def ran_over(events: Iterable[Json], tries: Tries) -> Ran:
    lines = [orjson.dumps(one) for one in events]
    return over_events(tries, lambda _: lines, Admission(), examples_max=1_000)


def plain(one: Json) -> Json:
    return {name: value for name, value in one.items() if name not in {*ASIDE, "what", "before"}}


def shown(ran: Ran, what: str) -> dict[str, Json]:
    return {one["finding"]: plain(one) for one in ran.compared.examples if one["what"] == what}


def expected(before: list[Json], after: list[Json]) -> dict[str, dict[str, Json]]:
    old, new = ({one["finding"]: plain(one) for one in some} for some in (before, after))
    return {
        "raised": {id_: one for id_, one in new.items() if id_ not in old},
        "cleared": {id_: one for id_, one in old.items() if id_ not in new},
        "changed": {id_: one for id_, one in new.items() if id_ in old and one != old[id_]},
    }


def differences(ran: Ran) -> dict[str, dict[str, Json]]:
    return {what: shown(ran, what) for what in ("raised", "cleared", "changed")}


def test_over_events_it_is_the_difference_of_two_replays() -> None:
    events = KEPT + USES
    before, after = (findings_of(events, pack=one, until="2025-06-01") for one in (OLD, NEW))
    ran = ran_over(events, tried(span=Span(None, NOW)))
    assert expected(before, after) == differences(ran)
    assert all(differences(ran).values())
    found = ran.compared
    assert Counter(one["detector"] for one in before) == {id_: n for id_, (n, _) in found.standing.items() if n}
    assert Counter(one["detector"] for one in after) == {id_: n for id_, (_, n) in found.standing.items() if n}
    assert len(events) == ran.events
    assert {"mode", "evidence"} <= {member for id_, member in found.members if id_ in ("usage-limit", "paper-trade")}


def test_a_pack_against_itself_finds_nothing_else() -> None:
    ran = ran_over(KEPT + USES, tried(OLD | {"version": "2"}))
    assert {"raised": {}, "cleared": {}, "changed": {}} == differences(ran)
    assert [] == ran.compared.differ
    assert ran.compared.cases[0] == ran.compared.cases[1] > 0
    assert (0, 0) == ran.compared.credit


@pytest.fixture(params=["sqlite", "postgresql"])
def live(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    url = f"sqlite:///{tmp_path}/live.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    store.migrate()
    return store


def filled(store: Store, events: Iterable[Json], base: Json | None = OLD) -> Store:
    engine = offline(store, None if base is None else packed(base))
    Replay(engine, Admission(), until=NOW).run(orjson.dumps(one) for one in events)
    return store


def looking(store: Store) -> Store:
    return Store(store._url.render_as_string(hide_password=False), read_only=True)


def state(store: Store) -> list[Any]:
    """All that a store holds, as it lies there: of PostgreSQL also which transaction wrote each row, and where."""
    own = "*, ctid::text, xmin::text" if store.postgres else "*"
    with store.reading() as db:
        rows = [sorted(db.rows(f'select {own} from "{table}"'), key=repr) for table in metadata.tables]
    path = None if store.postgres else Path(str(store._url.database))
    return [
        rows,
        None if path is None else [hashlib.sha256(one.read_bytes()).hexdigest() for one in (path, _log(path))],
    ]


def _log(path: Path) -> Path:
    return path.with_name(path.name + "-wal")


@pytest.mark.slow
def test_over_a_store_it_is_the_same_and_nothing_of_the_store_changes(live: Store) -> None:
    filled(live, KEPT)
    before = state(live)
    ran = over_store(tried(span=Span(None, NOW)), looking(live), NOW, examples_max=1_000)
    assert before == state(live)
    over_a_file = ran_over(KEPT, tried(span=Span(None, NOW)))
    for what in ("raised", "cleared"):
        kept = {id_: one for id_, one in shown(over_a_file, what).items() if one["detector"] != "usage-limit"}
        assert kept == shown(ran, what)
        assert kept
    assert len(KEPT) - 1 == ran.events


def test_over_a_store_what_tallies_found_in_uses_stays_and_it_is_said(live: Store) -> None:
    filled(live, KEPT + USES)
    ran = over_store(tried(), looking(live), NOW, examples_max=10)
    assert ran.compared.standing["usage-limit"] == (3, 3)
    assert "usage-limit" not in ran.compared.differ
    assert "usage-limit" in document(ran, tried(), LIMITS, kept=True)["not_judged"]
    assert [] == document(ran, tried(), LIMITS, kept=False)["not_judged"]


def test_what_waits_to_be_judged_is_no_difference_that_a_pack_makes(live: Store) -> None:
    filled(live, KEPT)
    with live.writing() as db:
        (thing,) = db.one("select thing from findings where detector = 'unverified-trade' limit 1") or ("",)
        db.run("delete from findings where thing = ?", thing)
        db.run("insert into queue (priority, thing, since) values (0, ?, 0)", thing)
    ran = over_store(tried(OLD | {"version": "2"}), looking(live), NOW, examples_max=10)
    assert [] == ran.compared.differ
    with live.reading() as db:
        assert [(1,)] == db.rows("select count(*) from queue")


def published(data: Json, time: str = "2025-01-01") -> Json:
    return event("rulepack.published", "beijing", time, **data)


def entries_of(ran: Ran, what: str) -> set[tuple[str, str]]:
    found = shown(ran, what).values()
    return {(one["evidence"]["entry"], one["about"]["id"]) for one in found if one["detector"] == "negative-list"}


@pytest.mark.slow
@pytest.mark.parametrize("over", ["file", "store"])
def test_it_is_held_against_the_packs_that_were_published(over: str, tmp_path: Path) -> None:
    events = [published(pack(entry("road"), version="7")), *KEPT]
    tries = tried(pack(entry("water"), version="8"), None, span=Span(None, NOW))
    if over == "file":
        ran = ran_over(events, tries)
    else:
        store = Store(f"sqlite:///{tmp_path}/live.db")
        store.migrate()
        ran = over_store(tries, looking(filled(store, events, None)), NOW, examples_max=100)
    assert {("water", "awater")} == entries_of(ran, "raised")
    assert {("road", "aroad")} == entries_of(ran, "cleared")


@pytest.mark.slow
@pytest.mark.parametrize("over", ["file", "store"])
def test_from_an_instant_on_it_takes_the_place_of_all_later_packs(over: str, tmp_path: Path) -> None:
    later = pack(entry("road"), entry("none"), version="2", valid_from="2025-01-12")
    events = [published(pack(entry("road"))), published(later, "2025-01-02"), *KEPT]
    # In force from the 13th on: one contract was signed before, and those of the 13th and 14th after.
    since = parse_instant("2025-01-13")
    tries = tried(pack(entry("water", actions=["trade"]), version="8"), None, span=Span(since, NOW))
    if over == "file":
        ran = ran_over(events, tries)
    else:
        store = Store(f"sqlite:///{tmp_path}/live.db")
        store.migrate()
        ran = over_store(tries, looking(filled(store, events, None)), NOW, examples_max=100)
    assert {("water", "awater")} == entries_of(ran, "raised")
    assert {("none", "anone")} == entries_of(ran, "cleared")
    assert all(parse_instant(one["occurred"]) >= since for one in ran.compared.examples)


def test_as_published_its_own_validity_counts() -> None:
    events = [published(pack(entry("road"))), *KEPT]
    new = pack(entry("water", actions=["trade"]), version="8", valid_from="2025-01-14")
    ran = ran_over(events, tried(new, None, as_published=True))
    # Signed before it, and screened when it takes effect; of the entry that goes nothing occurred from then on.
    assert {"2025-01-14"} == {
        one["occurred"][:10] for one in shown(ran, "raised").values() if "entry" in one["evidence"]
    }
    assert set() == entries_of(ran, "cleared")


def test_an_earlier_pack_that_is_tried_as_published_has_no_effect_beside_a_later_one() -> None:
    events = [published(pack(entry("road"), valid_from="2024-06-01")), *KEPT]
    ran = ran_over(events, tried(pack(entry("water"), version="0", valid_from="2024-01-01"), None, as_published=True))
    assert {"raised": {}, "cleared": {}, "changed": {}} == differences(ran)


@pytest.mark.slow
def test_a_detector_that_would_fire_on_most_of_what_it_looks_at_would_be_held() -> None:
    many = [one for n in range(12) for one in (asset(f"x{n}", tags=["t"]), listed(f"x{n}", "2025-01-02"))]
    for mode, held in (("enforce", True), ("warn", True), ("shadow", False)):
        tries = tried(pack(entry("t"), detectors={"negative-list": {"mode": mode}}), pack())
        said = document(ran_over(many, tries), tries, LIMITS, kept=False)["detectors"]["negative-list"]
        assert (12, {"red": 12}, 1.0, held) == (said["looked_at"], said["raised"], said["share"], said["held"])


# The command.


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="circulation")


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    found = {name: tmp_path / f"{name}.yaml" for name in ("old", "new")}
    for path, data in zip(found.values(), (OLD, NEW), strict=True):
        path.write_text(json.dumps(data))
    found["events"] = tmp_path / "events.jsonl"
    found["events"].write_bytes(b"".join(orjson.dumps(one) + b"\n" for one in KEPT + USES))
    return found


@pytest.mark.slow
def test_the_command_goes_over_a_file(files: dict[str, Path]) -> None:
    arguments = ("rules", "backtest", files["new"], "--events", files["events"], "--against", files["old"])
    done = run(*arguments)
    assert 0 == done.exit_code, done.output
    assert "raised red negative-list about awater" in done.stdout
    assert "cleared red negative-list about aroad" in done.stdout
    assert "" == done.stderr
    found = json.loads(run(*arguments, "--json").stdout)
    assert {"red": 2} == found["detectors"]["negative-list"]["raised"]
    assert "2" == found["pack"]["version"]


@pytest.mark.slow
def test_the_command_goes_over_the_store_of_the_settings_and_says_what_it_cannot_answer(
    files: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    store = Store(url)
    store.migrate()
    filled(store, KEPT + USES)
    store.close()
    bytes_before = (tmp_path / "live.db").read_bytes()
    monkeypatch.setenv("CIRCULATION_RULES", str(files["old"]))
    by_option = run("rules", "backtest", files["new"], "--store", url)
    monkeypatch.setenv("CIRCULATION_STORE", url)
    by_setting = run("rules", "backtest", files["new"])
    assert by_option.stdout == by_setting.stdout
    assert "raised red negative-list about awater" in by_setting.stdout
    assert "uses are counted and not kept" in by_setting.stderr
    assert bytes_before == (tmp_path / "live.db").read_bytes()


def test_the_command_refuses_what_cannot_be(files: dict[str, Path], tmp_path: Path) -> None:
    for words, said in (
        (["--store", f"sqlite:///{tmp_path}/none.db"], "there is no store"),
        (["--store", "mysql://x"], "must begin with sqlite:/// or postgresql://"),
        (["--events", tmp_path / "none.jsonl"], "cannot read"),
        (["--events", files["events"], "--store", "sqlite:///x.db"], "two things to go over"),
        (["--against", files["old"]], "--against goes with --events"),
        (["--since", "2025-01-01", "--as-published"], "two things"),
    ):
        done = run("rules", "backtest", files["new"], *words)
        assert 2 == done.exit_code, done.output
        assert said in done.stderr
    assert not (tmp_path / "none.db").exists()
