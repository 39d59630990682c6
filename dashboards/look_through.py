"""*Look through*: one asset's lineage as a graph, with its sources, its holders, and what stands against it.

The graph is what the views of the store say, and it is bounded: a browser draws some hundred assets, not the hundred
thousand that a product may be made of. What was left out is said, never hidden. `circulation trace` says all of it.
"""

from typing import Final

from circulation.events.names import ASSET_REGISTERED, CONTRACT_AMENDED, CONTRACT_SIGNED, CONTRACT_TERMINATED, CONTRACTS
from dashboards.house import asked, chosen, dashboard, hidden, node_graph, table

# Of ancestors and of descendants, the nearest. With the asset itself that is what Grafana draws at once (200).
ASSETS_MAX: Final = 99
STEPS: Final = ("1", "2", "3", "5", "10", "50")
LISTED_MAX: Final = 500
# Assets with red findings come first among those to choose from, the newest finding first.
URGENT_MAX: Final = 50
CONTRACTS_MAX: Final = 1_000
FINDINGS_MAX: Final = 100
# Findings whose paths are drawn, the newest.
PATHS_MAX: Final = 500
EDGES_MAX: Final = 1_000
ROWS_MAX: Final = 200

UID: Final = "circulation-look-through"
_LINK: Final = f"/d/{UID}?var-asset=${{{{__data.fields.{{field}}:percentencode}}}}"
_RANK: Final = "case severity when 'red' then 4 when 'orange' then 3 when 'yellow' then 2 else 1 end"

_REGISTERED: Final = f"'{ASSET_REGISTERED}'"
_SIGNINGS: Final = f"('{CONTRACT_SIGNED}', '{CONTRACT_AMENDED}')"
_TERMINATED: Final = f"'{CONTRACT_TERMINATED}'"


def _listed(table_: str, column: str, where: str = "") -> str:
    """One of the places where ids of assets are; each is read along its index, as far as the list is long."""
    return (
        f"(select distinct on (circulation_key({column})) {column} as id from {table_}"
        f" where {where} {column} ilike '%${{__searchFilter}}' order by circulation_key({column}) limit {LISTED_MAX})"
    )


# Between the inputs and the outputs of a run may stand its node, which is no asset.
_NO_RUN: Final = "substr({}, 1, 1) <> chr(29) and"

# The view of the nodes has to be gone through before the first name is known, which takes seconds for a million assets.
_ASSETS: Final = f"""
select id from (
  (select about as id, max(raised) as urgent from open_findings
  where severity = 'red' and about_kind = 'asset' and about ilike '%${{__searchFilter}}'
  group by about order by urgent desc, about limit {URGENT_MAX})
  union all select id, null from (
    {_listed("events", "subject", f"type = {_REGISTERED} and retracted is null and")}
    union {_listed("derivations", "output", _NO_RUN.format("output"))}
    union {_listed("derivations", "input", _NO_RUN.format("input"))}
  ) as known
) as named group by id order by max(urgent) desc nulls last, id limit {LISTED_MAX}
"""


def _same(left: str, right: str) -> str:
    """That two ids are one, by the keys that the indexes of the store hold."""
    return f"circulation_key({left}) = circulation_key({right})"


def _walk(name: str, near: str, far: str) -> str:
    """Layer by layer from the asset, no asset twice, and one asset more than is shown: so it is known that there is.

    A layer of names is a row, as what was seen before must be known to each. `offset 0` keeps the planner from
    reading the whole view for each layer.
    """
    return f"""
    {name} as (
      select 0 as depth, array['${{asset}}'::text] as found, array['${{asset}}'::text] as seen
      union all
      select {name}.depth + 1, further.found, {name}.seen || further.found
      from {name} cross join lateral (
        select array_agg(id) as found from (
          select e.id from unnest({name}.found) as f(id)
          cross join lateral (select {far} as id from lineage_edges where {_same(near, "f.id")} offset 0) as e
          except select unnest({name}.seen) order by id limit {ASSETS_MAX + 2} - cardinality({name}.seen)
        ) as new
      ) as further
      where {name}.depth < '${{{name}}}'::integer and further.found is not null
    )"""


def _nearest(name: str) -> str:
    return f"""
    select id, depth from {name} cross join unnest(found) as f(id) order by depth, id limit {ASSETS_MAX + 1}"""


# `ancestors` and `descendants` both begin with the asset itself, at depth 0; in a circle an asset is of both. The depth
# of an asset of the graph is below 0 where it was reached upwards.
_GRAPH: Final = f"""
with recursive {_walk("up", "target", "source")}, {_walk("down", "source", "target")},
ancestors as ({_nearest("up")}), descendants as ({_nearest("down")}),
graph as (
  select distinct on (id) id, depth from (
    select id, depth from descendants union all select id, -depth from ancestors
  ) as reached order by id, abs(depth), depth
)
"""


def _left_out(of: str, near: str, far: str, asset: str) -> str:
    """Whether the graph could go on from this asset. Here as well, `offset 0` has the view read for one asset only."""
    return f"""exists (
      select from lineage_edges where {_same(near, asset)} and {far} not in (select id from {of}) offset 0
    )"""


_NODES: Final = f"""
{_GRAPH} select n.*, case when g.depth = 0 then 'the asset itself' when g.depth < 0 then 'up ' || -g.depth
else 'down ' || g.depth end as detail__steps, case when g.depth = 0 then 60 else 40 end as "nodeRadius"
from graph g cross join lateral (select * from lineage_nodes where {_same("id", "g.id")} offset 0) as n
order by abs(g.depth), g.depth, n.id
"""

# An edge that leads to an asset which is not drawn would break the whole panel.
_BETWEEN: Final = f"""
from graph g cross join lateral (select * from lineage_edges where {_same("target", "g.id")} offset 0) as e
where e.source in (select id from graph)
"""

_EDGES: Final = f"""
{_GRAPH}, matched as (
  select finding from standing_findings
  where detector = 'negative-list' and about_kind = 'asset' and about in (select id from graph)
  order by raised desc, finding limit {PATHS_MAX}
), steps as (
  select p.asset as source, lead(p.asset) over (partition by p.finding order by p.place) as target
  from matched m cross join lateral (select * from lineage_paths where finding = m.finding offset 0) as p
), drawn as (
  select e.*, case when (e.source, e.target) in (select source, target from steps where target is not null)
  then 'red' else '#999999' end as color,
  case when e.secondarystat = 'irreversible' then '6 4' end as "strokeDasharray" {_BETWEEN}
)
select * from drawn order by color = 'red' desc, id limit {EDGES_MAX}
"""

_CUT_OFF: Final = f"""
{_GRAPH} select coalesce(nullif(concat_ws(', ',
  case when exists (select from ancestors a where {_left_out("ancestors", "target", "source", "a.id")})
  then 'ancestors beyond these' end,
  case when exists (select from descendants d where {_left_out("descendants", "source", "target", "d.id")})
  then 'descendants beyond these' end,
  case when (select count(*) {_BETWEEN}) > {EDGES_MAX} then 'arrows beyond {EDGES_MAX}' end
), ''), 'nothing') as cut_off
"""

_SOURCES: Final = f"""
{_GRAPH} select n.id as asset, n.title, n.subtitle as owner, n.mainstat as level, n.secondarystat as personal,
a.depth as steps, case when s.cut_off then 'cut off' else 'no input stated' end as "end"
from ancestors a
cross join lateral (
  select exists (select from lineage_edges where {_same("target", "a.id")} offset 0) as made,
  {_left_out("ancestors", "target", "source", "a.id")} as cut_off offset 0
) as s
left join lateral (select * from lineage_nodes where {_same("id", "a.id")} offset 0) as n on true
where (s.cut_off or not s.made) and n.id is not null order by steps, asset limit {ROWS_MAX}
"""


def _instant(member: str) -> str:
    """An instant of a contract's terms, or a date: the start of its day at +08:00. Parts of a second are left out."""
    text = f"(s.data #>> '{{terms,{member}}}')"
    offset = (
        f"case when length({text}) = 10 then '+08:00' when right({text}, 1) in ('Z', 'z') then '00:00'"
        f" else right({text}, 6) end"
    )
    return f"((left({text}, 19)::timestamp - ({offset})::interval) at time zone 'UTC')"


# As in `circulation trace`: of one type of statement the best reporter counts; what is in force is the latest; the end
# is the earlier of the termination and of the `valid_to` in force just before it.
_HOLDERS: Final = f"""
{_GRAPH}, named as (
  select distinct e.subject as contract from descendants d
  join refs r on r.kind = 'asset' and {_same("r.ref", "d.id")} join events e on e.id = r.event
  where e.topic = '{CONTRACTS}' and e.type in {_SIGNINGS} and e.retracted is null
  order by contract limit {CONTRACTS_MAX}
), said as (
  select e.subject as contract, e.type, to_timestamp(e.time / 1000000.0) as time, e.source, e.event, e.data,
  e.reporter = min(e.reporter) over (partition by e.subject, e.type) as counts
  from named n join events e on e.topic = '{CONTRACTS}' and {_same("e.subject", "n.contract")}
  and e.type in ({_SIGNINGS[1:-1]}, {_TERMINATED}) and e.retracted is null
), ended as (
  select contract, min(time) as terminated from said where counts and type = {_TERMINATED} group by contract
), stated as (
  select contract, type, time, replace(convert_from(data, 'UTF8'), '\\u0000', '\\ufffd')::json as data,
  row_number() over inorder as number, lead(time) over inorder as next
  from said where counts and type in {_SIGNINGS}
  window inorder as (partition by contract order by time, source collate "C", event collate "C")
), terms as (
  select s.*, {_instant("valid_from")} as valid_from, {_instant("valid_to")} as valid_to,
  least(ended.terminated, case when s.number = 1 then {_instant("valid_to")}
  else greatest({_instant("valid_to")}, case when {_instant("valid_to")} is not null then s.time end) end) as ends
  from stated s left join ended using (contract)
), lives as (
  select contract, min(time) filter (where type = '{CONTRACT_SIGNED}') as signed,
  (array_agg(ends order by number) filter (where ends <= coalesce(next, 'infinity')))[1] as ended
  from terms group by contract
), valid as (
  select distinct on (contract) t.contract, t.data, t.valid_from, t.valid_to from terms t join lives l using (contract)
  where l.signed <= now() and (l.ended is null or now() < l.ended) and t.time <= now() order by contract, number desc
)
select * from (
  select n.id as asset, d.depth as steps, n.subtitle as holder, 'owner' as held_as, null as contract, null as seller,
  null as channel, null::timestamptz as valid_from, null::timestamptz as valid_to, null as resale
  from descendants d cross join lateral (select * from lineage_nodes where {_same("id", "d.id")} offset 0) as n
  where n.subtitle is not null
  union all
  select d.id, d.depth, v.data ->> 'buyer', 'buyer', v.contract, v.data ->> 'seller', v.data ->> 'channel',
  v.valid_from, v.valid_to, coalesce(v.data #>> '{{terms,resale}}', 'false')
  from valid v join descendants d on d.id = v.data ->> 'asset' where v.valid_from <= now()
) as held order by steps, asset, held_as desc, contract limit {ROWS_MAX}
"""

_FINDINGS: Final = f"""
{_GRAPH}, found as (
  select f.about as asset, g.depth as steps, f.severity, f.detector, f.mode, f.party, f.occurred, f.raised, f.summary,
  f.case_id, f.case_state, f.finding
  from graph g join open_findings f on f.about_kind = 'asset' and {_same("f.about", "g.id")}
  order by {_RANK} desc, f.raised desc, f.finding limit {FINDINGS_MAX}
)
select f.asset, f.steps, f.severity, f.detector, f.mode, f.party, f.occurred, f.summary, w.way, f.case_id, f.case_state
from found f left join lateral (
  select string_agg(asset, ' → ' order by place) as way from lineage_paths where finding = f.finding
) as w on true order by {_RANK} desc, f.raised desc, f.finding
"""

_OF_ITSELF = _LINK.format(field="id")
_OF_ASSET = _LINK.format(field="asset")

DASHBOARD = dashboard(
    "Look through",
    UID,
    "One asset's lineage: what it is made of, what was made of it, who holds that now, and what stands against it.",
    [
        [
            node_graph(
                "What it is made of, and what was made of it",
                f"The asset (the large circle), the {ASSETS_MAX} nearest ancestors and the {ASSETS_MAX} nearest"
                " descendants within as many steps as chosen above; arrows lead from what went in to what came out."
                " Assets are red with a standing red finding, and orange where nobody registered them. Arrows are red"
                " on the way from what the negative list matches to what was listed, traded, delivered or exported;"
                " dashed ones are irreversible. Left out now: ${cut_off}.",
                _NODES,
                _EDGES,
                link=_OF_ITSELF,
                wide=2,
            ),
            table(
                "Sources",
                "Where the ancestors end, the nearest first, with the fewest steps to them: assets of which no input is"
                " stated, and those whose inputs are not shown (cut off). An asset without inputs is its own source.",
                _SOURCES,
                links={"asset": _OF_ASSET},
                height=16,
            ),
        ],
        [
            table(
                "Holders and contracts in force",
                "Of the asset and of the descendants that are shown: the owner as registered last, and the buyers of"
                f" the contracts in force now. At most {CONTRACTS_MAX} contracts are looked at and {ROWS_MAX} rows"
                " shown, the nearest assets first.",
                _HOLDERS,
                links={"asset": _OF_ASSET},
            ),
        ],
        [
            table(
                "Open findings about these assets",
                f"The {FINDINGS_MAX} gravest open findings about assets that are shown, with the way from what matched"
                " the negative list. Steps are below 0 for ancestors.",
                _FINDINGS,
                links={"asset": _OF_ASSET},
            ),
        ],
    ],
    variables=[
        asked(
            "asset",
            "Asset",
            f"The asset to look through: type a part of its id. Up to {LISTED_MAX} are listed, those with open red"
            " findings first.",
            _ASSETS,
        ),
        chosen("up", "Steps up", "How far to go towards sources.", STEPS, "10"),
        chosen("down", "Steps down", "How far to go towards what was made of it.", STEPS, "10"),
        hidden("cut_off", _CUT_OFF),
    ],
    refresh="",
)
