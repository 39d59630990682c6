"""One owner has data about so many persons that it counts as important.

Why it matters: from such volumes on a processor has the duties of one who holds important data, and exports are
assessed (Regulation on Network Data Security, article 28; Beijing's reference rules for grading in its trade zone).

False positives: one person in two assets counts twice, for only numbers are reported. Assets that were given up and not
registered anew with fewer persons.

What to do: have the owner name a person in charge, assess the risk every year and have the assets graded.

Personal data, sensitive data (children's with it), and all data of an operator of critical infrastructure have a
number each, each said once: at the statement at which it is first passed.
"""

from collections.abc import Iterable

from circulation.events.names import ASSET_GRADED, ASSET_REGISTERED, PARTY_REGISTERED
from circulation.examples import OWNER, SELLER, Case, Json, asset, event, pack, party, retracted
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.ledger import Ledger
from circulation.rules import Parameter, Rule, Sum, over
from circulation.words import many

_ASSET, _ASSETS, _SAID = "asset", "assets", "said"
MEASURES = {"personal": "personal", "sensitive": "sensitive", "minor": "sensitive"}


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """Who owns the asset, and who owned it just before: what he gives away must leave his sum."""
    if act.type == PARTY_REGISTERED:
        yield act.subject
        return
    known = facts.asset(act.subject)
    stated = [known.registration(act.time)]
    if act.type == ASSET_REGISTERED:
        stated += [known.before(act), act.data]
    yield from sorted(
        {statement.owner for statement in stated if statement is not None and statement.owner is not None}
    )


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Puts what is stated of an asset of the owner in the place of what was stated of it before."""
    if act.type != PARTY_REGISTERED:
        before = ledger.pop((_ASSET, act.subject))
        if before is not None:
            _add(ledger, before[0], -before[1], -1)
        subject = facts.subject(act.subject, act.time)
        if subject.owner == scope and subject.personal in MEASURES:
            measure, persons = MEASURES[subject.personal], subject.persons or 0
            ledger[_ASSET, act.subject] = (measure, persons)
            _add(ledger, measure, persons, 1)
    registered = facts.party(scope).at(act.time)
    parameters = facts.parameters(act.time)
    totals = {measure: ledger.get(measure, 0) for measure in ("personal", "sensitive")}
    if registered is not None and registered.ciio:
        totals["ciio"] = sum(totals.values())
    for measure, total in totals.items():
        limit = parameters[f"{measure}_persons"]
        if total <= limit or (_SAID, measure) in ledger:
            continue
        ledger[_SAID, measure] = True
        yield Said(
            severity=RULE.severity,
            about=About("party", scope),
            party=scope,
            occurred=act.time,
            cause=act.cause,
            apart=(measure,),
            summary=f"The registered assets of {scope} hold data of {many(total, 'person')}, more than {limit:,}.",
            summary_zh=f"{scope} 登记的数据资产共含 {total:,} 人的数据，超过 {limit:,} 人。",
            evidence={"measure": measure, "persons": total, "limit": limit, "assets": ledger.get(_ASSETS, 0)},
            asset=None if act.type == PARTY_REGISTERED else act.subject,
        )


def _add(ledger: Ledger, measure: str, persons: int, assets: int) -> None:
    ledger[measure] = ledger.get(measure, 0) + persons
    ledger[_ASSETS] = ledger.get(_ASSETS, 0) + assets


RULE = Rule(
    id="person-volume",
    title="Data of so many persons that it is important",
    title_zh="个人信息数量达到重要数据规模",
    about="party",
    severity="orange",
    articles=("网络数据安全管理条例 28", "北京自由贸易试验区数据分类分级参考规则"),
    parameters={
        "personal_persons": Parameter(
            10_000_000, "persons in personal assets above which it is said; fewer finds more"
        ),
        "sensitive_persons": Parameter(
            1_000_000, "the same for sensitive assets and those about children", at_most="personal_persons"
        ),
        "ciio_persons": Parameter(
            100_000, "the same for all of them of an operator of critical infrastructure", at_most="sensitive_persons"
        ),
    },
    sum=Sum(
        acts=frozenset({ASSET_REGISTERED, ASSET_GRADED, PARTY_REGISTERED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"asset", "party"}),
    ),
)


def _passed(measure: str, persons: int, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": OWNER},
        "party": OWNER,
        "evidence": {"measure": measure, "persons": persons},
        **more,
    }


def _holds(asset_: str, persons: int, personal: str = "personal", time: str = "2025-01-02", **data: object) -> Json:
    return asset(asset_, time, personal=personal, persons=persons, **data)


_RULES = pack()

CASES = (
    *(
        Case(
            name=f"{total:,} persons in {personal} assets",
            rules=_RULES,
            events=[_holds("a", limit - 1, personal), _holds("b", total - limit + 1, personal, "2025-01-03")],
            fires=[_passed(measure, total)] if total > limit else [],
        )
        for personal, measure, limit in (
            ("personal", "personal", 10_000_000),
            ("sensitive", "sensitive", 1_000_000),
            ("minor", "sensitive", 1_000_000),
        )
        for total in (limit - 1, limit, limit + 1)
    ),
    *(
        Case(
            name=f"{total:,} persons of a critical infrastructure",
            rules=_RULES,
            events=[party(OWNER, ciio=True), _holds("a", 60_000), _holds("b", total - 60_000, "minor", "2025-01-03")],
            fires=[_passed("ciio", total)] if total > 100_000 else [],
        )
        for total in (99_999, 100_000, 100_001)
    ),
    Case(
        name="an owner that becomes a critical infrastructure with what it has",
        rules=_RULES,
        events=[party(OWNER), _holds("a", 100_001), party(OWNER, "2025-02-01", ciio=True)],
        fires=[_passed("ciio", 100_001, occurred="2025-02-01T00:00:00+08:00")],
    ),
    Case(
        name="assets that several reporters registered",
        rules=_RULES,
        events=[_holds("a", 10_000_000), _holds("a", 10_000_001, time="2025-01-03", reporter="provider")],
        fires=[_passed("personal", 10_000_001)],
    ),
    Case(
        name="each once",
        rules=_RULES,
        events=[
            party(OWNER, ciio=True),
            _holds("a", 1_000_001, "sensitive", id="first"),
            _holds("b", 1_000_001, "sensitive", "2025-01-03"),
        ],
        fires=[
            _passed("ciio", 1_000_001, cause={"source": "//exchange.example", "id": "first"}),
            _passed("sensitive", 1_000_001, cause={"source": "//exchange.example", "id": "first"}),
        ],
    ),
    Case(
        name="a second registration replaces the first",
        rules=_RULES,
        events=[_holds("a", 10_000_000), _holds("a", 10_000_000, time="2025-01-03")],
    ),
    Case(
        name="an asset that another one owns by then",
        rules=_RULES,
        events=[
            _holds("a", 10_000_000),
            _holds("a", 1, time="2025-01-03", owner=SELLER),
            _holds("b", 1, time="2025-01-04"),
        ],
    ),
    Case(
        name="an asset that is graded sensitive",
        rules=_RULES,
        events=[
            _holds("a", 1_000_001),
            event("asset.graded", "a", "2025-01-03", level="general", personal="sensitive", reason="review"),
        ],
        fires=[_passed("sensitive", 1_000_001, occurred="2025-01-03T00:00:00+08:00")],
    ),
    Case(name="data of nobody", rules=_RULES, events=[_holds("a", 10_000_001, "none")]),
    Case(
        name="a registration that was taken back",
        rules=_RULES,
        events=[_holds("a", 10_000_000), retracted(_holds("a", 10_000_000), "2025-01-03"), _holds("b", 1)],
    ),
    Case(
        name="another number of the pack",
        rules=pack(detectors={"person-volume": {"personal_persons": 5}}),
        events=[_holds("a", 6)],
        fires=[_passed("personal", 6)],
    ),
)
