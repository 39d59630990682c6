"""Counts what a worker does: fetches, rounds of judging, findings, and how often each rule fires."""

import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from circulation.rules import Rule
from streams.breaker import ACTED_UPON, Breaker
from streams.findings.entry import Change
from streams.health.clock import Clock
from streams.intake import Outcome
from streams.judging import Judged
from streams.wire.reader import Fetch
from streams.worker.registry import Metrics

log = logging.getLogger("circulation")

_NO_LOOKS: Mapping[str, int] = {}


class Meter:
    """Counts into the metrics, and for the breaker. `held` are the rules that fire on too much, with the sentences."""

    def __init__(self, metrics: Metrics, breaker: Breaker, clock: Clock, rules: Iterable[Rule]) -> None:
        self.metrics = metrics
        self.held: dict[str, str] = {}
        self._breaker = breaker
        self._clock = clock
        self._tallies = {rule.id: rule.tally.events for rule in rules if rule.tally is not None}

    def took(self, fetch: Fetch, outcome: Outcome, admit: float, take: float, stamps: Sequence[int]) -> None:
        """Counts a fetch that is committed: seconds of admission and of the transaction, and when the first record of
        each partition was written, ms."""
        if not stamps:
            return  # only the end of a transaction was passed
        metrics = self.metrics
        since = max(0, self._clock.now() - min(stamps) * 1000) / 1_000_000
        metrics.fetch.observe(sum(len(part.records) for part in fetch.parts.values()))
        metrics.stage.labels("admit").observe(admit)
        metrics.stage.labels("take").observe(take)
        metrics.took(fetch.topic, outcome.type_counts, outcome.duplicates)
        metrics.unknown(outcome.unknown)
        metrics.rejected(outcome.rejected)
        metrics.event_to_commit.observe(since)
        if outcome.changes:
            metrics.event_to_finding.observe(since)
        looks = {id_: sum(outcome.type_counts.get(type_, 0) for type_ in types) for id_, types in self._tallies.items()}
        self.changed(outcome.changes, outcome.errors, looks)

    def judged(self, judged: Judged, seconds: float) -> None:
        """Counts what a round of judging did."""
        self.metrics.stage.labels("judge").observe(seconds)
        self.changed(judged.changes, judged.errors, judged.looks)
        if judged.changes:
            self.metrics.event_to_finding.observe(max(0, self._clock.now() - judged.since) / 1e6)

    def changed(
        self, changes: Iterable[Change], errors: Iterable[str] = (), looks: Mapping[str, int] = _NO_LOOKS
    ) -> None:
        """Counts findings, rules that failed, and by rule what it was asked about."""
        new: Counter[str] = Counter()
        for change in changes:
            self.metrics.changed(change.detector, change.severity, change.mode, raised=change.raised)
            if change.raised and change.first and change.mode in ACTED_UPON:
                new[change.detector] += 1
        for rule in errors:
            self.metrics.detector_errors.labels(rule).inc()
        self.metrics.looked_at(looks, new)
        self._breaker.count(looks, new, time.monotonic())

    def hold(self) -> None:
        """Says which rules fire on too much, once when it begins and once when it ends."""
        breaker = self._breaker
        held = {rule: breaker.in_words(rule, fires) for rule, fires in breaker.held(time.monotonic()).items()}
        for rule in held.keys() - self.held.keys():
            log.warning("%s", held[rule])
        for rule in self.held.keys() - held.keys():
            log.warning("%s is no longer held", rule)
        self.held = held
        self.metrics.held(held)
