"""Every metric, declared once: its name, its kind, what it means, and its labels.

`METRICS` is the list that documentation and dashboards go by; `Metrics` is one process's set of them, in a registry
that is handed in. Labels come from closed sets only, never from ids, so that the number of series stays bounded.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, Literal, NamedTuple

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from circulation.docket import STATES
from circulation.events import OPENLINEAGE_RUN, TYPES
from circulation.findings import SEVERITIES
from streams.counts import PRIORITY_NAMES, Counts
from streams.topics import TOPICS, TOPICS_IN

OTHER: Final = "other"
GRADE_NAMES: Final = ("A", "B", "C", "D")
STAGES: Final = ("admit", "take", "judge", "relay")

# A stage takes from a fraction of a millisecond to, with a store that is slow, minutes.
SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# A delay is longer where the worker was behind: up to an hour, beyond which the number no longer matters.
DELAY_SECONDS: Final = (0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600)
RECORDS: Final = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000, 20_000, 40_000, 100_000)


class Metric(NamedTuple):
    """One metric as it is declared. `buckets` are the upper bounds of a histogram."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    meaning: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


EVENTS = Metric(
    "circulation_events_total",
    "counter",
    "events admitted, by what became of them: taken in, or duplicates of those that were (their type is `other`)",
    ("topic", "type", "outcome"),
)
REJECTED = Metric(
    "circulation_rejected_total",
    "counter",
    "records that could not be admitted, by the code of the reason",
    ("reason",),
)
FINDINGS = Metric(
    "circulation_findings_total",
    "counter",
    "findings raised (also anew, and revised) and cleared",
    ("detector", "severity", "mode", "change"),
)
LAG = Metric(
    "circulation_lag_records",
    "gauge",
    "records of a partition that this worker has been assigned and has not yet committed",
    ("topic", "partition"),
)
STAGE = Metric(
    "circulation_stage_seconds",
    "histogram",
    "time that one step of a stage takes: admitting a fetch, taking it in, a round of judging, a round of relaying",
    ("stage",),
    SECONDS,
)
EVENT_TO_COMMIT = Metric(
    "circulation_event_to_commit_seconds",
    "histogram",
    "from Kafka's timestamp of a record to the commit of its fetch",
    (),
    DELAY_SECONDS,
)
EVENT_TO_FINDING = Metric(
    "circulation_event_to_finding_seconds",
    "histogram",
    "from Kafka's timestamp of the record that caused a finding (of what is judged after intake, from its intake) to"
    " the commit of the finding",
    (),
    DELAY_SECONDS,
)
DELAY = Metric(
    "circulation_delay_seconds",
    "gauge",
    "for how long some partition of this worker has not come to the end that it had",
)
STANDING = Metric(
    "circulation_findings_standing", "gauge", "findings in the store that stand", ("detector", "severity", "mode")
)
OPEN = Metric(
    "circulation_findings_open",
    "gauge",
    "findings in the store that stand and whose case is not closed, or which have no case",
    ("detector", "severity", "mode"),
)
CASES = Metric(
    "circulation_cases", "gauge", "cases in the store, by where they are in their life", ("state", "severity")
)
UNATTENDED = Metric(
    "circulation_red_cases_unattended",
    "gauge",
    "red cases in the store that nobody has acknowledged, by the detector that found what they are about",
    ("detector",),
)
LIMITS = Metric(
    "circulation_contracts_near_limit",
    "gauge",
    "contracts in the store by the gravest of their standing findings of usage-limit: blue and yellow are near a limit,"
    " orange and red beyond it",
    ("severity",),
)
GRADES = Metric("circulation_credit_parties", "gauge", "parties with a statement of credit, by its grade", ("grade",))
JUDGE_QUEUE = Metric(
    "circulation_judge_queue_items",
    "gauge",
    "items in the store that wait to be judged: what just came, what is judged again in bulk, what is to be"
    " stated of credit, and what the engine failed on and set aside",
    ("priority",),
)
JUDGE_QUEUE_AGE = Metric(
    "circulation_judge_queue_oldest_seconds",
    "gauge",
    "how long the oldest item of the judge queue has waited, what is set aside left out; 0 where none waits",
)
OUTBOX = Metric("circulation_outbox_messages", "gauge", "messages in the store that are still to be sent to Kafka")
OUTBOX_AGE = Metric(
    "circulation_outbox_oldest_seconds",
    "gauge",
    "how long the oldest message of the outbox has waited; 0 where none waits",
)
DEADLINES = Metric(
    "circulation_deadlines", "gauge", "deadlines in the store, also those that are past and not looked at yet"
)
DEADLINES_DUE = Metric(
    "circulation_deadlines_due", "gauge", "deadlines in the store that are past and were not looked at yet"
)
DEADLINES_AGE = Metric(
    "circulation_deadlines_oldest_due_seconds",
    "gauge",
    "for how long the oldest of the deadlines that were not looked at has been past; 0 where none is",
)
COUNTED = Metric(
    "circulation_counted_timestamp_seconds",
    "gauge",
    "when this worker last counted what the store holds, in seconds since 1970; the more there is the rarer it counts",
)
DETECTOR_ERRORS = Metric(
    "circulation_detector_errors_total",
    "counter",
    "acts on which a rule failed; the other rules went on",
    ("detector",),
)
LOOKS = Metric(
    "circulation_looks_total",
    "counter",
    "acts, scopes, screenings and uses that a rule was asked about",
    ("detector",),
)
NEW = Metric(
    "circulation_findings_new_total",
    "counter",
    "findings raised for the first time, in a mode that people act upon (warn, enforce)",
    ("detector",),
)
BREAKER = Metric(
    "circulation_rule_breaker",
    "gauge",
    "1 while a rule is held on this worker, since it newly fires on too much of what it looks at, else 0; findings,"
    " cases and points go on, its alerts are inhibited",
    ("detector",),
)
FETCH = Metric("circulation_fetch_records", "histogram", "records of one fetch", (), RECORDS)
PACK = Metric(
    "circulation_pack_info",
    "gauge",
    "1 for the rule pack that is in force on this worker now",
    ("pack", "version", "digest"),
)
STORE_UP = Metric("circulation_store_up", "gauge", "1 while the store answers, else 0")
BROKER_UP = Metric("circulation_broker_up", "gauge", "1 while Kafka answers, else 0")
STOPPED = Metric(
    "circulation_partitions_stopped",
    "gauge",
    "partitions that this worker has stopped reading, since their topic was made anew or records are gone",
    ("topic",),
)
READY = Metric("circulation_ready", "gauge", "1 while this worker answers /ready with yes, else 0")

METRICS: Final[Mapping[str, Metric]] = {
    one.name: one
    for one in (
        EVENTS,
        REJECTED,
        FINDINGS,
        STANDING,
        OPEN,
        CASES,
        UNATTENDED,
        LIMITS,
        GRADES,
        LAG,
        DELAY,
        FETCH,
        STAGE,
        EVENT_TO_COMMIT,
        EVENT_TO_FINDING,
        JUDGE_QUEUE,
        JUDGE_QUEUE_AGE,
        OUTBOX,
        OUTBOX_AGE,
        DEADLINES,
        DEADLINES_DUE,
        DEADLINES_AGE,
        COUNTED,
        DETECTOR_ERRORS,
        LOOKS,
        NEW,
        BREAKER,
        PACK,
        STORE_UP,
        BROKER_UP,
        STOPPED,
        READY,
    )
}

_TYPES = frozenset({*TYPES, OPENLINEAGE_RUN})
_TOPICS = frozenset(TOPICS)


class Metrics:
    """The metrics of one process, in the registry given. The attributes are prometheus_client's own objects.

    `detectors` and `reasons` are the values that exist: their series are there from the start. What arrives with a
    type, topic or code that nobody knows is counted under `other`: use the methods for those.
    """

    def __init__(
        self, registry: CollectorRegistry, *, detectors: Iterable[str] = (), reasons: Iterable[str] = ()
    ) -> None:
        # Series that tell when a counter began would double their number, and nobody asks.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no type for it
        self.registry = registry
        self.events = self._counter(EVENTS)
        self.rejections = self._counter(REJECTED)
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
        self.outbox = self._gauge(OUTBOX)
        self.outbox_age = self._gauge(OUTBOX_AGE)
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
        self.store_up = self._gauge(STORE_UP)
        self.broker_up = self._gauge(BROKER_UP)
        self.stopped = self._gauge(STOPPED)
        self.ready = self._gauge(READY)
        # Series that are there from the start: a rate over one that appears with its first count misses that count.
        for stage in STAGES:
            self.stage.labels(stage)
        for topic in TOPICS_IN:
            self.stopped.labels(topic)
        detectors = frozenset(detectors)
        for detector in sorted(detectors):
            for each in (self.detector_errors, self.looks, self.new, self.breaker, self.unattended):
                each.labels(detector)
        for severity in SEVERITIES:
            self.limits.labels(severity)
            for state in STATES:
                self.cases.labels(state, severity)
        for grade in GRADE_NAMES:
            self.grades.labels(grade)
        for priority in PRIORITY_NAMES.values():
            self.judge_queue.labels(priority)
        self._detectors = detectors
        # What stands has a series from the first time that it did; then it is 0, and not gone.
        self._labels: dict[Gauge, set[tuple[str, ...]]] = {
            self.standing: set(),
            self.open: set(),
            self.lag: set(),
            self.cases: {(state, severity) for state in STATES for severity in SEVERITIES},
            self.unattended: {(detector,) for detector in detectors},
            self.limits: {(severity,) for severity in SEVERITIES},
            self.grades: {(grade,) for grade in GRADE_NAMES},
            self.judge_queue: {(priority,) for priority in PRIORITY_NAMES.values()},
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

    def took(self, topic: str, taken: Mapping[str, int], duplicates: int = 0) -> None:
        """Counts the events of one topic: those taken in by type, and the duplicates, whose types nobody asks."""
        place = topic if topic in _TOPICS else OTHER
        for type_, count in taken.items():
            self.events.labels(place, type_ if type_ in _TYPES else OTHER, "taken").inc(count)
        if duplicates:
            self.events.labels(place, OTHER, "duplicate").inc(duplicates)

    def rejected(self, counts: Mapping[str, int]) -> None:
        """Counts rejections, by reason."""
        for reason, count in counts.items():
            known = not self._reasons or str(reason) in self._reasons
            self.rejections.labels(str(reason) if known else OTHER).inc(count)

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
        wanted = {(topic, str(partition)): number for (topic, partition), number in lags.items()}
        for gone in self._labels[self.lag] - wanted.keys():
            self.lag.remove(*gone)
        self._labels[self.lag] = set(wanted)
        for labels, number in wanted.items():
            self.lag.labels(*labels).set(number)

    def counted(self, counts: Counts, now: int, clock: int) -> None:
        """Says what the store holds. `now` and `clock` are the wall clock and that of deadlines, µs."""
        for gauge, found in (
            (self.standing, counts.standing),
            (self.open, counts.open),
            (self.cases, counts.cases),
            (self.unattended, counts.unattended),
            (self.limits, counts.limits),
            (self.grades, counts.grades),
            (self.judge_queue, counts.queue),
        ):
            known = self._labels[gauge]
            known.update(found)
            for labels in known:
                gauge.labels(*labels).set(found.get(labels, 0))
        self.outbox.set(counts.outbox)
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
        """What /metrics answers with: the text, and its content type."""
        return generate_latest(self.registry), CONTENT_TYPE_LATEST
