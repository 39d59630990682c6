"""Prometheus rules: what is worth an alarm, and series that would be dear to compute again and again.

Alerts are about the monitor: that it lives, keeps up, and says what it finds. Findings themselves reach people through
Kafka, cases and dashboards; only that a grave one lies unattended is an alert too. `severity` is `page` (somebody must
act now: nothing is watched, or something is lost) or `ticket` (somebody must look today).
"""

from typing import Any, Final, Literal, NamedTuple

from dashboards.house import over, quantile, select, shared
from streams.worker.metrics import (
    BREAKER,
    BROKER_UP,
    COUNTED,
    DEADLINES_AGE,
    DELAY,
    DETECTOR_ERRORS,
    ENTRIES_ENDING,
    EVENT_TO_COMMIT,
    EVENT_TO_FINDING,
    EVENTS,
    JUDGE_QUEUE_AGE,
    LAG,
    OPEN,
    OUTBOX_AGE,
    OUTBOX_ASIDE,
    PACK,
    PACK_ENDS,
    READY,
    REJECTED,
    RETENTION_USED,
    SET_ASIDE,
    STANDING,
    STOPPED,
    STORE_UP,
    UNATTENDED,
)

# A worker says that it does not keep up beyond this; what waits in the store is held to the same times five.
DELAY_SECONDS: Final = 60
WAITING_SECONDS: Final = 300
REJECTED_SHARE: Final = 0.05
# A pack takes two officials, and days, to be approved.
ENDS_SECONDS: Final = 14 * 86_400
# Half of a retention of days is time enough to start more workers, or to have Kafka keep records for longer.
RETENTION_SHARE: Final = 0.5


class Recording(NamedTuple):
    """A series that Prometheus keeps: level:metric:operations."""

    name: str
    expr: str


class Alert(NamedTuple):
    """An alert. `lasts` is for how long before it fires, `keeps` for how long it still fires afterwards;
    `todo` is what to do first."""

    name: str
    expr: str
    lasts: str
    severity: Literal["page", "ticket"]
    summary: str
    todo: str
    keeps: str = "0s"


RECORDINGS: Final = (
    Recording("topic:circulation_events:rate5m", over("sum", EVENTS, "topic", window="5m", outcome="taken")),
    Recording("reason:circulation_rejected:rate5m", over("sum", REJECTED, "reason", window="5m")),
    Recording("topic:circulation_lag_records:sum", over("sum", LAG, "topic")),
    Recording("severity:circulation_findings_open:max", shared(OPEN, "severity")),
    Recording("severity:circulation_findings_standing:max", shared(STANDING, "severity")),
    Recording("circulation_event_to_commit_seconds:p99_5m", quantile(EVENT_TO_COMMIT, 0.99, "5m")),
    Recording("circulation_event_to_finding_seconds:p99_5m", quantile(EVENT_TO_FINDING, 0.99, "5m")),
)

ALERTS: Final = (
    Alert(
        "CirculationAbsent",
        f"absent({select(READY)})",
        "2m",
        "page",
        "No worker is scraped: nothing is watched, or Prometheus cannot reach the workers.",
        "See whether workers run, and whether Prometheus has their addresses.",
    ),
    Alert(
        "CirculationNotReady",
        f"{select(READY)} == 0",
        "5m",
        "page",
        "Worker {{ $labels.instance }} has not been ready for five minutes.",
        "Its /ready says why: no partitions, store or broker away, partitions stopped, or it does not keep up.",
    ),
    Alert(
        "CirculationStoreAway",
        f"{select(STORE_UP)} == 0",
        "1m",
        "page",
        "Worker {{ $labels.instance }} does not reach the store.",
        "It waits and loses nothing. See to PostgreSQL, its disk and its connections.",
    ),
    Alert(
        "CirculationBrokerAway",
        f"{select(BROKER_UP)} == 0",
        "1m",
        "page",
        "Worker {{ $labels.instance }} does not reach Kafka, or Kafka does not confirm what is sent.",
        "It waits and loses nothing, as long as Kafka keeps its records. See to the brokers.",
    ),
    Alert(
        "CirculationPartitionsStopped",
        f"{over('sum', STOPPED, 'topic')} > 0",
        "0m",
        "page",
        "Partitions of {{ $labels.topic }} that are read no more: {{ $value }}.",
        "The topic was made anew, or records are gone; feed-lost says from where on. Nothing mends itself here:"
        " circulation feed list shows the partitions, circulation feed resume has one go on.",
    ),
    Alert(
        "CirculationBehind",
        f"{over('max', DELAY)} > {DELAY_SECONDS}",
        "5m",
        "ticket",
        "Some partition is {{ $value | humanizeDuration }} behind.",
        "Start more workers, up to the number of partitions; see which stage takes the time.",
    ),
    Alert(
        "CirculationRetentionNear",
        f"{over('max', RETENTION_USED, 'topic')} > {RETENTION_SHARE}",
        "0m",
        "page",
        "Records of {{ $labels.topic }} that were not taken in have used up {{ $value | humanizePercentage }} of their"
        " retention: at 100% Kafka deletes them.",
        "Raise retention.ms (and retention.bytes) of the topic now, then start more workers, or see why this one is"
        " slow. What is deleted before it was taken in is lost: feed-lost.",
    ),
    Alert(
        "CirculationJudgesBehind",
        f"{shared(JUDGE_QUEUE_AGE)} > {WAITING_SECONDS}",
        "5m",
        "ticket",
        "Something has waited to be judged for {{ $value | humanizeDuration }}.",
        "After a new pack that is usual for a while. Otherwise see whether judges fail (logs) or the store is slow.",
    ),
    Alert(
        "CirculationSetAside",
        f"{shared(SET_ASIDE)} > 0",
        "0m",
        "ticket",
        "Items that cost too much, failed, or had the process die are set aside, and not judged: {{ $value }}.",
        "`circulation queue list` names them, as does a finding detector-error each; `circulation queue retry` has them"
        " tried again. This is a fault of the monitor: report it.",
    ),
    Alert(
        "CirculationOutboxStuck",
        f"{shared(OUTBOX_AGE)} > {WAITING_SECONDS}",
        "1m",
        "page",
        "What was found has not left for {{ $value | humanizeDuration }}.",
        "See whether Kafka takes records of the circulation.findings topic, and whether its disks are full.",
    ),
    Alert(
        "CirculationMessagesSetAside",
        f"{shared(OUTBOX_ASIDE)} > 0",
        "0m",
        "ticket",
        "Messages that Kafka refused for good are set aside, and nobody was told what they say: {{ $value }}.",
        "circulation outbox list says why. Mend the cause (a topic's max.message.bytes) and have them sent with"
        " circulation outbox retry, or discard them with a reason.",
    ),
    Alert(
        "CirculationDeadlinesStuck",
        f"{shared(DEADLINES_AGE)} > {WAITING_SECONDS}",
        "15m",
        "ticket",
        "A deadline has been past for {{ $value | humanizeDuration }} and was not looked at.",
        "Deadlines wait until every partition is read to its end: see which one is behind, or has no reader.",
    ),
    Alert(
        "CirculationRuleFails",
        f"sum by (detector) (increase({select(DETECTOR_ERRORS)}[15m])) > 0",
        "0m",
        "ticket",
        "The rule {{ $labels.detector }} failed on acts; the other rules went on.",
        "The findings of detector-error name the acts and the error. This is a fault of the rule: report it.",
    ),
    Alert(
        "CirculationRuleHeld",
        f"{over('max', BREAKER, 'detector')} > 0",
        "0m",
        "ticket",
        "The rule {{ $labels.detector }} newly fires on a large share of what it looks at: its other alerts are held.",
        "Findings, cases and points go on as they must. See with circulation findings --detector whether the rule is"
        " right. If not, publish a version of the pack in which it is in shadow; circulation rules backtest says first"
        " what that changes.",
        # A pack that comes late has everything judged at once; the alerts of what that found come a day later.
        keeps="48h",
    ),
    Alert(
        "CirculationRejectsMany",
        f"{over('sum', REJECTED, window='15m')} / ({over('sum', REJECTED, window='15m')}"
        f" + {over('sum', EVENTS, window='15m')}) > {REJECTED_SHARE}",
        "15m",
        "ticket",
        "{{ $value | humanizePercentage }} of all records are rejected.",
        "The topic circulation.rejected has each record with its reason. Mostly one source sends something new.",
    ),
    Alert(
        "CirculationPacksDiffer",
        f"count({over('count', PACK, 'digest')}) > 1",
        "2m",
        "ticket",
        "Workers run {{ $value }} different rule packs.",
        "Each learns of a pack within seconds. See which worker lags, or was started with other settings.",
    ),
    Alert(
        "CirculationPackEnds",
        f"{over('min', PACK_ENDS)} < {ENDS_SECONDS}",
        "0m",
        "ticket",
        "The rule pack in force ends in {{ $value | humanizeDuration }}, and none follows it.",
        "From then on the pack that workers start from is in force. Publish a version that is valid from then on:"
        " circulation rules history shows which there are.",
    ),
    Alert(
        "CirculationEntriesEnd",
        f"{over('max', ENTRIES_ENDING)} > 0",
        "0m",
        "ticket",
        "Entries of the negative list in force that end within 14 days, and none of their ids follows: {{ $value }}.",
        "circulation rules show --in-force says which. Where one is to go on, publish a version that says so.",
    ),
    Alert(
        "CirculationCountsOld",
        f"time() - {over('max', COUNTED)} > {WAITING_SECONDS}",
        "5m",
        "ticket",
        "What the store holds was last counted {{ $value | humanizeDuration }} ago: the numbers shown are as old.",
        "See whether the store is slow; with very many findings counting is rare on purpose.",
    ),
    Alert(
        "CirculationRedCasesUnattended",
        f"{shared(UNATTENDED, 'detector')} > 0",
        "24h",
        "ticket",
        "For a day there have been red cases of {{ $labels.detector }} that nobody acknowledged ({{ $value }} now).",
        "circulation cases --state opened lists them.",
    ),
)


def rules() -> dict[str, Any]:
    """The rules as Prometheus reads them."""
    recorded = [{"record": recording.name, "expr": recording.expr} for recording in RECORDINGS]
    alerts = [
        {
            "alert": alert.name,
            "expr": alert.expr,
            "for": alert.lasts,
            **({} if alert.keeps == "0s" else {"keep_firing_for": alert.keeps}),
            "labels": {"severity": alert.severity},
            "annotations": {"summary": alert.summary, "description": alert.todo},
        }
        for alert in ALERTS
    ]
    return {
        "groups": [
            {"name": "circulation.recorded", "interval": "15s", "rules": recorded},
            {"name": "circulation.alerts", "interval": "15s", "rules": alerts},
        ]
    }
