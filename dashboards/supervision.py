"""*Supervision*: what stands and is open, by severity, detector and party, how it went, and how fresh it is."""

from dashboards.house import dashboard, history, over, quantile, shared, stat, table, trend
from streams.worker.metrics import (
    CASES,
    COUNTED,
    DELAY,
    EVENT_TO_FINDING,
    FINDINGS,
    GRADES,
    OPEN,
    SOURCE_ALL,
    SOURCE_GOOD,
    STANDING,
)

# Modes that officials act upon; shadow findings are for those who try a rule out.
_ACTED_UPON = "mode in ('enforce', 'warn')"
_RANK = "case severity when 'red' then 4 when 'orange' then 3 when 'yellow' then 2 else 1 end"

DASHBOARD = dashboard(
    "Supervision",
    "circulation-supervision",
    "What stands and is open, by severity, detector and party, how it went, and how fresh it is.",
    [
        [
            stat(
                "Open findings by severity",
                "Standing findings whose case is not closed, and those without a case (blue ones, and those in shadow)."
                " Every worker reports what the store holds: the highest of their numbers is shown, not the sum.",
                ("{{severity}}", shared(OPEN, "severity")),
            ),
            stat(
                "Standing findings by severity",
                "All findings that have not been cleared, whether officials are done with their cases or not. The"
                " highest number of any worker.",
                ("{{severity}}", shared(STANDING, "severity")),
            ),
            stat(
                "Cases by state",
                "Cases by where they stand in their life: opened, acknowledged, ordered, rectified, closed.",
                ("{{state}}", shared(CASES, "state")),
            ),
        ],
        [
            trend(
                "Standing findings",
                "How the number of standing findings went, by severity. It falls when findings are cleared, never by"
                " what officials do.",
                ("{{severity}}", shared(STANDING, "severity")),
                stacked=True,
            ),
            trend(
                "Findings raised and cleared",
                "Findings an hour, by what happened to them; one that is revised counts as raised again. Summed over"
                " workers.",
                ("{{change}}", f"3600 * {over('sum', FINDINGS, 'change', window='$__rate_interval')}"),
            ),
        ],
        [
            table(
                "Open findings by detector",
                "Open findings by rule and severity, those in shadow left out.",
                f"""select detector, severity, count(*) as findings, max(raised) as newest from open_findings
                where {_ACTED_UPON} group by detector, severity order by {_RANK} desc, findings desc, detector""",
            ),
            table(
                "Open findings by party",
                "The fifty parties with the gravest open findings, those in shadow left out. The responsible party is"
                " the one that the rule names; feeds have none.",
                f"""select party, count(*) filter (where severity = 'red') as red,
                count(*) filter (where severity = 'orange') as orange,
                count(*) filter (where severity = 'yellow') as yellow,
                count(*) filter (where severity = 'blue') as blue from open_findings
                where {_ACTED_UPON} and party is not null group by party
                order by red desc, orange desc, yellow desc, blue desc, party limit 50""",
            ),
        ],
        [
            table(
                "Newest open findings",
                "The hundred findings that were raised last and are open, with their case.",
                """select raised, occurred, severity, detector, mode, about_kind, about, party, summary, case_id,
                case_state from open_findings order by raised desc, finding limit 100""",
            ),
        ],
        [
            history(
                "When what stands occurred",
                "Standing findings by the day on which occurred what they say: by the events' own time, so that a late"
                " feed shows where it belongs.",
                """select date_trunc('day', occurred) as time, severity as metric, count(*) as value
                from standing_findings where $__timeFilter(occurred) group by 1, 2 order by 1, 2""",
                drawn="bars",
            ),
            stat(
                "Parties by credit grade",
                "Parties that have a statement of credit, by the grade of their newest one.",
                ("{{grade}}", shared(GRADES, "grade")),
            ),
        ],
        [
            table(
                "Quality of sources",
                "How good what the sources said of the newest two months is, the worst first: how much is good in each"
                " part, of how much, and the mean of the parts in percent.",
                """select month, coalesce(source, 'all others') as source, score, on_time, on_time_of, admitted,
                admitted_of, linked, linked_of, complete, complete_of, agreeing, agreeing_of from source_quality
                where month in (select distinct month from source_quality order by month desc limit 2)
                order by month desc, score nulls last, source limit 100""",
            ),
            trend(
                "Quality of sources this month",
                "The worst of the five parts of each source, of the month that runs: sources that the file of sources"
                " names, the busiest of them, and all others together.",
                (
                    "{{source}}",
                    f"min by (source) ({over('max', SOURCE_GOOD, *SOURCE_GOOD.labels)}"
                    f" / ({over('max', SOURCE_ALL, *SOURCE_ALL.labels)} > 0))",
                ),
                unit="percentunit",
            ),
        ],
        [
            stat(
                "Freshness: how far behind",
                "For how long some partition has not come to the end that it had, over all workers: what is shown here"
                " is as old as that.",
                ("behind", over("max", DELAY)),
                unit="s",
                bad_from=60,
            ),
            stat(
                "Freshness: age of the counts",
                "When a worker last counted what the store holds. The more there is, the rarer it counts.",
                ("ago", f"time() - {over('max', COUNTED)}"),
                unit="s",
                bad_from=120,
            ),
            trend(
                "From event to finding",
                "Median and 99th percentile of the time from a record's arrival in Kafka to the commit of a finding.",
                ("median", quantile(EVENT_TO_FINDING, 0.5, "$__rate_interval")),
                ("99 %", quantile(EVENT_TO_FINDING, 0.99, "$__rate_interval")),
                unit="s",
            ),
        ],
    ],
    hours=24,
)
