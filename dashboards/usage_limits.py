"""*Usage limits*: contracts that are near or beyond what they license, and how fast they came there.

What was used is taken from standing findings, which say it at the moment at which a band was reached: uses after that
and below the next band are counted, but not shown, so every number is a lower bound.
"""

from dashboards.house import dashboard, history, shared, stat, table, trend
from streams.worker.metrics import LIMITS

_LOWER_BOUND = (
    " What was used is known from the moment at which a band was reached: it is a lower bound until the next band."
)
_RANK = "case severity when 'red' then 4 when 'orange' then 3 when 'yellow' then 2 else 1 end"
_EVIDENCE = "data::jsonb -> 'evidence'"
# Of each contract and limit (a window is one limit each) the highest band that stands.
_HIGHEST = f"""
select distinct on (about, kind, maximum, opened) about, party, severity, kind, maximum, used, occurred, opened, seconds
from (
  select about, party, severity, occurred, {_EVIDENCE} ->> 'limit' as kind,
  ({_EVIDENCE} ->> 'maximum')::numeric as maximum, ({_EVIDENCE} ->> 'used')::numeric as used,
  {_EVIDENCE} ->> 'window' as opened, ({_EVIDENCE} ->> 'seconds')::bigint as seconds
  from standing_findings where detector = 'usage-limit'
) as bands order by about, kind, maximum, opened, {_RANK} desc, occurred desc
"""

DASHBOARD = dashboard(
    "Usage limits",
    "circulation-usage-limits",
    "Contracts that are near or beyond what they license, and how fast they came there." + _LOWER_BOUND,
    [
        [
            stat(
                "Contracts near and beyond a limit",
                "Contracts by the gravest of their standing findings of usage-limit: blue and yellow are near a limit"
                " (80 % and 95 %, unless the pack says otherwise), orange beyond it, red far beyond it (120 %). A"
                " window that was passed once keeps its contract here. The highest number of any worker.",
                ("{{severity}}", shared(LIMITS, "severity")),
            ),
            trend(
                "Contracts near and beyond a limit, over time",
                "The same number as it went.",
                ("{{severity}}", shared(LIMITS, "severity")),
                stacked=True,
            ),
        ],
        [
            table(
                "Near a limit",
                "Contracts that reached a warning and no limit, the nearest first: there is still time to buy more."
                + _LOWER_BOUND,
                f"""select about as contract, party as buyer, severity, kind as "limit", used, maximum,
                round(100 * used / nullif(maximum, 0), 1) as percent, occurred as since, opened as "window", seconds
                from ({_HIGHEST}) as limits where severity in ('blue', 'yellow')
                order by percent desc nulls first, about limit 200""",
            ),
            table(
                "Beyond a limit",
                "Contracts that used more than they license, the farthest first; a limit of nothing has no percentage."
                + _LOWER_BOUND,
                f"""select about as contract, party as buyer, severity, kind as "limit", used, maximum,
                round(100 * used / nullif(maximum, 0), 1) as percent, occurred as since, opened as "window", seconds
                from ({_HIGHEST}) as limits where severity in ('orange', 'red')
                order by percent desc nulls first, about limit 200""",
            ),
        ],
        [
            history(
                "Burn-down",
                "What is left of the limit on uses, bytes, rows or persons, in percent, at each band that a contract"
                " reached; 0 is at the limit and beyond. The twenty contracts whose bands were reached last; windows"
                " are left out, for they begin anew." + _LOWER_BOUND,
                f"""with bands as (
                  select occurred, about, {_EVIDENCE} ->> 'limit' as kind,
                  ({_EVIDENCE} ->> 'maximum')::numeric as maximum, ({_EVIDENCE} ->> 'used')::numeric as used
                  from standing_findings where detector = 'usage-limit' and $__timeFilter(occurred)
                ), newest as (
                  select about from bands where kind <> 'window' group by about
                  order by max(occurred) desc, about limit 20
                )
                select occurred as time, about || ' ' || kind as metric,
                greatest(0, round(100 - 100 * used / nullif(maximum, 0), 1)) as value
                from bands join newest using (about) where kind <> 'window' order by 1, 2""",
                unit="percent",
            ),
        ],
        [
            table(
                "How fast contracts came to their limit",
                "Of each contract and limit the time between the first warning and the passing of the limit, the"
                " fastest first. Where both were reached by one event, only the higher stands and none is shown.",
                f"""with bands as (
                  select about, party, {_EVIDENCE} ->> 'limit' as kind, {_EVIDENCE} ->> 'maximum' as maximum,
                  min(occurred) filter (where severity in ('blue', 'yellow')) as warned,
                  min(occurred) filter (where severity in ('orange', 'red')) as passed
                  from standing_findings where detector = 'usage-limit' and {_EVIDENCE} ->> 'limit' <> 'window'
                  group by 1, 2, 3, 4
                )
                select about as contract, party as buyer, kind as "limit", warned, passed,
                round(extract(epoch from passed - warned) / 3600, 1) as hours
                from bands where passed >= warned order by passed - warned, about limit 100""",
            ),
        ],
    ],
    hours=24 * 30,
)
