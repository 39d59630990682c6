"""An item that costs too much, or over which the process dies, is set aside and told of; the others go on."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner
from dying_judge import engine as poisoned

from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.examples import Json, asset, derived, entry, listed, pack
from circulation.packs.reading import parse_pack
from streams.budget import ITEM, NAMES, Budget, Meter, OverBudget
from streams.cli.main import cli
from streams.engine import Engine
from streams.health.clock import Clock
from streams.intake import Arrival
from streams.judging import aside
from streams.judging.aside import SUSPECTS_MAX
from streams.judging.mark import Mark
from streams.offline.replay import Replay, offline
from streams.settings import Settings
from streams.store import queue
from streams.store.store import Store
from streams.worker.judge_process import JudgeProcess
from streams.worker.rounds import Rounds

ROOT = Path(__file__).resolve().parents[2]
NOW = 1_800_000_000_000_000
PACK = parse_pack(pack(entry("genomes", sticky=True, match={"category": ["genome"]})), published=False)
WIDE = 60

# A wide listing: it came from many assets. The other one matches the list.
EVENTS = [
    asset("source", category="genome"),
    derived("made", "2025-01-10", "source"),
    derived("wide", "2025-01-10", *(f"input-{n}" for n in range(WIDE))),
    listed("wide", "2025-02-01"),
    listed("made", "2025-02-01"),
]


# What costs more than the rows of `WIDE`: the listing, whose rules look at all that `wide` came from, and the sum over
# its inputs.
WIDE_THINGS = [
    ["act", "circulation.product.listed", "wide", "product-wide"],
    ["sum", "grade-laundering", "wide"],
]
# What looks for the acts that the derivation of `made` changes goes over those of `wide`, where it is looked for later.
MADE_FACT = ["fact", "derived", "made"]


def take(engine: Engine, *events: Json) -> None:
    arrivals = []
    for order, one in enumerate(events):
        record = orjson.dumps(one)
        admitted = Admission().admit(record, topic=None, key=ANY, headers=(), now=NOW)
        arrivals.append(Arrival(order, NOW, admitted, record, ("file", 0, order)))  # type: ignore[arg-type]
    engine.take(arrivals, [], NOW)


def judged(engine: Engine, url: str) -> list[str]:
    """Judges as a worker does until nothing waits; answers with what failed."""
    failed: list[str] = []
    settings = Settings.read({"CIRCULATION_STORE": url})
    rounds = Rounds(
        engine,
        settings,
        Clock(settings, engine.store),
        lambda *_: None,
        lambda doing, error: failed.append(f"{doing}: {error}"),
        lambda: None,
    )
    rounds._step()
    while engine.waiting():
        rounds._step()
    return failed


def url_of(store: Store) -> str:
    return store._url.render_as_string(hide_password=False)


def standing(store: Store, detector: str) -> list[Any]:
    query = "select data from findings where standing and detector = ? order by finding"
    with store.reading() as db:
        return [orjson.loads(row[0]) for row in db.rows(query, detector)]


def kept(store: Store) -> list[aside.Item]:
    with store.reading() as db:
        return aside.all_of(db)


def things(store: Store) -> list[list[str]]:
    return sorted(queue.parts_of(one.thing) for one in kept(store))


def timeless(finding: dict[str, Any]) -> dict[str, Any]:
    """A finding; one about the judge itself occurred when it was said, which a replay says by another clock."""
    return finding if finding["about"]["kind"] != "source" else finding | {"occurred": None}


def small(rows: int) -> Budget:
    return ITEM._replace(rows=rows)


def test_an_item_over_its_budget_is_set_aside_and_the_others_are_judged(store: Store) -> None:
    engine = Engine(store, PACK, budget=small(WIDE))
    take(engine, *EVENTS)
    failed = judged(engine, url_of(store))

    assert ["made"] == [one["about"]["id"] for one in standing(store, "negative-list")]
    found = standing(store, "detector-error")
    assert sorted([*WIDE_THINGS, MADE_FACT]) == things(store)
    # What a derivation changes is looked for by an item of its own, which is about nothing but itself.
    about = sorted((one["about"]["kind"], one["about"]["id"], one["severity"]) for one in found)
    assert [("asset", "wide", "yellow")] * 2 + [("source", "/circulation/judge", "yellow")] == about
    (told,) = [one for one in found if one.get("cause", {}).get("id") == EVENTS[3]["id"]]
    assert {"item": "act", "budget": "rows", "error": f"judging it takes more than {WIDE:,} rows"} == told["evidence"]
    assert sorted(one["finding"] for one in found) == sorted(one.finding or "" for one in kept(store))
    assert len(found) == len(failed)


def test_what_was_set_aside_is_judged_by_the_next_start_and_its_finding_is_cleared(store: Store) -> None:
    engine = Engine(store, PACK, budget=small(WIDE))
    take(engine, *EVENTS)
    judged(engine, url_of(store))
    # While it is aside nobody tries it, whatever is stated of it.
    take(engine, asset("wide", "2025-03-01"))
    before = [one for one in kept(store) if "listed" in one.thing]
    judged(engine, url_of(store))
    assert before == [one for one in kept(store) if "listed" in one.thing]

    later = Engine(store, PACK)
    assert [] == judged(later, url_of(store))
    assert [] == standing(store, "detector-error")
    assert [] == kept(store)
    assert {"wide"} <= {one["about"]["id"] for one in standing(store, "broken-provenance")}
    with store.reading() as db:
        assert [] == db.rows("select * from set_aside")
        assert [] == db.rows("select * from queue")


@pytest.mark.parametrize(("more", "over"), [(-1, True), (0, False), (1, False)])
def test_the_budget_is_the_most_that_may_be_read(more: int, over: bool) -> None:
    meter = Meter(small(10 + more), timed=False)
    meter.read([(1,)] * 6, ())
    if over:
        with pytest.raises(OverBudget, match="more than 9 rows"):
            meter.read([(1,)] * 4, ())
    else:
        meter.read([(1,)] * 4, ())


def test_bytes_of_events_are_counted_on_either_store(store: Store) -> None:
    engine = Engine(store, PACK)
    take(engine, *(asset(f"a{n}", title="t" * 1000) for n in range(20)))
    meter = Meter(ITEM._replace(bytes=15_000), timed=False)
    with store.writing() as db, db.metered(meter, timed=False), pytest.raises(OverBudget, match="15,000 bytes"):
        db.rows("select id, data from events")


def test_a_statement_that_answers_with_too_much_is_not_read_to_its_end(store: Store) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select x from n"
    meter = Meter(small(1000), timed=False)
    with pytest.raises(OverBudget, match="1,000 rows"), store.writing() as db, db.metered(meter, timed=False):
        db.rows(endless)


@pytest.mark.slow
def test_a_statement_that_hangs_is_broken_off(store: Store) -> None:
    endless = "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n"
    own = Store(url_of(store), statement_seconds=1)
    meter = Meter(ITEM._replace(seconds=1), timed=True)
    with pytest.raises(OverBudget, match="1 seconds"), own.writing() as db, db.metered(meter, timed=True):
        db.rows(endless)
    with own.writing() as db:
        assert (1,) == db.one("select 1")
    own.close()


def test_a_replay_sets_aside_what_a_worker_does(store: Store) -> None:
    engine = Engine(store, PACK, budget=small(WIDE))
    take(engine, *EVENTS)
    judged(engine, url_of(store))
    again = offline(Store("sqlite://"), PACK)
    again.budget = small(WIDE)
    tally = Replay(again, Admission()).run(map(orjson.dumps, EVENTS))
    assert (5, 0) == (tally.admitted, tally.rejected)
    # What `made` changes was looked for before `wide` was derived: that cost less than what a worker looked at.
    assert WIDE_THINGS == things(again.store)
    aside_alone = {one.finding for one in kept(store) if queue.parts_of(one.thing) == MADE_FACT}
    for detector in ("detector-error", "negative-list", "broken-provenance"):
        live = [one for one in standing(store, detector) if one["finding"] not in aside_alone]
        assert [*map(timeless, live)] == [*map(timeless, standing(again.store, detector))]
    assert len(WIDE_THINGS) == len(standing(again.store, "detector-error"))


# Deaths.


def die(store: Store, mark: Path) -> int:
    """Judges in a process that a listing of `poison` kills; answers with how it ended."""
    program = [sys.executable, "-m", "tests.unit.dying_judge"]
    return subprocess.run([*program, url_of(store), str(mark)], cwd=ROOT, timeout=60).returncode


def listings(*names: str) -> list[Json]:
    return [listed(name, "2025-02-01", product=f"product-of-{name}") for name in names]


@pytest.mark.slow
def test_what_a_process_died_of_twice_is_set_aside_before_the_third_try(store: Store, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    take(poisoned(store), *listings("a", "poison", "z"))
    assert -9 == die(store, mark)
    assert [] == standing(store, "broken-provenance")
    assert -9 == die(store, mark)
    assert 0 == die(store, mark)

    assert ["a", "z"] == sorted(one["about"]["id"] for one in standing(store, "broken-provenance"))
    (told,) = standing(store, "detector-error")
    assert "poison" == told["about"]["id"]
    assert {
        "item": "act",
        "budget": "deaths",
        "error": "the process died 2 times while it was judged",
    } == told["evidence"]
    with store.reading() as db:
        assert [] == db.rows("select * from queue")
    # Neither a start nor what is stated of it has it tried again.
    take(poisoned(store), *listings("poison"), asset("poison", "2025-01-01"), *listings("b"))
    assert 0 == die(store, mark)
    assert ["a", "b", "z"] == sorted(one["about"]["id"] for one in standing(store, "broken-provenance"))


@pytest.mark.slow
def test_what_a_person_has_tried_again_is_set_aside_at_the_next_death_or_judged(store: Store, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    take(poisoned(store), *listings("poison"))
    assert [-9, -9, 0] == [die(store, mark) for _ in range(3)]
    (item,) = kept(store)
    environ = {"CIRCULATION_STORE": url_of(store)}

    def said(*command: str) -> str:
        result = CliRunner().invoke(cli, ["queue", *command], env=environ)
        assert 0 == result.exit_code, result.output
        return result.output

    (shown,) = json.loads(said("list", "--json"))
    assert (item.digest, "deaths", 2) == (shown["item"], shown["budget"], shown["deaths"])
    assert "1 item is tried again\n" in said("retry", item.digest[:8])
    assert "nothing is set aside" in said("list")
    assert [-9, 0] == [die(store, mark) for _ in range(2)]
    assert item.finding == kept(store)[0].finding

    said("retry", "--all")
    mended = Engine(store, PACK)
    assert [] == judged(mended, url_of(store))
    assert [] == standing(store, "detector-error")
    assert [] == kept(store)


def test_nothing_is_tried_again_that_is_not_set_aside(store: Store) -> None:
    environ = {"CIRCULATION_STORE": url_of(store)}
    result = CliRunner().invoke(cli, ["queue", "retry", "abcd"], env=environ)
    assert (1, "Error: nothing that is set aside is called abcd\n") == (result.exit_code, result.output)
    assert 2 == CliRunner().invoke(cli, ["queue", "retry"], env=environ).exit_code


@pytest.mark.slow
def test_who_only_stood_beside_it_is_judged_by_itself(store: Store, tmp_path: Path) -> None:
    """In a round of many one death says nothing of any: each is tried alone, and nobody is set aside for company."""
    mark = tmp_path / "mark"
    others = [f"a{number:03}" for number in range(SUSPECTS_MAX)]
    take(poisoned(store), *listings(*others, "poison"))
    assert [-9, -9, -9, 0] == [die(store, mark) for _ in range(4)]
    assert others == sorted(one["about"]["id"] for one in standing(store, "broken-provenance"))
    assert ["poison"] == [one["about"]["id"] for one in standing(store, "detector-error")]


@pytest.mark.parametrize(
    ("count", "deaths"), [(1, 1), (2, 1), (SUSPECTS_MAX - 1, 1), (SUSPECTS_MAX, 1), (SUSPECTS_MAX + 1, 0)]
)
def test_a_death_counts_for_few_things(count: int, deaths: int) -> None:
    store = Store("sqlite://")
    things = [queue.act("t", str(number)) for number in range(count)]
    with store.writing() as db:
        aside.died(db, things, NOW)
        assert {deaths} == {one.deaths for one in aside.of(db, things).values()}
        # The same company again counts no further: another worker may have had it, too.
        set_aside = aside.died(db, things, NOW)
        assert things[: len(set_aside)] == [one.thing for one in set_aside]
        assert (1 if count == 1 else 0) == len(set_aside)


def test_a_mark_outlives_who_made_it_and_is_gone_when_the_round_ends(tmp_path: Path) -> None:
    path = tmp_path / "mark"
    things = [queue.act("type", "资产")]
    mark = Mark.at(path)
    assert [] == mark.left()
    mark.begin(things)
    assert things == Mark.at(path).left()
    mark.begin(["b"])
    assert ["b"] == Mark.at(path).left()
    mark.end()
    assert [] == Mark.at(path).left()
    assert 0o600 == path.stat().st_mode & 0o777


@pytest.mark.parametrize("raw", [b"", b"\x05", b"\xff" * 8, b"\x03" + b"\0" * 7 + b"{}", b"\x02" + b"\0" * 7 + b"{}"])
def test_a_mark_that_is_broken_says_nothing(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "mark"
    path.write_bytes(raw)
    assert [] == Mark.at(path).left()


def test_the_page_about_it_has_the_numbers_of_the_code() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "set-aside.md").read_text(encoding="utf-8")
    for name, maximum in ITEM._asdict().items():
        assert f"| `{name}` | {maximum:,} |" in page
    assert f"more than {SUSPECTS_MAX} things" in page
    assert all(f"`{name}`" in page for name in NAMES)


# On PostgreSQL the judge is a process of the worker's, and the worker outlives it.

POISON = """
import dataclasses, os, signal, types
import detectors
from circulation.rules import Check

def poisoned(act, facts):
    if act.subject == "poison":
        os.kill(os.getpid(), signal.SIGKILL)
    return []

check = Check(acts=frozenset({"circulation.product.listed"}), check=poisoned)
rule = dataclasses.replace(detectors.RULES["negative-list"], check=check, sum=None, screen=None)
detectors.RULES = types.MappingProxyType({**detectors.RULES, "negative-list": rule})
"""


def test_a_judge_that_died_twice_over_an_item_goes_on_with_the_others(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(postgres_url)
    store.migrate()
    (tmp_path / "sitecustomize.py").write_text(POISON)
    monkeypatch.syspath_prepend(str(tmp_path))  # a judge imports from where its worker does
    take(poisoned(store), *listings("a", "poison", "z"))
    failed: list[str] = []
    settings = Settings.read({"CIRCULATION_STORE": postgres_url})
    process = JudgeProcess(
        settings, lambda *_: None, lambda doing, error: failed.append(f"{doing}: {error}"), lambda: None
    )
    stop = threading.Event()
    thread = threading.Thread(target=process.run, args=(stop,))
    thread.start()
    try:
        looking, deadline = Engine(store, PACK), time.monotonic() + 100
        while looking.waiting():
            assert time.monotonic() < deadline, failed
            time.sleep(0.05)
    finally:
        stop.set()
        process.end()
        thread.join()
    assert ["judging: the judge ended with -9; it is started again"] * 2 == failed
    assert ["poison"] == [one["about"]["id"] for one in standing(store, "detector-error")]
    assert ["a", "z"] == sorted(one["about"]["id"] for one in standing(store, "broken-provenance"))
    store.close()
