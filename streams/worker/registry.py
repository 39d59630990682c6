"""One process's metrics, in a registry of prometheus_client: counted by the worker, told by /metrics."""

from collections.abc import Collection, Iterable, Mapping

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from circulation.docket import STATES
from circulation.events.names import OPENLINEAGE_RUN
from circulation.events.types import TYPES
from circulation.findings import SEVERITIES
from streams.budget import NAMES
from streams.topics import TOPICS, TOPICS_IN
from streams.worker.counts import PRIORITY_NAMES, Counts
from streams.worker.metrics import (
    BREAKER,
    BROKER_UP,
    CASES,
    COUNTED,
    DEADLINES,
    DEADLINES_AGE,
    DEADLINES_DUE,
    DELAY,
    DETECTOR_ERRORS,
    ENTRIES_ENDING,
    EVENT_TO_COMMIT,
    EVENT_TO_FINDING,
    EVENTS,
    FETCH,
    FINDINGS,
    GRADE_NAMES,
    GRADES,
    JUDGE_QUEUE,
    JUDGE_QUEUE_AGE,
    LAG,
    LIMITS,
    LOOKS,
    NEW,
    OPEN,
    OTHER,
    OUTBOX,
    OUTBOX_AGE,
    OUTBOX_ASIDE,
    PACK,
    PACK_ENDS,
    READY,
    REJECTED,
    RETENTION_USED,
    SENT_ON,
    SET_ASIDE,
    SOURCE_ALL,
    SOURCE_GOOD,
    STAGE,
    STAGES,
    STANDING,
    STOPPED,
    STORE_UP,
    UNATTENDED,
    UNKNOWN_MEMBERS,
    Metric,
)

_TYPES = frozenset({*TYPES, OPENLINEAGE_RUN})
_TOPICS = frozenset(TOPICS)


class Metrics:
    """The metrics of one process, in the registry given. The attributes are prometheus_client's own objects.

    `detectors` and `reasons` are the values that exist: their series are there from the start. An unknown type,
    topic or code is counted under `other`: use the methods for those.
    """

    def __init__(
        self, registry: CollectorRegistry, *, detectors: Iterable[str] = (), reasons: Iterable[str] = ()
    ) -> None:
        # Series that tell when a counter began would double their number, and nobody asks.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type for it
        self.registry = registry
        self.events = self._counter(EVENTS)
        self.rejections = self._counter(REJECTED)
        self.unknown_members = self._counter(UNKNOWN_MEMBERS)
        self.sent_on = self._counter(SENT_ON)
        self.findings = self._counter(FINDINGS)
        self.lag = self._gauge(LAG)
        self.delay = self._gauge(DELAY)
        self.stage = self._histogram(STAGE)
        self.event_to_commit = self._histogram(EVENT_TO_COMMIT)
        self.event_to_finding = self._histogram(EVENT_TO_FINDING)
        self.standing = self._gauge(STANDING)
        self.open = self._gauge(OPEN)
        self.cases = self._gauge(CASES)
        self.unattended = self._gauge(UNATTENDED)
        self.limits = self._gauge(LIMITS)
        self.grades = self._gauge(GRADES)
        self.judge_queue = self._gauge(JUDGE_QUEUE)
        self.judge_queue_age = self._gauge(JUDGE_QUEUE_AGE)
        self.set_aside = self._gauge(SET_ASIDE)
        self.outbox = self._gauge(OUTBOX)
        self.outbox_age = self._gauge(OUTBOX_AGE)
        self.outbox_aside = self._gauge(OUTBOX_ASIDE)
        self.deadlines = self._gauge(DEADLINES)
        self.deadlines_due = self._gauge(DEADLINES_DUE)
        self.deadlines_age = self._gauge(DEADLINES_AGE)
        self.counted_at = self._gauge(COUNTED)
        self.detector_errors = self._counter(DETECTOR_ERRORS)
        self.looks = self._counter(LOOKS)
        self.new = self._counter(NEW)
        self.breaker = self._gauge(BREAKER)
        self.fetch = self._histogram(FETCH)
        self.pack = self._gauge(PACK)
        self.pack_ends = self._gauge(PACK_ENDS)
        self.pack_ends.set(float("inf"))
        self.entries_ending = self._gauge(ENTRIES_ENDING)
        self.store_up = self._gauge(STORE_UP)
        self.broker_up = self._gauge(BROKER_UP)
        self.stopped = self._gauge(STOPPED)
        self.ready = self._gauge(READY)
        self.retention_used = self._gauge(RETENTION_USED)
        self.source_good = self._gauge(SOURCE_GOOD)
        self.source_all = self._gauge(SOURCE_ALL)
        # Series that are there from the start: a rate over one that appears with its first count misses that count.
        for stage in STAGES:
            self.stage.labels(stage)
        for topic in TOPICS_IN:
            self.stopped.labels(topic)
            self.sent_on.labels(topic)
            self.retention_used.labels(topic)
        detectors = frozenset(detectors)
        for detector in sorted(detectors):
            for family in (self.detector_errors, self.looks, self.new, self.breaker, self.unattended):
                family.labels(detector)
        for severity in SEVERITIES:
            self.limits.labels(severity)
            for state in STATES:
                self.cases.labels(state, severity)
        for grade in GRADE_NAMES:
            self.grades.labels(grade)
        for priority in PRIORITY_NAMES.values():
            self.judge_queue.labels(priority)
        for budget in NAMES:
            self.set_aside.labels(budget)
        self._detectors = detectors
        # A count has a series from its first finding on; afterwards it is 0, and not gone.
        self._labels: dict[Gauge, set[tuple[str, ...]]] = {
            self.standing: set(),
            self.open: set(),
            self.lag: set(),
            self.source_good: set(),
            self.source_all: set(),
            self.cases: {(state, severity) for state in STATES for severity in SEVERITIES},
            self.unattended: {(detector,) for detector in detectors},
            self.limits: {(severity,) for severity in SEVERITIES},
            self.grades: {(grade,) for grade in GRADE_NAMES},
            self.judge_queue: {(priority,) for priority in PRIORITY_NAMES.values()},
            self.set_aside: {(budget,) for budget in NAMES},
        }
        self._reasons = frozenset(map(str, reasons))
        for reason in sorted(self._reasons):
            self.rejections.labels(reason)

    def _counter(self, metric: Metric) -> Counter:
        return Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _gauge(self, metric: Metric) -> Gauge:
        return Gauge(metric.name, metric.meaning, metric.labels, registry=self.registry)

    def _histogram(self, metric: Metric) -> Histogram:
        return Histogram(metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets)

    def took(self, topic: str, counts: Mapping[str, int], duplicates: int = 0) -> None:
        """Counts the events of one topic: those taken in by type, and the duplicates, whose types nobody asks."""
        place = topic if topic in _TOPICS else OTHER
        for type_, count in counts.items():
            self.events.labels(place, type_ if type_ in _TYPES else OTHER, "taken").inc(count)
        if duplicates:
            self.events.labels(place, OTHER, "duplicate").inc(duplicates)

    def rejected(self, counts: Mapping[str, int]) -> None:
        """Counts rejections, by reason."""
        for reason, count in counts.items():
            known = not self._reasons or str(reason) in self._reasons
            self.rejections.labels(str(reason) if known else OTHER).inc(count)

    def unknown(self, counts: Mapping[str, int]) -> None:
        """Counts members that nobody knows, by the type of their events."""
        for type_, count in counts.items():
            self.unknown_members.labels(type_ if type_ in _TYPES else OTHER).inc(count)

    def changed(self, detector: str, severity: str, mode: str, *, raised: bool) -> None:
        """Counts a finding that was raised or cleared."""
        self.findings.labels(detector, severity, mode, "raised" if raised else "cleared").inc()

    def looked_at(self, looks: Mapping[str, int], new: Mapping[str, int]) -> None:
        """Counts what rules were asked about, and what they found for the first time."""
        for counter, numbers in ((self.looks, looks), (self.new, new)):
            for detector, number in numbers.items():
                counter.labels(detector).inc(number)

    def held(self, detectors: Collection[str]) -> None:
        """Says which rules are held; the others are not."""
        for detector in self._detectors:
            self.breaker.labels(detector).set(detector in detectors)

    def in_force(self, pack: str, version: str, digest: str) -> None:
        """Says which pack is in force; the one before is no longer named."""
        self.pack.clear()
        self.pack.labels(pack, version, digest).set(1)

    def lags(self, lags: Mapping[tuple[str, int], int]) -> None:
        """Says how many records each partition is behind; those that are no longer assigned are not named any more."""
        self._only(self.lag, {(topic, str(partition)): number for (topic, partition), number in lags.items()})

    def _only(self, gauge: Gauge, wanted: Mapping[tuple[str, ...], int]) -> None:
        """Sets a gauge to these; what else it named it does not name any more."""
        for gone in self._labels[gauge] - wanted.keys():
            gauge.remove(*gone)
        self._labels[gauge] = set(wanted)
        for labels, number in wanted.items():
            gauge.labels(*labels).set(number)

    def counted(self, counts: Counts, now: int, clock: int) -> None:
        """Says what the store holds. `now` and `clock` are the wall clock and that of deadlines, µs."""
        for gauge, counted in (
            (self.standing, counts.standing),
            (self.open, counts.open),
            (self.cases, counts.cases),
            (self.unattended, counts.unattended),
            (self.limits, counts.limits),
            (self.grades, counts.grades),
            (self.judge_queue, counts.queue),
            (self.set_aside, counts.set_aside),
        ):
            known = self._labels[gauge]
            known.update(counted)
            for labels in known:
                gauge.labels(*labels).set(counted.get(labels, 0))
        self._only(self.source_good, {labels: share.good for labels, share in counts.quality.items()})
        self._only(self.source_all, {labels: share.all for labels, share in counts.quality.items()})
        self.outbox.set(counts.outbox)
        self.outbox_aside.set(counts.unsent)
        self.deadlines.set(counts.deadlines)
        self.deadlines_due.set(counts.due)
        for gauge, since, instant in (
            (self.judge_queue_age, counts.queue_since, now),
            (self.outbox_age, counts.outbox_since, now),
            (self.deadlines_age, counts.due_since, clock),
        ):
            gauge.set(0.0 if since is None else max(0, instant - since) / 1e6)
        self.counted_at.set(now / 1e6)

    def exposition(self) -> tuple[bytes, str]:
        """The answer of /metrics: the text, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
