"""What a detector in shadow found, beside what is acted upon."""

import json
import os
from pathlib import Path
from typing import Any

import orjson
import pytest
from click.testing import CliRunner, Result

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import SELLER, THIRD, Json, asset, entry, event, listed, signed, terms, used
from streams.cli.main import cli
from streams.offline.replay import Replay, offline
from streams.store.store import Store
from tests.modes import only

TURN = "2025-06-01T00:00:00+08:00"
MODES = ("certificate-invalid", "negative-list", "usage-limit", "paper-trade")
LIVE = only(*MODES, entries=[entry("secret")])
SHADOW = only(*MODES, entries=[entry("secret"), entry("road")], version="2", valid_from=TURN)
SHADOW["detectors"] |= {one: {"mode": "shadow"} for one in ("negative-list", "usage-limit")}


def published(data: Json) -> Json:
    return event("rulepack.published", "beijing", "2025-01-01", id=data["version"], **data)


EVENTS = [
    published(LIVE),
    published(SHADOW),
    # Of four listings one is of what is prohibited, before; of five three, of two sellers, since the turn.
    *(asset(f"a{number}", "2025-01-01", tags=["secret"] * (number == 0)) for number in range(4)),
    *(listed(f"a{number}", "2025-02-01") for number in range(4)),
    asset("b0", "2025-01-01", tags=["secret"], certificate=None),
    asset("b1", "2025-01-01", tags=["road"]),
    asset("b2", "2025-01-01", tags=["road"]),
    asset("b3", "2025-01-01"),
    asset("b4", "2025-01-01"),
    *(listed(f"b{number}", f"2025-07-0{number + 1}", seller=THIRD if number == 2 else SELLER) for number in range(5)),
    *(signed(one, "2025-01-02", terms=terms(uses_max=10), asset="b4") for one in ("c", "d")),
    used("c", "2025-05-31", 11),
    used("d", "2025-06-01", 9),
    used("d", "2025-06-02", 6),
]


@pytest.fixture(autouse=True, params=["sqlite", "postgresql"])
def settings(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("CIRCULATION_"):
            monkeypatch.delenv(name)
    url = f"sqlite:///{tmp_path}/store.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    store = Store(url)
    store.migrate()
    Replay(offline(store, None), Admission(), until=parse_instant("2025-08-01")).run(map(orjson.dumps, EVENTS))
    store.close()
    monkeypatch.setenv("CIRCULATION_STORE", url)


def run(*arguments: object) -> Result:
    done = CliRunner().invoke(cli, ["rules", "compare", *map(str, arguments)], prog_name="circulation")
    assert 0 == done.exit_code, done.output
    return done


def compared(*arguments: object) -> dict[str, Any]:
    return {one["detector"]: one for one in json.loads(run("--json", *arguments).stdout)}


def test_those_in_shadow_are_compared_by_what_they_found_in_each_of_their_times() -> None:
    found = compared()
    assert ["negative-list", "usage-limit"] == list(found)
    one = found["negative-list"]
    assert "shadow" == one["mode"]
    assert ({"red": 3}, 5, 0.6) == tuple(one["shadow"][name] for name in ("found", "looked_at", "share"))
    assert [{"since": TURN, "until": None}] == one["shadow"]["spans"]
    # Two contracts were signed then, too.
    assert ({"red": 1}, 6) == (one["live"]["found"], one["live"]["looked_at"])
    assert TURN == one["live"]["spans"][-1]["until"]


def test_what_would_follow_is_counted_and_what_others_found_of_the_same_things() -> None:
    one = compared()["negative-list"]
    assert {"cases": 3, "known": 1, "parties": 2, "points": 30} == one["if_enforced"]
    others = {each["about"]["id"]: each["others"] for each in one["examples"]}
    assert {"b0": ["certificate-invalid"], "b1": [], "b2": []} == others


def test_of_uses_it_is_not_said_how_many_there_were() -> None:
    one = compared("--detector", "usage-limit")["usage-limit"]
    assert {"blue": 1, "red": 1} == one["shadow"]["found"]
    assert (None, None) == (one["shadow"]["looked_at"], one["shadow"]["share"])
    assert {"orange": 1} == one["live"]["found"]


def test_a_window_leaves_out_what_occurred_outside_of_it() -> None:
    one = compared("--since", "2025-07-02", "--until", "2025-07-03")["negative-list"]
    assert ({"red": 1}, 1) == (one["shadow"]["found"], one["shadow"]["looked_at"])
    assert ([], {}) == (one["live"]["spans"], one["live"]["found"])


def test_a_detector_that_never_was_in_shadow_can_be_asked_for() -> None:
    one = compared("--detector", "paper-trade")["paper-trade"]
    assert ([], {}, 0) == (one["shadow"]["spans"], one["shadow"]["found"], one["if_enforced"]["cases"])


def test_it_is_told_in_words() -> None:
    said = run().stdout
    assert "negative-list  " in said
    assert "found 3 red in 5 acts that it looked at (60.0%)" in said
    assert "3 cases; about 1 of these things other detectors found something; 2 parties responsible, 30 points" in said
    assert "how many uses it looked at is not kept" in said
    assert "red about b0, 2025-07-01:" in said
    assert "; also certificate-invalid" in said
