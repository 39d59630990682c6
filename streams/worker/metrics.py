"""Every metric, declared once: its name, its kind, what it means, and its labels.

`METRICS` is the list that documentation and dashboards go by; `Metrics` (`registry`) is one process's set of them.
Labels come from closed sets only, never from ids, so that the number of series stays bounded. Sources are those of the
file of sources, and of these the busiest (`streams.worker.counts`).
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

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
UNKNOWN_MEMBERS = Metric(
    "circulation_unknown_members_total",
    "counter",
    "members that nobody knows, and that were ignored, of events that were taken in",
    ("type",),
)
SENT_ON = Metric(
    "circulation_sent_on_total",
    "counter",
    "records read in another partition than the home of their key, and sent on there",
    ("topic",),
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
SET_ASIDE = Metric(
    "circulation_queue_set_aside",
    "gauge",
    "items of the judge queue in the store that are set aside, by the budget that they went over (`rows`, `bytes`,"
    " `seconds`), or since the engine failed on them (`error`), or since a process died over them twice (`deaths`)",
    ("budget",),
)
OUTBOX = Metric("circulation_outbox_messages", "gauge", "messages in the store that are still to be sent to Kafka")
OUTBOX_AGE = Metric(
    "circulation_outbox_oldest_seconds",
    "gauge",
    "how long the oldest message of the outbox has waited; 0 where none waits",
)
OUTBOX_ASIDE = Metric(
    "circulation_outbox_set_aside",
    "gauge",
    "messages in the store that Kafka refused for good, and that wait for a person: circulation outbox list",
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
PACK_ENDS = Metric(
    "circulation_pack_ends_seconds",
    "gauge",
    "until no published rule pack is in force, with none that follows; +Inf where that is not known to come",
)
ENTRIES_ENDING = Metric(
    "circulation_entries_ending",
    "gauge",
    "entries of the negative list in force that end within 14 days, with none of their id that follows",
)
STORE_UP = Metric("circulation_store_up", "gauge", "1 while the store answers, else 0")
BROKER_UP = Metric("circulation_broker_up", "gauge", "1 while Kafka answers, else 0")
STOPPED = Metric(
    "circulation_partitions_stopped",
    "gauge",
    "partitions that this worker has stopped reading, since their topic was made anew or records are gone",
    ("topic",),
)
RETENTION_USED = Metric(
    "circulation_retention_used_ratio",
    "gauge",
    "how much of a topic's retention, by age or by size, the oldest record has used up that this worker has not taken"
    " in: at 1 Kafka may delete it; 0 where the worker keeps up",
    ("topic",),
)
SOURCE_GOOD = Metric(
    "circulation_source_quality_good",
    "gauge",
    "of what the store counted of a source in the month that runs (+08:00) what is good, by part: events on time,"
    " admitted, linked and complete, and days that agree",
    ("source", "part"),
)
SOURCE_ALL = Metric(
    "circulation_source_quality_all",
    "gauge",
    "all that the store counted of a source in the month that runs (+08:00), good or not, by part",
    ("source", "part"),
)
READY = Metric("circulation_ready", "gauge", "1 while this worker answers /ready with yes, else 0")

METRICS: Final[Mapping[str, Metric]] = {
    metric.name: metric
    for metric in (
        EVENTS,
        REJECTED,
        UNKNOWN_MEMBERS,
        SENT_ON,
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
        SET_ASIDE,
        OUTBOX,
        OUTBOX_AGE,
        OUTBOX_ASIDE,
        DEADLINES,
        DEADLINES_DUE,
        DEADLINES_AGE,
        COUNTED,
        DETECTOR_ERRORS,
        LOOKS,
        NEW,
        BREAKER,
        PACK,
        PACK_ENDS,
        ENTRIES_ENDING,
        STORE_UP,
        BROKER_UP,
        STOPPED,
        RETENTION_USED,
        SOURCE_GOOD,
        SOURCE_ALL,
        READY,
    )
}
