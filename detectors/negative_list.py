"""Something on the negative list, or derived from it, is listed, traded, delivered or exported.

Why it matters: what endangers security, what nobody was allowed to collect, what a person did not consent to: such
data must not circulate at all, or only with a grant. It seldom circulates under its own name, so what matches an
asset also matches everything derived from it, over any number of steps, until a derivation that nobody can turn back
(Data Security Law, articles 21 and 32; Opinion of 2023-06-20, article 20, look-through supervision).

False positives: a derivation that is in truth irreversible but was reported without its evidence; a grant that the
seller holds and nobody reported; facts that were registered wrongly. Each is cleared by itself once the missing
statement arrives, if it is of that time.

A delivery abroad that nobody declared (`undeclared-export`) is an export as well, and held against those entries, too.

What to do: for a match follow `path` from `origin` to the asset and stop the circulation of all that lies on it.
For `needs-info` have the owner state the `missing` facts; what cannot be decided is never passed.

`verdict` in the evidence is `match` or `needs-info`. For an entry that names parties it has the one that is `listed`,
and `through` whom it matched: the party of the act, or the owner, that it is or controls, up the chain.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from circulation.calendar import format_instant
from circulation.events.names import CONTRACT_SIGNED, DELIVERY_COMPLETED, EXPORT_PERFORMED, PRODUCT_LISTED
from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    asset,
    delivered,
    derived,
    entry,
    event,
    exported,
    granted,
    listed,
    pack,
    party,
    signed,
    terms,
)
from circulation.facts.acts import Act
from circulation.facts.circulations import Circulation
from circulation.facts.facts import Facts, Need
from circulation.findings import About, Cause, Said
from circulation.lineage import Ancestry, nearest, shortest_path
from circulation.packs.entry import Entry, Subject, Verdict
from circulation.packs.matching import judge_entry, named
from circulation.rules import Check, Rule, Screen
from circulation.words import ACTION, FACT, GRANT, listed_zh, many, zh

# Levels that can be compared; `ungraded` is no level, but the lack of one.
RANKS = {"general": 0, "important": 1, "core": 2}

DOING = {"list": "listed", "trade": "traded", "deliver": "delivered", "export": "exported"}


class Conduct(NamedTuple):
    """What an act does to an asset, in the words of the list.

    `holder` is whose grants count, and who is responsible. `purposes`, `countries` and `recipients` are what the act
    names and a grant may be restricted by; `level` is what an export itself claims.
    """

    action: str
    asset: str
    holder: str
    parties: frozenset[str]
    purposes: tuple[str, ...] = ()
    countries: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    level: str | None = None


def conduct(act: Act, facts: Facts) -> Conduct | None:
    """What the act does; None where it concerns no asset that is known by then."""
    data = act.data
    if act.type == PRODUCT_LISTED:
        return _listing(act.subject, data)
    if act.type == CONTRACT_SIGNED:
        return _trade(data)
    countries = () if data.country is None else (data.country,)
    if act.type == DELIVERY_COMPLETED:
        contract = facts.contract(act.subject).statement(act.time)
        if contract is None:
            return None
        parties = frozenset({contract.seller, contract.buyer, data.recipient})
        return Conduct(
            "deliver", contract.asset, contract.seller, parties, countries=countries, recipients=(data.recipient,)
        )
    contract = None if data.contract is None else facts.contract(data.contract).statement(act.time)
    exported = data.asset or (None if contract is None else contract.asset)
    if exported is None:
        return None
    parties = frozenset({act.subject, data.recipient} | (set() if contract is None else {contract.buyer}))
    return Conduct(
        "export",
        exported,
        act.subject,
        parties,
        countries=countries,
        recipients=(data.recipient,),
        level=data.level,
    )


def _listing(asset_: str, data: Any) -> Conduct:
    return Conduct("list", asset_, data.seller, frozenset({data.seller}), purposes=tuple(data.purposes or ()))


def _trade(data: Any) -> Conduct:
    return Conduct(
        "trade",
        data.asset,
        data.seller,
        frozenset({data.seller, data.buyer}),
        purposes=tuple(data.terms.purposes or ()),
        countries=tuple(data.terms.countries or ()),
        recipients=(data.buyer,),
    )


class _View:
    """An asset and its ancestors as the list sees them at an instant; nothing is asked for twice.

    `level` is what an export claims of the asset.
    """

    def __init__(self, asset_: str, instant: int, facts: Facts, level: str | None = None) -> None:
        self._asset = asset_
        self._instant = instant
        self._facts = facts
        self._level = level
        self._compiled = facts.pack(instant).compiled
        self._subjects: dict[str, Subject] = {}
        self._ancestries: dict[bool, Ancestry] = {}

    def subject(self, asset_: str) -> Subject:
        subject = self._subjects.get(asset_)
        if subject is None:
            # What had another name is what it was then.
            then = self.ancestry(sticky=True).then.get(asset_, self._instant)
            subject = self._facts.subject(asset_, then)
            if asset_ == self._asset:
                subject = _raised(subject, self._level)
            if (
                self._compiled.names_parties
                and subject.owner is not None
                and len(chain := self.chain(subject.owner)) > 1
            ):
                subject = msgspec.structs.replace(subject, controllers=tuple(chain[1:]))
            self._subjects[asset_] = subject
        return subject

    def ancestry(self, *, sticky: bool) -> Ancestry:
        ancestry = self._ancestries.get(sticky)
        if ancestry is None:
            ancestry = self._facts.ancestry(self._asset, self._instant, through_stops=sticky)
            self._ancestries[sticky] = ancestry
        return ancestry

    def chain(self, party: str) -> list[str]:
        """The party and who controls it, up the chain."""
        return self._facts.chain(party, self._instant)

    def parties(self, doing: Conduct) -> frozenset[str]:
        """The parties of the act, and who controls them, which is of no interest where no entry names parties."""
        if not self._compiled.names_parties:
            return doing.parties
        return frozenset(above for party_ in doing.parties for above in self.chain(party_))

    def listed(self, entry_: Entry, doing: Conduct, origin: str) -> tuple[str, str] | None:
        """Whom an entry names that is a party of the act or the owner of the origin, or controls one of them, and whom.

        Of several the one with the fewest steps between the two, then the smallest. None where it names no parties.
        """
        if entry_.match.parties is None:
            return None
        owner = self.subject(origin).owner
        ways = (
            (chain.index(above), party, above)
            for party in {*doing.parties, *(() if owner is None else (owner,))}
            for chain in (self.chain(party),)
            for above in named(entry_.match.parties, chain)
        )
        _, party, above = min(ways)
        return above, party

    def candidates(self, doing: Conduct) -> list[Entry]:
        assets = self.ancestry(sticky=True).distances
        owners = {holder for asset_ in assets for holder in self.subject(asset_).holders()}
        return self._compiled.candidates(
            doing.action,
            self._instant,
            assets,
            self.parties(doing) | owners,
            owner_unknown=not self.subject(self._asset).registered,
            subjects=map(self.subject, assets),
        )

    def changes(self, path: list[str]) -> list[dict[str, str]]:
        """What happened to the assets on a path that ends nothing, though it may be said to."""
        changes = self._facts.changes(path, self._instant)
        return [{"asset": asset_, "change": change, "time": format_instant(time)} for time, asset_, change in changes]

    def matcher(self, entry_: Entry, parties: frozenset[str]) -> Callable[[str], bool]:
        return lambda candidate: judge_entry(entry_, self.subject(candidate), parties)[0] is Verdict.MATCH


def _raised(subject: Subject, claimed: str | None) -> Subject:
    """Of an export's and the asset's level the higher counts; of one that is not graded only the highest is certain."""
    if not subject.registered or claimed not in RANKS:
        return subject
    if RANKS[claimed] <= RANKS.get(subject.level or "", RANKS["important"]):
        return subject
    return msgspec.structs.replace(subject, level=claimed)


def judge(doing: Conduct, instant: int, facts: Facts, cause: Cause | None, apart: tuple[str, ...]) -> list[Said]:
    """What the list in force at the instant says of a conduct then: hits by entry, and what it cannot tell.

    `apart` tells this conduct from others of the same asset and cause; the entry's id goes before it.
    """
    if not facts.pack(instant).negative_list:
        return []
    view = _View(doing.asset, instant, facts, doing.level)
    hits: list[Said] = []
    undecided: list[Entry] = []
    missing: set[str] = set()
    for entry_, path, unknown in _unsatisfied(view.candidates(doing), doing, view, instant, facts):
        if path:
            hits.append(_hit(entry_, doing, view, instant, cause, apart, path))
        else:
            undecided.append(entry_)
            missing |= unknown
    if undecided:
        hits.append(_needs_info(undecided, missing, doing, instant, cause, apart))
    return hits


def screen(circulation: Circulation, until: int, facts: Facts) -> list[Said]:
    """What the list says of an asset at each instant before `until` at which an entry takes effect.

    Judged are all listings and contracts of that instant, by the entries that take effect then. Of those that offend
    one entry the earliest is named; an entry that is certain of one of them is no longer in doubt for another.
    """
    asset_, since, screens = circulation.asset, circulation.since, facts.packs.screens
    if since is None or not screens.between(since, until):
        return []
    reached = facts.ancestry(asset_, until, through_stops=True).distances
    stated = circulation.parties() | {owner for source in reached for owner in facts.asset(source).owners()}
    parties = {above for party_ in stated for above in facts.ever_above(party_)}
    unregistered = facts.asset(asset_).registration(until) is None
    findings: list[Said] = []
    for instant in screens.concerning(since, until, reached, parties, owner_unknown=unregistered):
        view = _View(asset_, instant, facts)
        listings = [_listing(asset_, data) for data in circulation.listings(instant)]
        trades = [_trade(data) for data in circulation.trades(instant)]
        for doings in (listings, trades):
            findings += _screened(doings, view, instant, facts)
    return findings


def _screened(doings: Iterable[Conduct], view: _View, instant: int, facts: Facts) -> list[Said]:
    effective = facts.packs.screens.entries(instant)
    hits: dict[str, Said] = {}
    undecided: dict[str, tuple[Entry, Conduct, frozenset[str]]] = {}
    for doing in doings:
        entries = [entry_ for entry_ in view.candidates(doing) if entry_.id in effective and entry_.id not in hits]
        for entry_, path, unknown in _unsatisfied(entries, doing, view, instant, facts):
            if path:
                hits[entry_.id] = _hit(entry_, doing, view, instant, None, (doing.action, str(instant)), path)
            else:
                undecided.setdefault(entry_.id, (entry_, doing, unknown))
    findings = list(hits.values())
    doubts = [doubt for id_, doubt in undecided.items() if id_ not in hits]
    if doubts:
        missing = {fact for _, _, unknown in doubts for fact in unknown}
        # in the order of the conducts, so the first doubt is of the earliest
        _, doing, _ = doubts[0]
        apart = (doing.action, str(instant))
        findings.append(_needs_info([entry_ for entry_, _, _ in doubts], missing, doing, instant, None, apart))
    return findings


def _unsatisfied(
    entries: Iterable[Entry], doing: Conduct, view: _View, instant: int, facts: Facts
) -> Iterator[tuple[Entry, list[str], frozenset[str]]]:
    """Of the entries those that match or may match: with the path from the origin, or with what is missing."""
    parties = view.parties(doing)
    for entry_ in entries:
        ancestry = view.ancestry(sticky=entry_.sticky)
        origin = nearest(ancestry, view.matcher(entry_, parties))
        unknown: frozenset[str] = frozenset()
        if origin is None:
            verdict, unknown = judge_entry(entry_, view.subject(doing.asset), parties)
            if verdict is not Verdict.UNKNOWN:
                continue
        if not _satisfied(entry_, doing, instant, facts):
            yield entry_, [] if origin is None else shortest_path(ancestry, origin), unknown


def _satisfied(entry_: Entry, doing: Conduct, instant: int, facts: Facts) -> bool:
    """Whether a `restrict` is satisfied by one grant of the holder that covers asset and act."""
    return (
        entry_.disposition == "restrict"
        and bool(entry_.unless)
        and facts.party(doing.holder).covered(
            instant,
            entry_.unless,
            asset=doing.asset,
            purposes=doing.purposes,
            countries=doing.countries,
            recipients=doing.recipients,
        )
    )


def _hit(
    entry_: Entry,
    doing: Conduct,
    view: _View,
    instant: int,
    cause: Cause | None,
    apart: tuple[str, ...],
    path: list[str],
) -> Said:
    prohibited = entry_.disposition == "prohibit"
    origin, steps = path[0], len(path) - 1
    where = "itself a match" if steps == 0 else f"derived in {many(steps, 'step')} from {origin}"
    lacking = f" without a valid {' or '.join(sorted(entry_.unless))}" if not prohibited and entry_.unless else ""
    lacking_zh = f"且无有效的{'或'.join(zh(GRANT, kind) for kind in sorted(entry_.unless))}" if lacking else ""
    forbids = "prohibits" if prohibited else "forbids"
    entry_words = f"entry {entry_.id} ({entry_.title})"
    # what has no cause was screened: it went on when the entry came
    rest = f", which {entry_words} {forbids}." if cause else f" when {entry_words} took effect, which {forbids} it."
    by_party = view.listed(entry_, doing, origin)
    return Said(
        severity="red" if prohibited else "orange",
        about=About("asset", doing.asset),
        party=doing.holder,
        occurred=instant,
        summary=f"{doing.asset}, {where}, was {DOING[doing.action]}{lacking}{rest}",
        summary_zh=(
            f"{doing.asset} {'自身匹配' if steps == 0 else f'由 {origin} 经 {steps} 步衍生，匹配'}负面清单条目"
            f" {entry_.id}（{entry_.title}），{'已' if cause else '该条目生效时处于'}{zh(ACTION, doing.action)}"
            f"{lacking_zh}，{'属于禁止' if prohibited else '不满足限制条件'}。"
        ),
        evidence={
            "action": doing.action,
            "verdict": "match",
            "entry": entry_.id,
            "title": entry_.title,
            "steps": steps,
            "origin": origin,
            "path": path,
            "legal_basis": list(entry_.legal_basis),
            **({} if by_party is None else {"listed": by_party[0], "through": by_party[1]}),
            **({"changes": changes} if (changes := view.changes(path)) else {}),
        },
        cause=cause,
        apart=(entry_.id, *apart),
        asset=doing.asset,
    )


def _needs_info(
    undecided: Iterable[Entry],
    missing: Iterable[str],
    doing: Conduct,
    instant: int,
    cause: Cause | None,
    apart: tuple[str, ...],
) -> Said:
    entries, facts_missing = sorted(entry_.id for entry_ in undecided), sorted(missing)
    counted_entries = many(len(entries), "entry", "entries")
    return Said(
        severity="yellow",
        about=About("asset", doing.asset),
        party=doing.holder,
        occurred=instant,
        summary=(
            f"{doing.asset} was {DOING[doing.action]}, and {counted_entries} of the negative list cannot be decided, "
            f"for it is not known: {', '.join(facts_missing)}."
        ),
        summary_zh=(
            f"{doing.asset} 被{zh(ACTION, doing.action)}，因{listed_zh(zh(FACT, fact) for fact in facts_missing)}不明，"
            f"负面清单有 {len(entries):,} 个条目无法判定。"
        ),
        evidence={
            "count": len(entries),
            "action": doing.action,
            "verdict": "needs-info",
            "entries": entries,
            "missing": facts_missing,
        },
        cause=cause,
        apart=("", *apart),
        asset=doing.asset,
    )


def check(act: Act, facts: Facts) -> list[Said]:
    """Judges a listing, trade, delivery or export by the list in force at its `time`."""
    doing = conduct(act, facts)
    if doing is None:
        return []
    # One source may use an id on two contracts of one asset, so the desk's subject tells them apart.
    findings = judge(doing, act.time, facts, act.cause, (act.subject,))
    if act.type == DELIVERY_COMPLETED and facts.undeclared(act.subject, act.cause):
        export = doing._replace(action="export")
        findings += _besides(findings, judge(export, act.time, facts, act.cause, (act.subject,)))
    return findings


def _besides(findings: Iterable[Said], more: Iterable[Said]) -> list[Said]:
    """What is said more: of one cause an entry is said once, and what cannot be decided is."""
    known = {finding.apart for finding in findings}
    return [finding for finding in more if finding.apart not in known]


NEEDS: frozenset[Need] = frozenset({"asset", "ancestors", "contract", "controllers", "undeclared"})

RULE = Rule(
    id="negative-list",
    title="Something on the negative list circulates",
    title_zh="负面清单内容在流通",
    about="asset",
    severity="red",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 20", "数据安全法 21", "数据安全法 32"),
    check=Check(
        acts=frozenset({PRODUCT_LISTED, CONTRACT_SIGNED, DELIVERY_COMPLETED, EXPORT_PERFORMED}),
        check=check,
        needs=NEEDS,
    ),
    screen=Screen(judge=screen, needs=NEEDS),
)


_SECRET = entry("secret")
_CORE = entry("core", match={"level": ["core"]})
_CONSENTED = entry("consented", disposition="restrict", unless=["consent", "guardian-consent"])
_CROWD = entry("crowd", match={"persons_min": 1000})
_OWNER = party(OWNER, industry="I65")
_WHEN = "2025-03-01T10:00"


def _found(entry_: str, **evidence: Any) -> Json:
    return {"severity": "red", "evidence": {"verdict": "match", "entry": entry_} | evidence}


def _unknown(action: str, entries: list[str], missing: list[str]) -> Json:
    evidence = {"action": action, "verdict": "needs-info", "entries": entries, "missing": missing}
    return {"severity": "yellow", "evidence": evidence}


def _chain(length: int) -> list[Json]:
    """a0 is secret; a1 is derived from it, and so on."""
    assets = [asset("a0", tags=["secret"]), *(asset(f"a{number}") for number in range(1, length + 1))]
    return [
        _OWNER,
        *assets,
        *(derived(f"a{number}", "2025-02-01", f"a{number - 1}") for number in range(1, length + 1)),
    ]


def _licensed(**grant: Any) -> list[Json]:
    return [_OWNER, asset("asset", tags=["consented"]), granted(SELLER, "2025-02-01", "consent", **grant)]


_NOT_STOPPED: dict[str, Json] = {
    "not irreversible": {"irreversible": False},
    "irreversibility not stated": {"irreversible": None},
    "a process that keeps what was there": {"process": "deidentify"},
    "evidence that is empty": {"evidence": ""},
    "no evidence": {"evidence": None},
}
_STOPPED: Json = {"process": "anonymise", "irreversible": True, "evidence": "report-7"}


def _anonymised(**changes: Any) -> list[Json]:
    members: Json = _STOPPED | changes
    return [
        _OWNER,
        asset("raw", tags=["secret"]),
        asset("asset"),
        derived("asset", "2025-02-01", "raw", **members),
        listed("asset", _WHEN),
    ]


_ORANGE = {"severity": "orange", "evidence": {"verdict": "match", "entry": "consented"}}
_SHUNNED = entry("shunned", match={"parties": [THIRD]})


def _shunned(party_: str, **evidence: Any) -> Json:
    return _found("shunned", listed=THIRD, through=party_, **evidence)


_TAKES_EFFECT = {"occurred": "2025-03-01T00:00:00+08:00", "party": SELLER}
_RAW_TO_ASSET = [_found("secret", origin="raw", path=["raw", "asset"])]

CASES = (
    Case(
        name="a listing of what an entry names",
        events=[_OWNER, asset("asset", tags=["secret", "other"]), listed("asset", _WHEN, id="l1")],
        fires=[
            _found("secret", action="list", origin="asset", path=["asset"])
            | {"about": {"kind": "asset", "id": "asset"}, "party": SELLER, "cause": {"id": "l1"}}
        ],
        rules=pack(_SECRET),
    ),
    Case(
        name="a listing of what no entry names",
        events=[_OWNER, asset("asset", tags=["other"]), listed("asset", _WHEN)],
        rules=pack(_SECRET),
    ),
    Case(
        name="an entry for another action",
        events=[_OWNER, asset("asset", tags=["secret"]), listed("asset", _WHEN)],
        rules=pack(entry("secret", actions=["trade", "deliver", "export"])),
    ),
    Case(
        name="two entries are two findings of one cause",
        events=[_OWNER, asset("asset", tags=["secret"], level="core"), listed("asset", _WHEN)],
        fires=[_found("secret"), _found("core")],
        rules=pack(_SECRET, _CORE),
    ),
    Case(
        name="a trade, and every delivery under it",
        events=[
            _OWNER,
            asset("asset", tags=["secret"]),
            signed("c", "2025-02-01"),
            delivered("c", "2025-02-02"),
            delivered("c", "2025-02-03"),
        ],
        fires=[
            _found("secret", action="trade"),
            _found("secret", action="deliver"),
            _found("secret", action="deliver"),
        ],
        rules=pack(_SECRET),
    ),
    Case(
        name="one id on two contracts of one asset is two trades",
        events=[
            _OWNER,
            asset("asset", tags=["secret"]),
            signed("c1", "2025-02-01", id="1"),
            signed("c2", "2025-02-01", id="1"),
        ],
        fires=[_found("secret", action="trade"), _found("secret", action="trade")],
        rules=pack(_SECRET),
    ),
    Case(
        name="an amendment is no trade",
        events=[_OWNER, asset("asset", tags=["secret"]), signed("c", "2025-02-01", amended=True)],
        rules=pack(_SECRET),
    ),
    Case(
        name="a delivery under a contract that nobody signed",
        events=[_OWNER, asset("asset", tags=["secret"]), delivered("c", "2025-02-02")],
        rules=pack(_SECRET),
    ),
    Case(
        name="an export of an asset that it names",
        events=[_OWNER, asset("asset", tags=["secret"]), exported(SELLER, _WHEN, asset="asset")],
        fires=[_found("secret", action="export") | {"party": SELLER}],
        rules=pack(_SECRET),
    ),
    Case(
        name="an export of the asset of its contract",
        events=[
            _OWNER,
            asset("asset", tags=["secret"]),
            signed("c", "2025-02-01"),
            exported(THIRD, _WHEN, contract="c"),
        ],
        fires=[_found("secret", action="export") | {"party": THIRD}],
        rules=pack(entry("secret", actions=["export"])),
    ),
    Case(
        name="an export of nothing that is known",
        events=[_OWNER, asset("asset", tags=["secret"]), exported(SELLER, _WHEN)],
        rules=pack(_SECRET),
    ),
    Case(
        name="the higher level of an export counts",
        events=[_OWNER, asset("asset", level="important"), exported(SELLER, _WHEN, asset="asset", level="core")],
        fires=[_found("core", action="export")],
        rules=pack(_CORE),
    ),
    Case(
        name="the lower level of an export does not",
        events=[_OWNER, asset("asset", level="core"), exported(SELLER, _WHEN, asset="asset", level="general")],
        fires=[_found("core", action="export")],
        rules=pack(_CORE),
    ),
    *(
        Case(
            name=f"persons at the boundary: {persons}",
            events=[_OWNER, asset("asset", persons=persons), listed("asset", _WHEN)],
            fires=[_found("crowd")] if persons >= 1000 else [],
            rules=pack(_CROWD),
        )
        for persons in (999, 1000, 1001)
    ),
    *(
        Case(
            name=f"a match is inherited over {length} steps",
            events=[*_chain(length), listed(f"a{length}", _WHEN)],
            fires=[
                _found("secret", origin="a0", path=[f"a{number}" for number in range(length + 1)])
                | {"summary": f"a{length}, {how} from a0, was listed, which entry secret (Entry secret) prohibits."}
            ],
            rules=pack(_SECRET),
        )
        for length, how in ((1, "derived in 1 step"), (2, "derived in 2 steps"), (12, "derived in 12 steps"))
    ),
    Case(
        name="a derivation of later does not count yet",
        events=[
            _OWNER,
            asset("raw", tags=["secret"]),
            asset("asset"),
            derived("asset", "2025-03-02", "raw"),
            listed("asset", _WHEN),
        ],
        rules=pack(_SECRET),
    ),
    Case(
        name="of two origins the nearest, of equally near the smallest id",
        events=[
            _OWNER,
            *(asset(asset_, tags=["secret"]) for asset_ in ("far", "near-b", "near-a")),
            asset("middle"),
            asset("asset"),
            derived("near-a", "2025-02-01", "far"),
            derived("middle", "2025-02-01", "near-b", "near-a"),
            derived("asset", "2025-02-01", "middle"),
            listed("asset", _WHEN),
        ],
        fires=[_found("secret", origin="near-a", path=["near-a", "middle", "asset"])],
        rules=pack(_SECRET),
    ),
    Case(name="a match stops where nobody can turn back", events=_anonymised(), rules=pack(_SECRET)),
    Case(
        name="a sticky entry does not stop there",
        events=_anonymised(),
        fires=_RAW_TO_ASSET,
        rules=pack(entry("secret", sticky=True)),
    ),
    *(
        Case(name=f"it does not stop: {name}", events=_anonymised(**changes), fires=_RAW_TO_ASSET, rules=pack(_SECRET))
        for name, changes in _NOT_STOPPED.items()
    ),
    Case(
        name="a cycle of derivations",
        events=[
            _OWNER,
            asset("raw", tags=["secret"]),
            asset("asset"),
            derived("asset", "2025-02-01", "raw"),
            derived("raw", "2025-02-01", "asset"),
            listed("asset", _WHEN),
        ],
        fires=_RAW_TO_ASSET,
        rules=pack(_SECRET),
    ),
    Case(
        name="a restriction without a grant",
        events=[_OWNER, asset("asset", tags=["consented"]), listed("asset", _WHEN)],
        fires=[_ORANGE],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a restriction that a grant satisfies",
        events=[*_licensed(assets=["asset"]), listed("asset", _WHEN)],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant that comes late and was issued in time refutes the finding",
        events=[
            _OWNER,
            asset("asset", tags=["consented"]),
            listed("asset", _WHEN),
            granted(SELLER, "2025-02-01", "consent"),
        ],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant of another party",
        events=[*_licensed(), listed("asset", _WHEN, seller=THIRD)],
        fires=[_ORANGE],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant that was issued only later",
        events=[
            _OWNER,
            asset("asset", tags=["consented"]),
            granted(SELLER, "2025-03-02", "consent", valid_from="2025-02-01"),
            listed("asset", _WHEN),
        ],
        fires=[_ORANGE],
        rules=pack(_CONSENTED),
    ),
    *(
        Case(
            name=f"a grant that ends, {name}",
            events=[*_licensed(valid_to="2025-03-01T10:00:00+08:00"), listed("asset", time)],
            fires=fires,
            rules=pack(_CONSENTED),
        )
        for name, time, fires in (
            ("just before", "2025-03-01T09:59:59.999999", []),
            ("at its end", "2025-03-01T10:00:00", [_ORANGE]),
            ("just after", "2025-03-01T10:00:00.000001", [_ORANGE]),
        )
    ),
    Case(
        name="a grant that was revoked",
        events=[
            *_licensed(),
            event("grant.revoked", SELLER, "2025-02-20", grant="grant-consent", reason="withdrawn"),
            listed("asset", _WHEN),
        ],
        fires=[_ORANGE],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant for the source does not cover what is derived",
        events=[
            *_licensed(assets=["asset"]),
            asset("product"),
            derived("product", "2025-02-01", "asset"),
            listed("product", _WHEN),
        ],
        fires=[_ORANGE],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant for a purpose covers its sub-purposes",
        events=[*_licensed(purposes=["credit"]), listed("asset", _WHEN, purposes=["credit/scoring"])],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant for a purpose does not cover a listing that names none",
        events=[*_licensed(purposes=["credit"]), listed("asset", _WHEN)],
        fires=[_ORANGE],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a grant for a recipient covers the trade with it, and the delivery to it",
        events=[
            *_licensed(recipients=[BUYER], countries=["CN"]),
            signed("c", "2025-02-02", terms=terms(countries=["CN"])),
            delivered("c", "2025-02-03", country="CN"),
        ],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="a delivery to another country than was granted",
        events=[
            *_licensed(recipients=[BUYER], countries=["CN"]),
            signed("c", "2025-02-02", terms=terms(countries=["CN"])),
            delivered("c", "2025-02-03", country="SG"),
        ],
        fires=[{"severity": "orange", "evidence": {"action": "deliver", "entry": "consented"}}],
        rules=pack(_CONSENTED),
    ),
    Case(
        name="nothing satisfies a prohibition",
        events=[
            _OWNER,
            asset("asset", tags=["secret"]),
            granted(SELLER, "2025-02-01", "consent"),
            listed("asset", _WHEN),
        ],
        fires=[_found("secret")],
        rules=pack(_SECRET),
    ),
    *(
        Case(
            name=f"what cannot be decided is told: {label}",
            events=[listed("asset", _WHEN)],
            fires=[
                {
                    "summary": f"asset was listed, and {label} of the negative list cannot be decided, for it is not"
                    " known: tags."
                }
            ],
            rules=pack(*(entry(id_) for id_ in tags)),
        )
        for label, tags in (("1 entry", ("secret",)), ("2 entries", ("secret", "hidden")))
    ),
    Case(
        name="an asset that is not registered needs information, once for all entries",
        events=[listed("asset", _WHEN)],
        fires=[_unknown("list", ["core", "secret"], ["level", "tags"])],
        rules=pack(_SECRET, _CORE),
    ),
    Case(
        name="a registration that comes late decides",
        events=[listed("asset", _WHEN), _OWNER, asset("asset", "2025-04-01")],
        rules=pack(_SECRET, _CORE),
    ),
    Case(
        name="what is false decides, whatever is unknown",
        events=[_OWNER, asset("asset", level="ungraded"), listed("asset", _WHEN)],
        rules=pack(entry("both", match={"level": ["core"], "category": ["maps"]})),
    ),
    Case(
        name="an ungraded asset needs information",
        events=[_OWNER, asset("asset", level="ungraded", persons=None), listed("asset", _WHEN)],
        fires=[_unknown("list", ["core", "crowd"], ["level", "persons"])],
        rules=pack(_CORE, _CROWD),
    ),
    Case(
        name="what cannot be decided of an ancestor needs no information here",
        events=[_OWNER, asset("asset"), derived("asset", "2025-02-01", "unheard-of"), listed("asset", _WHEN)],
        rules=pack(_SECRET, _CORE),
    ),
    Case(
        name="an ancestor that matches outweighs what is unknown of the asset",
        events=[
            _OWNER,
            asset("raw", level="core"),
            asset("asset", level="ungraded"),
            derived("asset", "2025-02-01", "raw"),
            listed("asset", _WHEN),
        ],
        fires=[_found("core", origin="raw")],
        rules=pack(_CORE),
    ),
    Case(
        name="a grant satisfies what is undecided",
        events=[
            _OWNER,
            asset("asset", level="ungraded"),
            granted(SELLER, "2025-02-01", "consent"),
            listed("asset", _WHEN),
        ],
        rules=pack(entry("core", match={"level": ["core"]}, disposition="restrict", unless=["consent"])),
    ),
    Case(
        name="a grading of later does not change what was done before",
        events=[
            _OWNER,
            asset("asset"),
            event("asset.graded", "asset", "2025-03-02", level="core", personal="none", reason="review"),
            listed("asset", _WHEN),
        ],
        rules=pack(_CORE),
    ),
    Case(
        name="an entry that names an asset, of one that is not registered",
        events=[listed("asset", _WHEN)],
        fires=[_found("named", origin="asset")],
        rules=pack(entry("named", match={"assets": ["asset", "another"]})),
    ),
    Case(
        name="an entry that names a recipient abroad",
        events=[_OWNER, asset("asset"), exported(SELLER, _WHEN, asset="asset"), listed("asset", _WHEN)],
        fires=[_found("barred", action="export")],
        rules=pack(entry("barred", match={"parties": [ABROAD]})),
    ),
    Case(
        name="an entry that names the owner of a source",
        events=[
            _OWNER,
            asset("raw", owner=THIRD),
            party(THIRD),
            asset("asset"),
            derived("asset", "2025-02-01", "raw"),
            listed("asset", _WHEN),
        ],
        fires=[_found("barred", origin="raw")],
        rules=pack(entry("barred", match={"parties": [THIRD]})),
    ),
    *(
        Case(
            name=f"an entry of a party, {name}",
            events=[_OWNER, asset("asset"), listed("asset", _WHEN), *events],
            fires=fires,
            rules=pack(_SHUNNED),
        )
        for name, events, fires in (
            ("which controls the owner", [party(OWNER, "2025-01-02", controller=THIRD)], [_shunned(OWNER)]),
            ("which is a seller", [listed("asset", _WHEN, seller=THIRD, product="other")], [_shunned(THIRD)]),
            ("which controls the seller", [party(SELLER, controller=THIRD)], [_shunned(SELLER)]),
            (
                "which controls who controls the seller",
                [party(SELLER, controller="p:middle"), party("p:middle", controller=THIRD)],
                [_shunned(SELLER)],
            ),
            ("whose controller is the seller", [party(THIRD, controller=SELLER)], []),
            (
                "with the same controller as the seller",
                [party(party_, controller="p:top") for party_ in (THIRD, SELLER)],
                [],
            ),
            (
                "which controlled the seller just before",
                [party(SELLER, controller=THIRD), party(SELLER, "2025-03-01T09:59:59.999999")],
                [],
            ),
            (
                "which controls the seller from then on",
                [party(SELLER), party(SELLER, _WHEN, controller=THIRD)],
                [_shunned(SELLER)],
            ),
            (
                "which controls the seller only later",
                [party(SELLER), party(SELLER, "2025-03-01T10:00:00.000001", controller=THIRD)],
                [],
            ),
        )
    ),
    Case(
        name="an entry of a party that controls the owner of a source, by a controller that is stated last",
        events=[
            _OWNER,
            asset("raw", owner=SELLER),
            asset("asset"),
            derived("asset", "2025-02-01", "raw"),
            listed("asset", _WHEN, seller=OWNER),
            party(SELLER, controller="p:middle"),
            party("p:middle", controller=THIRD),
        ],
        fires=[_shunned(SELLER, origin="raw", path=["raw", "asset"])],
        rules=pack(_SHUNNED),
    ),
    *(
        Case(
            name=f"an entry of a party that controls the {name}",
            events=[_OWNER, asset("asset"), signed("c", "2025-02-01"), *events],
            fires=fires,
            rules=pack(entry("shunned", match={"parties": [THIRD]}, actions=actions)),
        )
        for name, actions, events, fires in (
            ("buyer", ["trade"], [party(BUYER, controller=THIRD)], [_shunned(BUYER, action="trade")]),
            (
                "recipient of a delivery",
                ["deliver"],
                [delivered("c", _WHEN, recipient="p:r"), party("p:r", controller=THIRD)],
                [_shunned("p:r", action="deliver")],
            ),
            (
                "recipient of an export",
                ["export"],
                [exported(SELLER, _WHEN, asset="asset"), party(ABROAD, controller=THIRD)],
                [_shunned(ABROAD, action="export")],
            ),
            (
                "exporter",
                ["export"],
                [exported("p:e", _WHEN, asset="asset"), party("p:e", controller=THIRD)],
                [_shunned("p:e", action="export")],
            ),
            (
                "buyer of the contract of an export",
                ["export"],
                [exported(SELLER, _WHEN, contract="c"), party(BUYER, controller="p:m"), party("p:m", controller=THIRD)],
                [_shunned(BUYER, action="export")],
            ),
        )
    ),
    *(
        Case(
            name=f"an entry of {named_} and of a party that controls the seller",
            events=[_OWNER, asset("asset"), listed("asset", _WHEN), party(SELLER, controller=THIRD)],
            fires=fires,
            rules=pack(entry("shunned", match={"assets": [named_], "parties": [THIRD]})),
        )
        for named_, fires in (("asset", [_shunned(SELLER)]), ("another", []))
    ),
    Case(
        name="what is listed by whom a party controls when its entry takes effect",
        events=[_OWNER, asset("asset"), listed("asset", "2025-02-01"), party(SELLER, controller=THIRD)],
        until="2025-03-02",
        fires=[_shunned(SELLER) | _TAKES_EFFECT],
        rules=pack(entry("shunned", match={"parties": [THIRD]}, valid_from="2025-03-01")),
    ),
    *(
        Case(
            name=f"the field {field!r}",
            events=[_OWNER, asset("asset", fields=["road", field]), listed("asset", _WHEN)],
            fires=fires,
            rules=pack(entry("faces", match={"fields": ["face*", "caf\u00e9"]})),
        )
        for field, fires in (
            ("Face_Image", [_found("faces")]),
            ("\uff26\uff21\uff23\uff25_image", [_found("faces")]),
            ("fa\u00adce_image", [_found("faces")]),
            (" \u3000face_image", [_found("faces")]),
            ("cafe\u0301", [_found("faces")]),
            ("cafe", []),
            ("x.face_image", []),
            # Cyrillic letters among Latin ones, Cyrillic ones alone, and others that look like nothing listed.
            ("fac\u0435_image", [_unknown("list", ["faces"], ["fields"])]),
            ("\u0441\u0430f\u00e9", [_unknown("list", ["faces"], ["fields"])]),
            ("FA\u0421E", [_unknown("list", ["faces"], ["fields"])]),
            ("\u0441\u0430\u0441\u0435", []),
            ("fac\u0434_image", []),
        )
    ),
    *(
        Case(
            name=f"{name}: {fact!r}",
            events=[_OWNER, asset("asset", tags=[fact], category=fact), listed("asset", _WHEN)],
            fires=[_found("one")] if fits else [],
            rules=pack(entry("one", match={name: ["Face \u00c9"]})),
        )
        for name in ("tags", "category")
        for fact, fits in (
            ("\uff26ACE e\u0301 ", True),
            ("f\u200dace \u00e9", True),
            ("face  \u00e9", False),
            ("face e", False),
        )
    ),
    *(
        Case(
            name=f"an entry of {named_} and {kind} {id_}",
            events=[
                _OWNER,
                asset(id_ if kind == "assets" else "asset"),
                listed("asset" if kind == "parties" else id_, _WHEN, seller=id_ if kind == "parties" else SELLER),
            ],
            fires=[_found("one")] if fits else [],
            rules=pack(entry("one", match={kind: [named_]})),
        )
        for kind, named_, id_, fits in (
            ("parties", "eth:0xABCDEF12", "eth:0xabcdef12", True),
            ("parties", "eth:0xabcdef12", "eth:0xABCdef12", True),
            ("parties", "eth:0xabcdef12", "ETH:0xabcdef12", False),
            ("parties", "eth:abcdef12", "eth:ABCDEF12", False),
            ("assets", "nft/0xAB/1", "nft/0xab/1", True),
            ("assets", "nft/0xAB/x", "nft/0xab/X", False),
            ("assets", "nft/0xABg", "nft/0xabg", False),
        )
    ),
    Case(
        name="the industry of the owner stands in for the asset's",
        events=[_OWNER, asset("asset", industry=None), listed("asset", _WHEN)],
        fires=[_found("sector")],
        rules=pack(entry("sector", match={"industry": "I6"})),
    ),
    Case(
        name="what is listed and what is traded when an entry takes effect, once each, whoever offers it",
        events=[
            _OWNER,
            asset("asset", tags=["timed"]),
            listed("asset", "2025-02-01", seller=THIRD),
            listed("asset", "2025-01-15", product="other"),
            signed("c", "2025-02-15"),
        ],
        until="2025-03-02",
        fires=[_found("timed", action=action) | _TAKES_EFFECT for action in ("list", "trade")],
        rules=pack(entry("timed", valid_from="2025-03-01")),
    ),
    Case(
        name="one id on two contracts of one instant over what circulates when an entry takes effect",
        events=[
            _OWNER,
            asset("asset", tags=["timed"]),
            signed("c1", "2025-02-15", id="1"),
            signed("c2", "2025-02-15", id="1"),
        ],
        until="2025-03-02",
        fires=[_found("timed", action="trade") | _TAKES_EFFECT],
        rules=pack(entry("timed", valid_from="2025-03-01")),
    ),
    Case(
        name="what was delisted and what has ended when an entry takes effect",
        events=[
            _OWNER,
            asset("asset", tags=["timed"]),
            listed("asset", "2025-02-01"),
            event("product.delisted", "asset", "2025-03-01", product="product-asset", reason="sold out"),
            signed("c", "2025-02-01", terms=terms(valid_to="2025-03-01")),
        ],
        until="2025-03-02",
        rules=pack(entry("timed", valid_from="2025-03-01")),
    ),
    Case(
        name="what derives from what an entry forbids is screened, and what satisfies it stays",
        events=[
            _OWNER,
            asset("raw", tags=["timed"]),
            asset("asset"),
            derived("asset", "2025-02-01", "raw"),
            granted(SELLER, "2025-02-01", "consent", assets=["asset"]),
            listed("asset", "2025-02-01", seller=SELLER),
            listed("asset", "2025-02-02", seller=THIRD, product="other"),
        ],
        until="2025-03-02",
        fires=[
            {"severity": "orange", "party": THIRD, "evidence": {"entry": "timed", "path": ["raw", "asset"]}},
        ],
        rules=pack(entry("timed", disposition="restrict", unless=["consent"], valid_from="2025-03-01")),
    ),
    *(
        Case(
            name=f"an entry in force, {name}",
            events=[_OWNER, asset("asset", tags=["timed"]), listed("asset", time)],
            fires=fires,
            rules=pack(entry("timed", valid_from="2025-02-01", valid_to="2025-03-01")),
        )
        for name, time, fires in (
            ("at its start", "2025-02-01", [_found("timed")]),
            ("just before its end", "2025-02-28T23:59:59.999999", [_found("timed")]),
            ("at its end", "2025-03-01", []),
        )
    ),
)
