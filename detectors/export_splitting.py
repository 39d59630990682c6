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

from collections.abc import Iterable

from circulation.calendar import year_of
from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, exported, pack, party, retracted
from circulation.exports import ACTS, NEEDS, counted, exporter
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import join_key, split_key
from circulation.ledger import Ledger
from circulation.rules import Parameter, Parameters, Rule, Sum, over
from circulation.words import many

# Members that one finding names; `members_count` tells of how many.
MEMBERS_MAX = 100

_MEMBER = "member"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The group's calendar year."""
    party = exporter(act, facts)
    if party is not None:
        yield join_key(facts.topmost(party, act.time), str(year_of(act.time)))


def reached(persons: int, sensitive: int, parameters: Parameters) -> int:
    """The band that sums reach: 0 none, 1 a standard contract, 2 an assessment."""
    if persons >= parameters["assessment_persons"] or sensitive >= parameters["assessment_sensitive_persons"]:
        return 2
    return int(persons >= parameters["contract_persons"] or sensitive >= parameters["contract_sensitive_persons"])


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Adds an export to the sums of the group and of the member."""
    export = counted(act, facts)
    if export is None:
        return
    added = (export.persons, export.sensitive_persons)
    member_sums = _plus(ledger.get((_MEMBER, export.party)) or (0, 0), added)
    if (_MEMBER, export.party) not in ledger:
        ledger.add(_MEMBER, export.party)
    ledger[_MEMBER, export.party] = member_sums
    total = ledger["total"] = _plus(ledger.get("total", (0, 0)), added)
    # What a member has only grows, so of each measure the highest is all that has to be known of them.
    high = ledger.get("high", (0, 0))
    high = ledger["high"] = (max(high[0], member_sums[0]), max(high[1], member_sums[1]))
    parameters = facts.parameters(act.time)
    band, alone, before = reached(*total, parameters), reached(*high, parameters), ledger.get("band", 0)
    if band > max(before, alone):
        members = ledger.list(_MEMBER)
        named = {member: list(ledger.get((_MEMBER, member))) for member in members[:MEMBERS_MAX]}
        yield _said(split_key(scope)[0], act, export.asset, band, total, named, len(members))
    if band > before:
        ledger["band"] = band


def _plus(sums: tuple[int, int], added: tuple[int, int]) -> tuple[int, int]:
    return sums[0] + added[0], sums[1] + added[1]


def _said(
    top: str,
    act: Act,
    asset: str | None,
    band: int,
    total: tuple[int, int],
    members: dict[str, list[int]],
    members_count: int,
) -> Said:
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
            f"With {many(total[0], 'person')} in {year}, and sensitive data of {total[1]:,},"
            f" {many(members_count, 'member')} of the group together reach what asks for"
            f" {'an assessment' if band == 2 else 'a standard contract'}, and none of them alone."
        ),
        summary_zh=(
            f"{year} 年集团内 {members_count:,} 个成员合计出境 {total[0]:,} 人的个人信息、"
            f"{total[1]:,} 人的敏感个人信息，"
            f"达到须{'申报安全评估' if band == 2 else '订立标准合同'}的数量，而各成员均未单独达到。"
        ),
        evidence={
            "year": year,
            "band": name,
            "persons": total[0],
            "sensitive_persons": total[1],
            "members": members,
            "members_count": members_count,
        },
        asset=asset,
    )


RULE = Rule(
    id="export-splitting",
    title="Exports divided among the members of a group",
    title_zh="集团成员拆分出境",
    about="party",
    severity="orange",
    articles=("促进和规范数据跨境流动规定 7", "促进和规范数据跨境流动规定 8"),
    parameters={
        "contract_persons": Parameter(
            100_000,
            "persons of a year from which on a contract is due; fewer finds more",
            below="assessment_persons",
            alike="export-contract-missing.persons",
        ),
        "contract_sensitive_persons": Parameter(
            1,
            "the same for persons of whom sensitive data is sent",
            below="assessment_sensitive_persons",
            alike="export-contract-missing.sensitive_persons",
        ),
        "assessment_persons": Parameter(
            1_000_000, "persons of a year from which on an assessment is due", alike="export-assessment-missing.persons"
        ),
        "assessment_sensitive_persons": Parameter(
            10_000,
            "the same for persons of whom sensitive data is sent",
            alike="export-assessment-missing.sensitive_persons",
        ),
    },
    sum=Sum(
        acts=ACTS,
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=NEEDS | {"controllers"},
    ),
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
            name=f"two sisters with sensitive data of {half} and {other_half}",
            rules=_RULES,
            events=[*_GROUP, _sent(SELLER, 0, sensitive=half), _sent(BUYER, 0, "2025-03-02", sensitive=other_half)],
            fires=fires,
        )
        for half, other_half, fires in (
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
