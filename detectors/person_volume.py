"""One owner has data about so many persons that it counts as important.

Why it matters: from such volumes on a processor has the duties of one who holds important data, and exports are
assessed (Regulation on Network Data Security, article 28; Beijing's reference rules for grading in its trade zone).

False positives: one person in two assets counts twice, for only numbers are reported. Assets that were given up and not
registered anew with fewer persons.

What to do: have the owner name a person in charge, assess the risk every year and have the assets graded.

Personal data, sensitive data (children's with it), and all data of an operator of critical infrastructure have a
number each, each said once: at the statement at which it is first passed.
"""

from collections.abc import Iterable, Sequence

from circulation.cases import OWNER, SELLER, Case, Json, asset, event, pack, party, retracted
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Parameter, Rule, Sum

REGISTERED, GRADED = "circulation.asset.registered", "circulation.asset.graded"
OWNER_REGISTERED = "circulation.party.registered"
MEASURES = {"personal": "personal", "sensitive": "sensitive", "minor": "sensitive"}


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """Whoever was ever stated to own the asset: what he gives away must leave his sum."""
    if act.type == OWNER_REGISTERED:
        yield act.subject
    else:
        yield from facts.asset(act.subject).owners()


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over the statements about the assets of an owner, each replacing the one before it."""
    assets: dict[str, tuple[str, int]] = {}
    sums = {"personal": 0, "sensitive": 0}
    said: set[str] = set()
    found: list[Said] = []
    for act in acts:
        if act.type != OWNER_REGISTERED:
            measure, persons = assets.pop(act.subject, ("personal", 0))
            sums[measure] -= persons
            subject = facts.subject(act.subject, act.time)
            if subject.owner == scope and subject.personal in MEASURES:
                one = (MEASURES[subject.personal], subject.persons or 0)
                assets[act.subject] = one
                sums[one[0]] += one[1]
        registered = facts.party(scope).at(act.time)
        parameters = facts.parameters(act.time)
        totals = dict(sums)
        if registered is not None and registered.ciio:
            totals["ciio"] = sum(sums.values())
        for measure, total in totals.items():
            limit = parameters[f"{measure}_persons"]
            if total <= limit or measure in said:
                continue
            said.add(measure)
            found.append(
                Said(
                    severity=RULE.severity,
                    about=About("party", scope),
                    party=scope,
                    occurred=act.time,
                    cause=act.cause,
                    apart=(measure,),
                    summary=f"The registered assets of {scope} hold data of {total:,} persons, more than {limit:,}.",
                    evidence={"measure": measure, "persons": total, "limit": limit, "assets": len(assets)},
                    asset=None if act.type == OWNER_REGISTERED else act.subject,
                )
            )
    return found


RULE = Rule(
    id="person-volume",
    title="Data of so many persons that it is important",
    about="party",
    severity="orange",
    articles=("网络数据安全管理条例 28", "北京自由贸易试验区数据分类分级参考规则"),
    parameters={
        "personal_persons": Parameter(
            10_000_000, "persons in personal assets above which it is said; fewer finds more"
        ),
        "sensitive_persons": Parameter(1_000_000, "the same for sensitive assets and those about children"),
        "ciio_persons": Parameter(100_000, "the same for all of them of an operator of critical infrastructure"),
    },
    sum=Sum(
        acts=frozenset({REGISTERED, GRADED, OWNER_REGISTERED}),
        scopes=scopes,
        judge=judge,
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
