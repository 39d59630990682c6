"""What is found is a function of what happened: not of the interleaving of keys, of batching, or of repetition."""

from collections.abc import Sequence
from typing import Any
from unittest import mock

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from circulation.admission.admission import Admission
from circulation.calendar import parse_instant
from circulation.examples import Json
from circulation.packs.reading import parse_pack
from streams.offline import replay
from streams.store.store import Store
from tests.model import markets

# They say when a finding left and to whom, not what was found.
OF_THE_EVENT = {"revision", "sectors"}


def standing(lines: Sequence[Json], default: Json, until: str) -> list[dict[str, Any]]:
    found = replay.findings_of(lines, pack=default, until=until)
    return [{name: value for name, value in one.items() if name not in OF_THE_EVENT} for one in found]


def written(lines: Sequence[Json], default: Json, until: str) -> bytes:
    """All that a replay writes, byte for byte: findings, then rejections."""
    engine = replay.offline(Store("sqlite://"), parse_pack(default, published=False))
    findings: list[bytes] = []
    rejected: list[bytes] = []
    run = replay.Replay(
        engine, Admission(), findings=findings.append, rejected=rejected.append, until=parse_instant(until)
    )
    run.run(orjson.dumps(one) for one in lines)
    return b"\n".join([*findings, b"", *rejected])


@settings(max_examples=80)
@given(
    lines=markets.markets(packs_first=True),
    default=markets.packs,
    until=st.sampled_from(markets.UNTIL),
    seed=st.integers(0, 2**16),
)
def test_any_interleaving_that_keeps_each_key_s_order_finds_the_same(
    lines: list[Json], default: Json, until: str, seed: int
) -> None:
    assert standing(lines, default, until) == standing(markets.interleaved(lines, seed), default, until)


@settings(max_examples=60)
@given(
    lines=markets.markets(themes=markets.NOTHING_COUNTED),
    default=markets.packs,
    until=st.sampled_from(markets.UNTIL),
    seed=st.integers(0, 2**16),
)
def test_any_interleaving_finds_the_same_whenever_packs_come_where_nothing_is_counted(
    lines: list[Json], default: Json, until: str, seed: int
) -> None:
    again = markets.interleaved(lines, seed, packs_first=False)
    assert standing(lines, default, until) == standing(again, default, until)


@settings(max_examples=40)
@given(lines=markets.markets(), default=markets.packs, until=st.sampled_from(markets.UNTIL))
def test_any_grouping_of_uses_writes_the_same_bytes(lines: list[Json], default: Json, until: str) -> None:
    whole = written(lines, default, until)
    assert whole == written(lines, default, until)
    for run_max in (1, 2, 7):
        with mock.patch.object(replay, "RUN_MAX", run_max):
            assert whole == written(lines, default, until)


@settings(max_examples=50)
@given(lines=markets.markets(), default=markets.packs, until=st.sampled_from(markets.UNTIL))
def test_everything_twice_finds_the_same(lines: list[Json], default: Json, until: str) -> None:
    twice = [one for one in lines for _ in range(2)]
    assert standing(lines, default, until) == standing(twice, default, until)


@pytest.mark.parametrize("run_max", [1, 2, 7])
def test_a_long_run_of_numbered_uses_writes_the_same_bytes_however_it_is_cut(run_max: int) -> None:
    default = markets.pack()
    terms = {"valid_from": "2025-01-01", "uses_max": 100, "windows": [{"uses_max": 10, "seconds": 3600}]}
    lines = [markets.signed("c", "2025-01-01", terms=terms)] + [
        markets.used("c", f"2025-02-01T{at // 12:02}:{at % 60:02}:00", 1, id=f"u{at}", sequence=at + 1)
        for at in range(130)
    ]
    whole = written(lines, default, markets.UNTIL[0])
    assert whole.count(b"circulation.finding.raised") > 4
    with mock.patch.object(replay, "RUN_MAX", run_max):
        assert whole == written(lines, default, markets.UNTIL[0])
