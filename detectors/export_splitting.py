"""A group sends abroad together what none of its members sends alone.

Why it matters: exports that are divided among sisters stay below the number from which on an assessment or a contract
is due; the number is meant for who decides (Provisions on Promoting and Regulating Cross-border Data Flows, articles 7
and 8).

False positives: members that work apart and have different persons; only numbers are reported, which do not tell
persons apart.

What to do: ask the group who decides on the exports, and have it assessed or filed as one.

The group is the topmost controller and all below it, by the facts at the time of each export. Once a group, band and
year, at the export that first reaches the band for the group while no member has; a member that reaches it later is its
own rule's.
"""

from collections.abc import Iterable, Sequence

from circulation.calendar import year_of
from circulation.cases import BUYER, OWNER, SELLER, THIRD, Case, Json, exported, pack, party, retracted
from circulation.exports import EXPORTED, exempt
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Parameter, Parameters, Rule, Sum

SEPARATOR = "\x1f"

# Members that one finding names; `members_count` tells of how many.
MEMBERS_MAX = 100


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The group's calendar year."""
    yield SEPARATOR.join((facts.topmost(act.subject, act.time), str(year_of(act.time))))


def reached(persons: int, sensitive: int, parameters: Parameters) -> int:
    """The band that sums reach: 0 none, 1 a standard contract, 2 an assessment."""
    if persons >= parameters["assessment_persons"] or sensitive >= parameters["assessment_sensitive_persons"]:
        return 2
    return int(persons >= parameters["contract_persons"] or sensitive >= parameters["contract_sensitive_persons"])


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> list[Said]:
    """Goes over the exports of a group's year, summing the group and each member."""
    top = scope.split(SEPARATOR)[0]
    members: dict[str, tuple[int, int]] = {}
    before = 0
    found: list[Said] = []
    for act in acts:
        if exempt(act, facts):
            continue
        persons, sensitive = members.get(act.subject, (0, 0))
        members[act.subject] = (persons + act.data.persons, sensitive + act.data.sensitive_persons)
        total = [sum(one) for one in zip(*members.values(), strict=True)]
        parameters = facts.parameters(act.time)
        band = reached(total[0], total[1], parameters)
        alone = max(reached(*one, parameters) for one in members.values())
        if band > max(before, alone):
            found.append(_said(top, act, band, total, members))
        before = max(before, band)
    return found


def _said(top: str, act: Act, band: int, total: Sequence[int], members: dict[str, tuple[int, int]]) -> Said:
    year = year_of(act.time)
    name = ("contract", "assessment")[band - 1]
    return Said(
        severity=RULE.severity,
        about=About("party", top),
        party=top,
        occurred=act.time,
        cause=act.cause,
        apart=(str(year), name),
        summary=(
            f"With {total[0]:,} persons in {year}, and sensitive data of {total[1]:,}, {len(members):,} members of the"
            f" group together reach what asks for {'an assessment' if band == 2 else 'a standard contract'}, and none"
            " of them alone."
        ),
        evidence={
            "year": year,
            "band": name,
            "persons": total[0],
            "sensitive_persons": total[1],
            "members": {one: list(sums) for one, sums in sorted(members.items())[:MEMBERS_MAX]},
            "members_count": len(members),
        },
        asset=act.data.asset,
    )


RULE = Rule(
    id="export-splitting",
    title="Exports divided among the members of a group",
    about="party",
    severity="orange",
    articles=("促进和规范数据跨境流动规定 7", "促进和规范数据跨境流动规定 8"),
    parameters={
        "contract_persons": Parameter(100_000, "persons of a year from which on a contract is due; fewer finds more"),
        "contract_sensitive_persons": Parameter(1, "the same for persons of whom sensitive data is sent"),
        "assessment_persons": Parameter(1_000_000, "persons of a year from which on an assessment is due"),
        "assessment_sensitive_persons": Parameter(10_000, "the same for persons of whom sensitive data is sent"),
    },
    sum=Sum(acts=frozenset({EXPORTED}), scopes=scopes, judge=judge, needs=frozenset({"party", "controllers"})),
)


def _split(band: str, persons: int, sensitive: int = 0, year: int = 2025, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": OWNER},
        "party": OWNER,
        "evidence": {"year": year, "band": band, "persons": persons, "sensitive_persons": sensitive},
        **more,
    }


_RULES, _DAY = pack(), "2025-03-01"
_GROUP = [party(SELLER, controller=OWNER), party(BUYER, controller=OWNER)]


def _sent(party_: str, persons: int, time: str = _DAY, sensitive: int = 0, **data: object) -> Json:
    return exported(party_, time, persons=persons, sensitive_persons=sensitive, **data)


CASES = (
    *(
        Case(
            name=f"two sisters with {total:,} persons",
            rules=_RULES,
            events=[*_GROUP, _sent(SELLER, half), _sent(BUYER, total - half, "2025-03-02")],
            fires=fires,
        )
        for half, total, fires in (
            (50_000, 99_999, []),
            (50_000, 100_000, [_split("contract", 100_000)]),
            (50_000, 100_001, [_split("contract", 100_001)]),
            (500_000, 999_999, []),
            (500_000, 1_000_000, [_split("assessment", 1_000_000)]),
            (500_000, 1_000_001, [_split("assessment", 1_000_001)]),
        )
    ),
    Case(
        name="one sister alone reaches the band",
        rules=_RULES,
        events=[*_GROUP, _sent(SELLER, 100_000), _sent(BUYER, 1, "2025-03-02")],
    ),
    Case(
        name="strangers",
        rules=_RULES,
        events=[party(SELLER), party(BUYER), _sent(SELLER, 50_000), _sent(BUYER, 50_000)],
    ),
    Case(
        name="both bands, each once",
        rules=_RULES,
        events=[
            *_GROUP,
            party(THIRD, controller=SELLER),
            _sent(SELLER, 60_000, "2025-03-01"),
            _sent(BUYER, 60_000, "2025-03-02"),
            _sent(THIRD, 1, "2025-03-03"),
            _sent(SELLER, 400_000, "2025-03-04"),
            _sent(BUYER, 600_000, "2025-03-05"),
        ],
        fires=[_split("contract", 120_000), _split("assessment", 1_120_001)],
    ),
    *(
        Case(
            name=f"two sisters with sensitive data of {half} and {other}",
            rules=_RULES,
            events=[*_GROUP, _sent(SELLER, 0, sensitive=half), _sent(BUYER, 0, "2025-03-02", sensitive=other)],
            fires=fires,
        )
        for half, other, fires in (
            # One person is the band of a standard contract for each by itself.
            (1, 1, []),
            (5_000, 4_999, []),
            (5_000, 5_001, [_split("assessment", 0, 10_001)]),
        )
    ),
    Case(
        name="sensitive data of few persons is a band of each member",
        rules=_RULES,
        events=[*_GROUP, _sent(SELLER, 0, sensitive=5_000), _sent(BUYER, 0, "2025-03-02", sensitive=5_000)],
        fires=[_split("assessment", 0, 10_000)],
    ),
    Case(
        name="a controller two steps up that is stated late",
        rules=_RULES,
        events=[
            party(SELLER, controller=THIRD),
            _GROUP[1],
            _sent(SELLER, 50_000),
            _sent(BUYER, 50_000, "2025-03-02"),
            party(THIRD, "2025-06-01", controller=OWNER),
        ],
        fires=[_split("contract", 100_000)],
    ),
    Case(
        name="parties that control each other are one group",
        rules=_RULES,
        events=[
            party(SELLER, controller=BUYER),
            party(BUYER, controller=SELLER),
            _sent(SELLER, 50_000),
            _sent(BUYER, 50_000, "2025-03-02"),
        ],
        fires=[_split("contract", 100_000, about={"kind": "party", "id": BUYER}, party=BUYER)],
    ),
    Case(
        name="a year begins at midnight in Beijing, and late exports have their place in it",
        rules=_RULES,
        events=[
            *_GROUP,
            _sent(BUYER, 50_000, "2025-12-31T16:00:00Z"),
            _sent(SELLER, 50_000, "2025-12-31T15:59:59.999999Z"),
            _sent(SELLER, 50_000, "2026-06-01"),
        ],
        fires=[_split("contract", 100_000, year=2026)],
    ),
    Case(
        name="exempted and retracted exports do not count",
        rules=_RULES,
        events=[
            *_GROUP,
            _sent(SELLER, 50_000, exemption="contract"),
            _sent(SELLER, 50_000, "2025-03-02"),
            retracted(_sent(SELLER, 50_000, "2025-03-02"), "2025-03-03"),
            _sent(BUYER, 50_000, "2025-03-04"),
        ],
    ),
)
