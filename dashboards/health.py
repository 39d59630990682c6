"""*Health of the monitor*: whether it lives, keeps up, and says what it finds."""

from dashboards.house import dashboard, over, quantile, select, shared, stat, trend
from streams.worker.metrics import (
    BREAKER,
    BROKER_UP,
    DEADLINES,
    DEADLINES_AGE,
    DEADLINES_DUE,
    DELAY,
    DETECTOR_ERRORS,
    EVENT_TO_COMMIT,
    EVENT_TO_FINDING,
    EVENTS,
    FETCH,
    JUDGE_QUEUE,
    JUDGE_QUEUE_AGE,
    LAG,
    LOOKS,
    NEW,
    OUTBOX,
    OUTBOX_AGE,
    PACK,
    READY,
    REJECTED,
    SENT_ON,
    STAGE,
    STOPPED,
    STORE_UP,
    UNKNOWN_MEMBERS,
)

_WINDOW = "$__rate_interval"

DASHBOARD = dashboard(
    "Health of the monitor",
    "circulation-health",
    "Whether the monitor lives, keeps up, and says what it finds.",
    [
        [
            stat(
                "Workers ready",
                "Workers that have partitions, reach store and broker, and keep up, of all that are scraped.",
                ("ready", over("sum", READY)),
                ("all", f"count({select(READY)})"),
            ),
            stat(
                "Workers without store or broker",
                "Workers that do not reach the store, or Kafka. They wait and lose nothing.",
                ("without store", f"count({select(STORE_UP)} == 0) or vector(0)"),
                ("without broker", f"count({select(BROKER_UP)} == 0) or vector(0)"),
                bad_from=1,
            ),
            stat(
                "Partitions stopped",
                "Partitions that are read no more, since their topic was made anew or records are gone: somebody must"
                " look, nothing mends itself.",
                ("{{topic}}", over("sum", STOPPED, "topic")),
                bad_from=1,
            ),
            stat(
                "Packs in force",
                "Workers by the version of the pack that they run. More than one for longer than a minute means that"
                " workers do not agree.",
                ("{{pack}} {{version}} {{digest}}", over("count", PACK, *PACK.labels)),
            ),
        ],
        [
            trend(
                "Events a second",
                "Events taken in, by topic, summed over workers.",
                ("{{topic}}", over("sum", EVENTS, "topic", window=_WINDOW, outcome="taken")),
                unit="ops",
            ),
            trend(
                "Rejections and duplicates a second",
                "Records that could not be admitted, by the code of the reason, events that came twice, and records"
                " that were sent on to the partition of their key; and members of events that nobody knows.",
                ("{{reason}}", over("sum", REJECTED, "reason", window=_WINDOW)),
                ("duplicates", over("sum", EVENTS, window=_WINDOW, outcome="duplicate")),
                ("sent on", over("sum", SENT_ON, window=_WINDOW)),
                ("unknown members", over("sum", UNKNOWN_MEMBERS, window=_WINDOW)),
                unit="ops",
            ),
        ],
        [
            trend(
                "Lag by topic",
                "Records that are not yet committed, summed over the partitions and the workers that have them.",
                ("{{topic}}", over("sum", LAG, "topic")),
            ),
            trend(
                "Lag of the slowest partitions",
                "The ten partitions with the most records that are not yet committed.",
                ("{{topic}} {{partition}}", f"topk(10, {over('sum', LAG, 'topic', 'partition')})"),
            ),
            trend(
                "How far behind",
                "For how long some partition has not come to the end that it had: beyond 60 s a worker is not ready.",
                ("{{instance}}", select(DELAY)),
                unit="s",
            ),
        ],
        [
            trend(
                "From event to commit",
                "Median and 99th percentile of the time from Kafka's timestamp of the oldest record of a fetch to the"
                " fetch's commit.",
                ("median", quantile(EVENT_TO_COMMIT, 0.5, _WINDOW)),
                ("99 %", quantile(EVENT_TO_COMMIT, 0.99, _WINDOW)),
                unit="s",
            ),
            trend(
                "From event to finding",
                "Median and 99th percentile of the time from a record's arrival in Kafka to the commit of a finding.",
                ("median", quantile(EVENT_TO_FINDING, 0.5, _WINDOW)),
                ("99 %", quantile(EVENT_TO_FINDING, 0.99, _WINDOW)),
                unit="s",
            ),
        ],
        [
            trend(
                "Time of each stage",
                "99th percentile of one step of each stage: admitting a fetch, taking it in, a round of judging, a"
                " round of relaying.",
                ("{{stage}}", quantile(STAGE, 0.99, _WINDOW, "stage")),
                unit="s",
            ),
            trend(
                "Share of time of each stage",
                "How much of a second each stage is at work, summed over workers: what comes near the number of"
                " workers is the bottleneck.",
                ("{{stage}}", f"sum by (stage) (rate({select(STAGE, '_sum')}[{_WINDOW}]))"),
                unit="percentunit",
            ),
            trend(
                "Records of a fetch",
                "Mean number of records of one fetch: more under load, which is what makes it fast.",
                (
                    "mean",
                    f"sum(rate({select(FETCH, '_sum')}[{_WINDOW}])) / sum(rate({select(FETCH, '_count')}[{_WINDOW}]))",
                ),
            ),
        ],
        [
            trend(
                "What waits in the store",
                "The judge queue, the outbox, and deadlines that are past. The highest number of any worker, since all"
                " of them report the same store. `aside` is what failed: see `circulation queue list`.",
                ("queue: {{priority}}", shared(JUDGE_QUEUE, "priority")),
                ("outbox", shared(OUTBOX)),
                ("deadlines past", shared(DEADLINES_DUE)),
            ),
            trend(
                "How long it has waited",
                "The age of the oldest item of the judge queue, of the outbox, and of the deadlines that are past.",
                ("queue", shared(JUDGE_QUEUE_AGE)),
                ("outbox", shared(OUTBOX_AGE)),
                ("deadlines", shared(DEADLINES_AGE)),
                unit="s",
            ),
            trend(
                "Deadlines",
                "Instants at which something is looked at again though nothing has come. They are in the future, so"
                " many of them are no fault.",
                ("deadlines", shared(DEADLINES)),
            ),
        ],
        [
            trend(
                "Acts on which a rule failed",
                "By rule, in the last five minutes. Each is a finding of detector-error too; the other rules went on.",
                ("{{detector}}", f"sum by (detector) (increase({select(DETECTOR_ERRORS)}[5m])) > 0"),
            ),
            trend(
                "Share on which a rule newly fires",
                "The ten rules that found most that is new, beside what they looked at, in a quarter of an hour. A rule"
                " that fires on nearly everything is mostly a number of the pack that is wrong, or a source that sends"
                " something else.",
                (
                    "{{detector}}",
                    f"topk(10, sum by (detector) (increase({select(NEW)}[15m]))"
                    f" / (sum by (detector) (increase({select(LOOKS)}[15m])) > 0) > 0)",
                ),
                unit="percentunit",
            ),
            trend(
                "Rules that are held",
                "Rules that newly fire on too much of what they look at (CIRCULATION_BREAKER_PERCENT): their alerts are"
                " inhibited, what they find stays as it is.",
                ("{{detector}}", f"{over('max', BREAKER, 'detector')} > 0"),
            ),
        ],
    ],
)
