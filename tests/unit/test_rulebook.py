"""A published pack is read once by each process, and by nobody while others wait to write."""

from typing import Any

import orjson
import pytest

import detectors
from circulation.admission.admission import Admission
from circulation.admission.envelope import ANY
from circulation.events.event import Event
from circulation.examples import Json, entry, event, pack
from streams.engine import Engine
from streams.facts import rulebook
from streams.facts.rulebook import RULES, shipped
from streams.intake import Arrival, Outcome
from streams.store.store import Store

NOW = 1_780_000_000_000_000


@pytest.fixture
def engine(store: Store) -> Engine:
    return Engine(store, shipped(detectors.RULES), name="beijing")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The versions of packs that were read, in order."""
    versions: list[str] = []
    parse = rulebook.parse_pack

    def noted(data: Any, **how: Any) -> Any:
        versions.append(data["version"])
        return parse(data, **how)

    monkeypatch.setattr(rulebook, "parse_pack", noted)
    return versions


def published(*packs: Json) -> list[Arrival]:
    arrivals = []
    for number, one in enumerate(packs, 1):
        raw = orjson.dumps(event("rulepack.published", "beijing", "2025-01-01", id=one["version"], **one))
        admitted = Admission().admit(raw, topic=RULES, key=ANY, headers=(), now=NOW)
        assert isinstance(admitted, Event)
        arrivals.append(Arrival(number, NOW, admitted, raw, (RULES, 0, number)))
    return arrivals


def publish(engine: Engine, *packs: Json) -> Outcome:
    return engine.take(published(*packs), [], NOW)


def in_force(engine: Engine) -> str:
    with engine.store.reading() as db:
        engine.rulebook.refresh(db)
    return engine.rulebook().in_force(NOW).version


def test_a_pack_is_read_once_and_before_the_transaction_that_takes_it_in(engine: Engine, read: list[str]) -> None:
    arrivals = published(pack(entry("a"), version="1"))
    with engine.taking(arrivals) as db:
        assert ["1"] == read
        engine.intake.take(db, arrivals, [], NOW)
    assert ["1"] == read
    assert "1" == in_force(engine)
    assert ["1"] == read


def test_more_packs_than_are_kept_are_read_again(engine: Engine, read: list[str]) -> None:
    versions = [str(number) for number in range(1, 6)]
    publish(engine, *(pack(entry("a"), version=one) for one in versions))
    assert "5" == in_force(engine)
    assert {*versions} == {*read}


def test_of_an_invalid_pack_it_is_said_what_is_wrong(engine: Engine, read: list[str]) -> None:
    wrong = pack(entry("a", disposition="perhaps"), version="1")
    refused = publish(engine, wrong, pack(entry("a"), pack="shenzhen", version="2")).rejections
    details = [one.rejection.detail for one in refused]
    assert ["disposition" in details[0], "is not the subject" in details[1]] == [True, True]
    assert in_force(engine) == shipped(detectors.RULES).version
