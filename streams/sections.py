"""The parts of a trace that are not lineage: who holds it, by what right, where it went, what bears which mark.

Each part is told from facts that were loaded in bulk, and says which limit it reached.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from circulation import onward, runs
from circulation.calendar import format_instant
from circulation.events import Event
from circulation.facts import AssetFacts, ContractFacts, PartyFacts, chain, order, topmost
from circulation.lineage import Ancestry, shortest_paths
from circulation.onward import Sold, Start
from circulation.rulepack import Entry, Pack, Subject, Verdict, judge_entry
from streams import loading
from streams.lineages import DERIVED, run_events
from streams.loading import ASSETS, COLUMNS, CONTRACTS, event_of, standing
from streams.store import Db
from streams.traced import (
    Column,
    Contract,
    Controller,
    Country,
    Cut,
    CutOff,
    Delivery,
    Derivation,
    Holder,
    LimitName,
    Limits,
    Match,
    Right,
    Run,
    Sighting,
    Watermark,
)

DELIVERED, EXPORTED = "circulation.delivery.completed", "circulation.export.performed"
SIGNINGS = ["circulation.contract.signed", "circulation.contract.amended"]
SIGHTED, RUN = "circulation.watermark.sighted", "openlineage.run"
ACTIONS = ("list", "trade", "deliver", "export")
# The kinds of grant by which a right may be had.
KINDS: Mapping[str, tuple[str, ...]] = {
    "holding": ("holding-right",),
    "processing": ("processing-right",),
    "operating": ("operating-right", "public-operation"),
}
TRANSFORMATIONS_SHOWN_MAX = 16


class Seen(NamedTuple):
    """What the parts are told from: the assets that are shown, nearest first, and the facts about them."""

    db: Db
    at: int
    known_at: int | None
    limits: Limits
    cut: list[CutOff]
    shown: Sequence[str]
    assets: Mapping[str, AssetFacts]
    registrations: Mapping[str, Any]
    contracts: Mapping[str, ContractFacts]
    parties: Mapping[str, PartyFacts]

    def over(self, name: LimitName, of: Cut) -> None:
        """Says that a limit was reached."""
        self.cut.append(CutOff(name=name, maximum=getattr(self.limits, name), of=of))

    def owner(self, asset: str) -> str | None:
        """Whose asset it is."""
        data = self.registrations[asset]
        return None if data is None else data.owner

    def name(self, party: str) -> str | None:
        """What a party is called."""
        data = self.parties[party].at(self.at) if party in self.parties else None
        return None if data is None else data.name

    def subject(self, asset: str) -> Subject:
        """The asset as a negative list sees it."""
        owner = self.owner(asset)
        data = None if owner is None or owner not in self.parties else self.parties[owner].at(self.at)
        return self.assets[asset].subject(self.at, None if data is None else data.industry)

    def in_force(self) -> Iterator[tuple[ContractFacts, Any]]:
        """The contracts in force over shown assets, with what they say then."""
        objects = set(self.shown)
        for one in self.contracts.values():
            data = valid(one, self.at)
            if data is not None and data.asset in objects:
                yield one, data


def valid(contract: ContractFacts, at: int) -> Any | None:
    """The statement of a contract that is in force at the instant; None before it was signed, and when it is not."""
    data = contract.statement(at)
    return data if data is not None and contract.in_force(at) and data.terms.valid_from <= at else None


def contracts_over(
    db: Db, assets: Sequence[str], known_at: int | None, count_max: int
) -> tuple[dict[str, ContractFacts], bool]:
    """The contracts that were ever about one of the assets, and whether there are more."""
    stood, values = standing(known_at, "e")
    rows = db.rows(
        "select distinct e.subject from refs r join events e on e.id = r.event where r.kind = 'asset'"  # noqa: S608
        f" and r.ref = any(?) and e.topic = ? and e.type = any(?) and {stood} order by e.subject limit ?",
        list(assets),
        CONTRACTS,
        SIGNINGS,
        *values,
        count_max + 1,
    )
    return loading.contracts(db, [row[0] for row in rows[:count_max]], known_at), len(rows) > count_max


def concerned(seen_assets: Mapping[str, AssetFacts], contracts: Mapping[str, ContractFacts], at: int) -> set[str]:
    """The parties whose facts a trace asks for."""
    found = {party for one in contracts.values() for party in one.parties()}
    for one in seen_assets.values():
        found |= one.owners() | one.sellers(at)
    return found


# Holders, controllers, contracts.


def holders(seen: Seen) -> list[Holder]:
    """Owners, and buyers of the contracts in force."""
    held: dict[tuple[str, Literal["owner", "buyer"]], tuple[set[str], list[str]]] = {}
    for asset in seen.shown:
        owner = seen.owner(asset)
        if owner is not None:
            held.setdefault((owner, "owner"), (set(), []))[0].add(asset)
    selling: dict[str, set[str]] = {}
    for contract, data in seen.in_force():
        assets, names = held.setdefault((data.buyer, "buyer"), (set(), []))
        assets.add(data.asset)
        names.append(contract.id)
        selling.setdefault(data.seller, set()).add(data.asset)
    return [
        Holder(
            party=party,
            name=seen.name(party),
            holds=holds,
            assets=sorted(assets),
            contracts=sorted(names),
            controllers=chain(seen.parties, party, seen.at)[1:],
            last=assets.isdisjoint(selling.get(party, ())),
        )
        for (party, holds), (assets, names) in sorted(held.items())
    ]


def controllers(seen: Seen) -> list[Controller]:
    """Who controls those who supply the assets, and those who buy them."""
    sides: dict[Literal["supply", "demand"], set[str]] = {"supply": set(), "demand": set()}
    for asset in seen.shown:
        sides["supply"] |= {one for one in (seen.owner(asset), *seen.assets[asset].sellers(seen.at)) if one is not None}
    for _, data in seen.in_force():
        sides["supply"].add(data.seller)
        sides["demand"].add(data.buyer)
    found = []
    for side, parties in sides.items():
        heads: dict[str, list[str]] = {}
        for party in sorted(parties):
            heads.setdefault(topmost(seen.parties, party, seen.at), []).append(party)
        found += [
            Controller(party=head, side=side, parties=some, name=seen.name(head), circle=_circle(seen, head))
            for head, some in sorted(heads.items())
        ]
    return found


def _circle(seen: Seen, head: str) -> list[str]:
    above = chain(seen.parties, head, seen.at)
    data = seen.parties[above[-1]].at(seen.at)
    return sorted(above) if data is not None and data.controller == head and len(above) > 1 else []


def contracts(seen: Seen, acts: Sequence[Event]) -> list[Contract]:
    """The contracts in force, with what was delivered under them."""
    delivered: dict[str, list[Event]] = {}
    for act in acts:
        if act.type == DELIVERED:
            delivered.setdefault(act.subject, []).append(act)
    found = []
    for one, data in seen.in_force():
        some = delivered.get(one.id, [])
        found.append(
            Contract(
                contract=one.id,
                asset=data.asset,
                seller=data.seller,
                buyer=data.buyer,
                channel=data.channel,
                valid_from=format_instant(data.terms.valid_from),
                valid_to=None if data.terms.valid_to is None else format_instant(data.terms.valid_to),
                resale=data.terms.resale,
                derivation=data.terms.derivation,
                deliveries=len(some),
                recipients=sorted({act.data.recipient for act in some}),
                countries=sorted({act.data.country for act in some if act.data.country is not None}),
            )
        )
    return sorted(found, key=lambda one: one.contract)


# Rights.


def rights(seen: Seen, derivations: Iterable[Derivation]) -> list[Right]:
    """Who holds, processes and operates each asset, and by what right."""
    processing: dict[str, set[str]] = {}
    for step in derivations:
        owner = seen.owner(step.output)
        if owner is not None and not step.same:
            processing.setdefault(step.input, set()).add(owner)
    operating: dict[str, set[str]] = {}
    for _, data in seen.in_force():
        operating.setdefault(data.asset, set()).add(data.seller)
    found: list[Right] = []
    for asset in seen.shown[: seen.limits.rights_max]:
        owner = seen.owner(asset)
        sellers = operating.get(asset, set()) | seen.assets[asset].sellers(seen.at)
        acting: tuple[tuple[Literal["holding", "processing", "operating"], Iterable[str]], ...] = (
            ("holding", () if owner is None else (owner,)),
            ("processing", sorted(processing.get(asset, ()))),
            ("operating", sorted(sellers)),
        )
        for right, parties in acting:
            for party in parties:
                found += _had(seen, asset, right, party)
    if len(seen.shown) > seen.limits.rights_max:
        seen.over("rights_max", "rights")
    return found


def _had(seen: Seen, asset: str, right: Literal["holding", "processing", "operating"], party: str) -> list[Right]:
    data = seen.registrations[asset]
    if data is not None and data.owner == party and right in data.rights:
        return [
            Right(
                asset=asset,
                right=right,
                party=party,
                state="valid",
                by="registration",
                certificate=data.certificate,
            )
        ]
    granted = [_granted(seen, asset, right, party, one) for one in _grants(seen, asset, right, party)]
    good = [one for one in granted if one.state == "valid"]
    return good or granted or [Right(asset=asset, right=right, party=party, state="missing")]


def _grants(seen: Seen, asset: str, right: str, party: str) -> list[Any]:
    facts = seen.parties.get(party)
    issued = [] if facts is None else facts.issued(KINDS[right], seen.at)
    return [one for one in issued if one.assets is None or asset in one.assets]


def _granted(
    seen: Seen, asset: str, right: Literal["holding", "processing", "operating"], party: str, grant: Any
) -> Right:
    revoked = seen.parties[party].revoked(grant.grant, seen.at)
    state: Literal["valid", "not-yet", "expired", "revoked"] = "valid"
    if revoked is not None:
        state = "revoked"
    elif seen.at < grant.valid_from:
        state = "not-yet"
    elif grant.valid_to is not None and grant.valid_to <= seen.at:
        state = "expired"
    return Right(
        asset=asset,
        right=right,
        party=party,
        state=state,
        by="grant",
        grant=grant.grant,
        kind=grant.kind,
        document=grant.document,
        valid_from=format_instant(grant.valid_from),
        valid_to=None if grant.valid_to is None else format_instant(grant.valid_to),
        revoked=None if revoked is None else format_instant(revoked),
    )


# What was done.


def acts(seen: Seen) -> list[Event]:
    """Exports and deliveries of the assets by then; of several reports of one act the one that counts."""
    columns = ", ".join(f"e.{name.strip()}" for name in COLUMNS.split(","))
    stood, values = standing(seen.known_at, "e")
    where = f"e.type = ? and e.time <= ? and {stood} order by e.id limit ?"
    rest = (seen.at, *values, seen.limits.acts_max + 1)
    named = f"select {columns} from refs r join events e on e.id = r.event where r.kind = ? and r.ref = any(?)"  # noqa: S608
    ids = list(seen.contracts)
    rows = seen.db.rows(f"{named} and {where}", "asset", sorted(seen.shown), EXPORTED, *rest)
    if ids:
        rows += seen.db.rows(f"{named} and {where}", "contract", ids, EXPORTED, *rest)
        query = f"select {columns} from events e where e.topic = ? and e.subject = any(?) and {where}"  # noqa: S608
        rows += seen.db.rows(query, CONTRACTS, ids, DELIVERED, *rest)
    if len(rows) > seen.limits.acts_max:
        seen.over("acts_max", "countries")
    reports: dict[str, Event] = {}
    for row in rows[: seen.limits.acts_max]:
        event = event_of(row)
        if row[4] not in reports or _rank(event) < _rank(reports[row[4]]):
            reports[row[4]] = event
    return list(reports.values())


def _rank(event: Event) -> tuple[int, tuple[int, str, str]]:
    return (event.reporter, order(event))


def countries(seen: Seen, done: Iterable[Event]) -> list[Country]:
    """Where exports and deliveries of the assets went."""
    went: dict[str, list[tuple[Event, str]]] = {}
    shown = set(seen.shown)
    for event in done:
        asset = object_of(event, seen.contracts)
        if event.data.country is not None and asset in shown:
            went.setdefault(event.data.country, []).append((event, asset))
    return [
        Country(
            country=country,
            exports=sum(event.type == EXPORTED for event, _ in some),
            deliveries=sum(event.type == DELIVERED for event, _ in some),
            first=format_instant(min(event.time for event, _ in some)),
            last=format_instant(max(event.time for event, _ in some)),
            assets=sorted({asset for _, asset in some}),
        )
        for country, some in sorted(went.items())
    ]


def object_of(event: Event, contracts_: Mapping[str, ContractFacts]) -> str | None:
    """The asset of an act: the one it names, else that of its contract then."""
    named: str | None = getattr(event.data, "asset", None)
    contract = contracts_.get(event.subject if event.type == DELIVERED else event.data.contract or "")
    if named is not None or contract is None:
        return named
    data = contract.statement(event.time)
    return None if data is None else str(data.asset)


def watermarks(seen: Seen, done: Iterable[Event]) -> list[Watermark]:
    """The marks of the assets: to whom they were delivered, where they were seen, and how they may have come there."""
    stood, values = standing(seen.known_at)
    rows = seen.db.rows(
        f"select {COLUMNS} from events where topic = ? and subject = any(?) and type = ? and time <= ? and {stood}"  # noqa: S608
        " order by time, source, event limit ?",
        ASSETS,
        list(seen.shown),
        SIGHTED,
        seen.at,
        *values,
        seen.limits.marks_max + 1,
    )
    sighted: dict[tuple[str, str], list[Event]] = {}
    for row in rows[: seen.limits.marks_max]:
        event = event_of(row)
        sighted.setdefault((event.subject, event.data.watermark), []).append(event)
    delivered: dict[tuple[str, str], list[Event]] = {}
    shown = set(seen.shown)
    for act in sorted((one for one in done if one.type == DELIVERED), key=order):
        asset = object_of(act, seen.contracts)
        if act.data.watermark is not None and asset in shown:
            delivered.setdefault((asset, act.data.watermark), []).append(act)
    # Who holds or receives what bears a mark may be a party of nothing else.
    named = {one.data.holder for some in sighted.values() for one in some}
    named |= {one.data.recipient for some in delivered.values() for one in some}
    if strangers := named - seen.parties.keys():
        more = loading.with_controllers(seen.db, strangers, seen.known_at)
        seen = seen._replace(parties={**more, **seen.parties})
    names = sorted({*sighted, *delivered})
    if len(names) > seen.limits.marks_max or len(rows) > seen.limits.marks_max:
        seen.over("marks_max", "watermarks")
    return [
        Watermark(
            watermark=mark,
            asset=asset,
            deliveries=[_delivery(act) for act in delivered.get((asset, mark), ())],
            sightings=[
                _sighting(seen, asset, one, delivered.get((asset, mark), ())) for one in sighted.get((asset, mark), ())
            ],
        )
        for asset, mark in names[: seen.limits.marks_max]
    ]


def _delivery(act: Event) -> Delivery:
    data = act.data
    time = format_instant(act.time)
    return Delivery(
        delivery=data.delivery, contract=act.subject, recipient=data.recipient, time=time, country=data.country
    )


def _sighting(seen: Seen, asset: str, event: Event, delivered: Sequence[Event]) -> Sighting:
    data = event.data
    starts: list[Start] = []
    for act in delivered:
        if act.time <= event.time:
            statement = seen.contracts[act.subject].statement(event.time)
            resale = statement is not None and statement.terms.resale
            starts.append(Start(act.data.recipient, resale))
            if statement is not None:
                starts.append(Start(statement.buyer, resale))
    sold = []
    for one in seen.contracts.values():
        if one.signed is not None and one.signed.time <= event.time:
            statement = one.statement(event.time) or one.signed.data
            if statement.asset == asset:
                sold.append(Sold(one.id, statement.seller, statement.buyer, statement.terms.resale))
    allowed = onward.way(starts, sold, data.holder, permitted=True)
    any_way = allowed if allowed is not None else onward.way(starts, sold, data.holder, permitted=False)
    return Sighting(
        holder=data.holder,
        place=data.place,
        time=format_instant(event.time),
        permitted=allowed is not None if starts else None,
        chain=any_way or [],
        related=_related(seen, data.holder, {one.party for one in starts}),
    )


def _related(seen: Seen, holder: str, parties: Collection[str]) -> list[str]:
    """Of the parties those of the holder's group, itself not among them."""
    if holder not in seen.parties:
        return []
    head = topmost(seen.parties, holder, seen.at)
    known = (one for one in parties if one != holder and one in seen.parties)
    return sorted(one for one in known if topmost(seen.parties, one, seen.at) == head)


# The negative list.


def matches(
    seen: Seen, pack: Pack, above: Ancestry, inherited: Ancestry, outputs: Callable[[bool], Mapping[str, list[str]]]
) -> list[Match]:
    """The entries in force that match the asset or one of its ancestors, nearest first, with the ways from there.

    `above` has all ancestors, `inherited` those that entries are inherited from which are not sticky; `outputs` says
    what was derived from each, over all steps or only over those that do not stop.
    """
    if not pack.negative_list:
        return []
    at = seen.at
    reached = [one for layer in above.layers() for one in layer if one in seen.assets]
    subjects = {one: seen.subject(one) for one in reached}
    owners = {one.owner for one in subjects.values() if one.owner is not None}
    entries: dict[str, Entry] = {}
    for action in ACTIONS:
        found_ = pack.compiled.candidates(action, at, reached, owners, owner_unknown=False)
        entries.update((one.id, one) for one in found_)
    found: list[Match] = []
    for asset in reached:
        for one in sorted(entries.values(), key=lambda entry: entry.id):
            if judge_entry(one, subjects[asset], ())[0] is not Verdict.MATCH:
                continue
            if len(found) == seen.limits.matches_max:
                seen.over("matches_max", "matches")
                return found
            stops = not one.sticky and asset in inherited.distances
            within = inherited if stops else above
            paths, whole = shortest_paths(within, outputs(stops), asset, seen.limits.paths_max)
            found.append(
                Match(
                    asset=asset,
                    entry=one.id,
                    title=one.title,
                    disposition=one.disposition,
                    actions=sorted(one.actions),
                    distance=above.distances[asset],
                    inherited=one.sticky or asset in inherited.distances,
                    sticky=one.sticky,
                    paths=paths,
                    more=not whole,
                )
            )
    return found


# Runs and columns.


class Ran(NamedTuple):
    """What OpenLineage says of the assets: the runs that write them, their columns, and what facets say of owners."""

    runs: list[Run]
    columns: list[Column]
    owners: dict[str, list[str]]


def ran(seen: Seen, asset: str) -> Ran:
    """The runs that write shown assets, whatever became of them; and the columns on the way to and from `asset`."""
    stood = "" if seen.known_at is None else " and e.taken <= ?"
    rows = seen.db.rows(
        "select distinct e.subject from refs r join events e on e.id = r.event where r.kind = 'output'"  # noqa: S608
        f" and r.ref = any(?) and e.type = ? and e.time <= ?{stood} order by e.subject limit ?",
        list(seen.shown),
        RUN,
        seen.at,
        *(() if seen.known_at is None else (seen.known_at,)),
        seen.limits.runs_max + 1,
    )
    missing = _missing(seen)
    if not rows:
        return Ran(missing, [], {})
    if len(rows) > seen.limits.runs_max:
        seen.over("runs_max", "runs")
    shown = set(seen.shown)
    found: list[Run] = []
    columns: list[Column] = []
    owners: dict[str, list[str]] = {}
    for events in run_events(seen.db, (row[0] for row in rows[: seen.limits.runs_max]), seen.known_at).values():
        by_then = [one for one in events if one.time <= seen.at or one.type != RUN]
        completed = set()
        for one in runs.ran(by_then):
            if shown & one.outputs:
                found.append(_run(one, shown))
                if one.state == "completed":
                    completed.add(one.run)
        for event in runs.standing(by_then):
            for name, named in event.data.owners.items():
                owners[name] = list(named)
            if event.subject in completed:
                columns += _columns(event, shown)
    return Ran([*found, *missing], _on_the_way(seen, columns, asset), owners)


def _missing(seen: Seen) -> list[Run]:
    """The runs that derivations name and of which nothing was heard."""
    stood, values = standing(seen.known_at)
    where = f"topic = ? and subject = any(?) and type = ? and {stood}"
    query = f"select {COLUMNS} from events where {where} and time <= ? order by time, id"  # noqa: S608
    named: dict[str, list[Event]] = {}
    for event in map(event_of, seen.db.rows(query, ASSETS, list(seen.shown), DERIVED, *values, seen.at)):
        if event.data.run is not None:
            named.setdefault(event.data.run, []).append(event)
    if not named:
        return []
    known = {
        event.subject
        for events in run_events(seen.db, named, seen.known_at).values()
        for event in runs.standing(events)
        if event.time <= seen.at
    }
    return [
        Run(
            run=run,
            state="missing",
            time=format_instant(some[0].time),
            outputs=sorted({one.subject for one in some}),
        )
        for run, some in sorted(named.items())
        if run not in known
    ][: seen.limits.runs_max]


def _run(one: runs.Ran, shown: set[str]) -> Run:
    return Run(
        run=one.run,
        job=one.job,
        state=one.state,  # type: ignore[arg-type]
        time=format_instant(one.time),
        outputs=sorted(one.outputs & shown),
        parent=one.parent,
        parent_job=one.parent_job,
    )


def _columns(event: Event, shown: set[str]) -> Iterator[Column]:
    """What the column-lineage facets of an event say; what is not as the standard has it is passed over."""
    for output, facet in event.data.columns.items():
        fields = facet.get("fields")
        if output not in shown or not isinstance(fields, dict):
            continue
        for column, said in fields.items():
            inputs = said.get("inputFields") if isinstance(said, dict) else None
            for one in inputs if isinstance(inputs, list) else ():
                texts = [one.get(name) for name in ("namespace", "name", "field")] if isinstance(one, dict) else []
                if len(texts) == 3 and all(isinstance(text, str) and text for text in texts):
                    input_ = f"{texts[0]}/{texts[1]}"
                    if input_ in shown:
                        yield Column(
                            output=output,
                            column=str(column),
                            input=input_,
                            input_column=str(texts[2]),
                            run=event.subject,
                            how=_how(one, said),
                        )


def _how(one: Mapping[str, Any], said: Mapping[str, Any]) -> list[str]:
    """The transformations by their names; in older versions of the facet it is one for the whole column."""
    found = []
    given = one.get("transformations")
    for each in given if isinstance(given, list) else ():
        if isinstance(each, dict):
            words = [each.get("type"), each.get("subtype"), "masking" if each.get("masking") is True else None]
            found.append("/".join(word for word in words if isinstance(word, str) and word))
    older = said.get("transformationType")
    if not found and isinstance(older, str):
        found.append(older)
    return [one for one in dict.fromkeys(found) if one][:TRANSFORMATIONS_SHOWN_MAX]


def _on_the_way(seen: Seen, columns: Iterable[Column], asset: str) -> list[Column]:
    """Of the steps between columns those that lead to a column of the asset, or away from one; each once."""
    steps: dict[tuple[str, str, str, str], Column] = {}
    for one in columns:
        steps.setdefault((one.output, one.column, one.input, one.input_column), one)
    found: set[tuple[str, str, str, str]] = set()
    for up in (True, False):
        ahead: dict[tuple[str, str], list[tuple[str, str, str, str]]] = {}
        for key in steps:
            ahead.setdefault(key[:2] if up else key[2:], []).append(key)
        todo = [node for node in ahead if node[0] == asset]
        met = set(todo)
        while todo:
            for key in ahead.get(todo.pop(), ()):
                found.add(key)
                node = key[2:] if up else key[:2]
                if node not in met:
                    met.add(node)
                    todo.append(node)
    if len(found) > seen.limits.columns_max:
        seen.over("columns_max", "columns")
    return [steps[key] for key in sorted(found)[: seen.limits.columns_max]]
