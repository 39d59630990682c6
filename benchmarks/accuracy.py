"""`make accuracy`: of what was planted in simulated markets, how much is found, and what is found beyond it.

Each seed makes a market; a replay judges it by the shipped pack; what stands at the end is held against the list that
came with the market, finding by finding. It fails below 100 % found and above 0 false, and where a detector of the
contract has no plant.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any, Final, NamedTuple

import orjson

import detectors
from circulation.admission.admission import Admission
from streams.offline.replay import Replay, offline
from streams.simulate.market import NOT_IN_A_FILE, Market, held
from streams.store.store import Store

SEEDS: Final = 10
EVENTS: Final = 30_000
# Two rounds of plants in so many events.
VIOLATIONS: Final = 0.015
SHOWN_MAX: Final = 20


class Seen(NamedTuple):
    """What came of one market: counts by detector, and in words what was missed and what was false."""

    seed: int
    events: int
    seconds: float
    rejected: int
    planted: Counter[str]
    missed: Counter[str]
    false: Counter[str]
    words: list[str]


def look(seed: int, events: int = EVENTS, violations: float = VIOLATIONS) -> Seen:
    """Simulates a market, replays it, and holds what stands against what was planted."""
    market = Market(events=events, violations=violations, seed=seed)
    began = time.monotonic()
    store = Store("sqlite://")
    try:
        tally = Replay(offline(store, None), Admission()).run(market.lines())
        with store.reading() as db:
            found = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    finally:
        store.close()
    expected = [one.members() for one in market.expected()]
    missed, false = held(expected, found)
    words = [f"seed {seed}: missed {_shown(one)}: {one['why']}" for one in missed]
    words += [f"seed {seed}: false {_shown(one)}: {one['summary']} {one['evidence']}" for one in false]
    return Seen(
        seed,
        tally.lines,
        time.monotonic() - began,
        tally.rejected,
        _by_detector(expected),
        _by_detector(missed),
        _by_detector(false),
        words,
    )


def _by_detector(findings: Iterable[Any]) -> Counter[str]:
    return Counter(one["detector"] for one in findings)


def _shown(one: Any) -> str:
    return f"{one['detector']} {one['severity']} about {one['about']['id']}"


def wrong(seen: Sequence[Seen]) -> list[str]:
    """All that is wrong, in words; a detector without a plant is."""
    said = [word for one in seen for word in one.words]
    said += [f"seed {one.seed}: {one.rejected} events were rejected" for one in seen if one.rejected]
    planted = sum((one.planted for one in seen), Counter[str]())
    said += [without_a_plant(id_) for id_ in detectors.RULES if id_ not in planted and id_ not in NOT_IN_A_FILE]
    return said


def without_a_plant(detector: str) -> str:
    """What is to be done so that a market has something for the detector to find."""
    return (
        f"{detector} has no plant: in the file of streams/simulate/ that it is nearest to (licences, deadlines, feeds,"
        " provenance, persons, exports, self_dealing, competition, conduct) write"
        f" `def {detector.replace('-', '_')}(on: Ground)`, which yields what happens and `on.must(...)`, and name it"
        " in the PLANTS of that file"
    )


def table(seen: Sequence[Seen]) -> list[str]:
    """A line for each detector: planted, found, missed, false."""
    sums = [sum((getattr(one, name) for one in seen), Counter[str]()) for name in ("planted", "missed", "false")]
    planted, missed, false = sums
    lines = [f"{'detector':<28}{'planted':>9}{'found':>9}{'missed':>9}{'false':>9}"]
    for detector in detectors.RULES:
        if detector in NOT_IN_A_FILE and not false[detector]:
            lines.append(f"{detector:<28}{'no file of events can make it':>36}")
            continue
        counts = (planted[detector], planted[detector] - missed[detector], missed[detector], false[detector])
        lines.append(f"{detector:<28}" + "".join(f"{count:>9,}" for count in counts))
    counts = (planted.total(), planted.total() - missed.total(), missed.total(), false.total())
    return [*lines, f"{'all':<28}" + "".join(f"{count:>9,}" for count in counts)]


def main() -> int:
    """Looks at so many seeds, in as many processes as there are cores."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__)
    parser.add_argument("--seeds", type=int, default=SEEDS, help="markets to simulate")
    parser.add_argument("--events", type=int, default=EVENTS, help="events of each")
    parser.add_argument("--violations", type=float, default=VIOLATIONS, help="findings to plant for each event, about")
    given = parser.parse_args()
    seeds = range(1, given.seeds + 1)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(look, seed, given.events, given.violations) for seed in seeds]
        seen = [future.result() for future in futures]
    print("\n".join(table(seen)))
    seconds = max(one.seconds for one in seen)
    print(f"\n{len(seen)} markets of {given.events:,} events; a replay took {seconds:.0f} s at most")
    said = wrong(seen)
    for text in said[:SHOWN_MAX]:
        print(text, file=sys.stderr)
    if len(said) > SHOWN_MAX:
        print(f"and {len(said) - SHOWN_MAX} more", file=sys.stderr)
    return 1 if said else 0


if __name__ == "__main__":
    sys.exit(main())
