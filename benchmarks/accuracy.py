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
    """The result of one market: counts by detector, and missed and false findings in words."""

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
            findings = [orjson.loads(row[0]) for row in db.rows("select data from findings where standing")]
    finally:
        store.close()
    expected = [planted.members() for planted in market.expected()]
    missed, false = held(expected, findings)
    words = [f"seed {seed}: missed {_shown(finding)}: {finding['why']}" for finding in missed]
    words += [f"seed {seed}: false {_shown(finding)}: {finding['summary']} {finding['evidence']}" for finding in false]
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
    return Counter(finding["detector"] for finding in findings)


def _shown(finding: Any) -> str:
    return f"{finding['detector']} {finding['severity']} about {finding['about']['id']}"


def wrong(seen: Sequence[Seen]) -> list[str]:
    """All that is wrong, in words; a detector without a plant is."""
    sentences = [word for market in seen for word in market.words]
    sentences += [f"seed {market.seed}: {market.rejected} events were rejected" for market in seen if market.rejected]
    planted = sum((market.planted for market in seen), Counter[str]())
    sentences += [without_a_plant(id_) for id_ in detectors.RULES if id_ not in planted and id_ not in NOT_IN_A_FILE]
    return sentences


def without_a_plant(detector: str) -> str:
    """The sentence about a detector that has no plant in the market."""
    return (
        f"{detector} has no plant: in the file of streams/simulate/ that it is nearest to (licences, deadlines, feeds,"
        " provenance, negative_list, persons, exports, self_dealing, competition, conduct, rights) write"
        f" `def {detector.replace('-', '_')}(on: Ground)`, which yields what happens and `on.must(...)`, and name it"
        " in the PLANTS of that file"
    )


def table(seen: Sequence[Seen]) -> list[str]:
    """A line for each detector: planted, found, missed, false."""
    sums = [sum((getattr(market, name) for market in seen), Counter[str]()) for name in ("planted", "missed", "false")]
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
    options = parser.parse_args()
    seeds = range(1, options.seeds + 1)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        futures = [pool.submit(look, seed, options.events, options.violations) for seed in seeds]
        seen = [future.result() for future in futures]
    print("\n".join(table(seen)))
    seconds = max(market.seconds for market in seen)
    print(f"\n{len(seen)} markets of {options.events:,} events; a replay took {seconds:.0f} s at most")
    sentences = wrong(seen)
    for text in sentences[:SHOWN_MAX]:
        print(text, file=sys.stderr)
    if len(sentences) > SHOWN_MAX:
        print(f"and {len(sentences) - SHOWN_MAX} more", file=sys.stderr)
    return 1 if sentences else 0


if __name__ == "__main__":
    sys.exit(main())
