"""A contract on personal or important data is used in another country.

Why it matters: whoever reads data from abroad exports it, whether it was delivered there or not; such an export has to
be declared, and may need an assessment (Personal Information Protection Law, article 38; Data Security Law, article 31;
Measures for the Security Assessment of Outbound Data Transfers).

False positives: the country of a seat or of an address in place of that of the use; access under an exemption. An
asset that was graded wrongly clears the finding once it is graded anew as of that time.

What to do: ask the buyer who uses the data there, and the seller whether it knew; have the access closed, or the export
declared and assessed.

Once a contract and country, at the end of the first day (+08:00) with such uses at which the asset is personal,
important or core. Uses that were cancelled are none.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from circulation.daily import end_of
from circulation.events.names import CONTRACT_SIGNED
from circulation.examples import BUYER, THIRD, Case, Json, asset, event, pack, retracted, signed, used
from circulation.exports import RANKS
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Rule, Sum
from circulation.words import LEVEL, PERSONAL, many, zh


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The contract: what its terms and its asset are is asked at the end of each day. Whatever its terms are later, and
    whatever is used under them, has it judged too.
    """
    yield act.subject


def judge(scope: str, _: Sequence[Act], facts: Facts) -> Iterable[Said]:
    """Looks for the first day of each country at whose end the asset may not leave unseen."""
    countries: set[str] = set()
    for day, country, uses in facts.used_abroad(scope):
        end = end_of(day)
        contract = facts.contract(scope).statement(end)
        if country in countries or contract is None or country == facts.pack(end).home:
            continue
        of = facts.subject(contract.asset, end)
        if of.personal == "none" and RANKS[of.level] < RANKS["important"]:
            continue
        countries.add(country)
        yield Said(
            severity=RULE.severity,
            about=About("contract", scope),
            party=contract.buyer,
            occurred=end,
            apart=(country,),
            due=end,
            summary=(
                f"{many(uses, 'use')} of {contract.asset} in {country} on one day, which is of"
                f" the level {of.level} and {'not personal' if of.personal == 'none' else of.personal}."
            ),
            summary_zh=(
                f"{contract.asset}（{zh(LEVEL, of.level)}，{zh(PERSONAL, of.personal)}）一天内在 {country} 使用"
                f" {uses:,} 次。"
            ),
            evidence={
                "country": country,
                "uses": uses,
                "asset": contract.asset,
                "level": of.level,
                "personal": of.personal,
            },
            asset=contract.asset,
        )


RULE = Rule(
    id="use-abroad",
    title="Personal or important data used abroad",
    title_zh="在境外使用",
    about="contract",
    severity="orange",
    articles=("个人信息保护法 38", "数据安全法 31"),
    sum=Sum(
        due=True,
        acts=frozenset({CONTRACT_SIGNED}),
        scopes=scopes,
        judge=judge,
        triggers=frozenset(),
        needs=frozenset({"contract", "asset", "abroad"}),
    ),
)


_RULES = pack()
_SIGNED = signed("c", "2025-01-01")
_PERSONAL = asset("asset", personal="personal", persons=500)
_DAY, _END = "2025-03-01T10:00", "2025-03-02T00:00:00+08:00"
_AFTER = "2025-03-02T00:00:00.000001+08:00"


def _used(time: str = _DAY, country: str | None = "DE", uses: int = 1, **data: Any) -> Json:
    return used("c", time, uses, country=country, **data)


def _abroad(country: str = "DE", occurred: str = _END, **evidence: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "occurred": occurred,
        "evidence": {"country": country} | evidence,
    }


def _cancelled(usage: str, uses: int, time: str = "2025-03-10") -> Json:
    return event("usage.cancelled", "c", time, usage=usage, uses=uses)


CASES = (
    Case(name="at the end of the day", rules=_RULES, events=[_SIGNED, _PERSONAL, _used()], until=_END),
    Case(
        name="past the end of the day",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _used()],
        until=_AFTER,
        fires=[_abroad(uses=1)],
    ),
    *(
        Case(
            name=f"an asset {label}",
            rules=_RULES,
            events=[_SIGNED, asset("asset", **facts), _used()],
            until=_AFTER,
            fires=[_abroad(**facts)] if stands else [],
        )
        for label, facts, stands in (
            ("of nobody's data", {}, False),
            ("of personal data", {"personal": "personal"}, True),
            ("of sensitive data", {"personal": "sensitive"}, True),
            ("of minors", {"personal": "minor"}, True),
            ("that is not graded", {"level": "ungraded"}, False),
            ("that is important", {"level": "important"}, True),
            ("that is core", {"level": "core"}, True),
        )
    ),
    Case(name="an asset that is not registered", rules=_RULES, events=[_SIGNED, _used()], until=_AFTER),
    Case(name="a contract that is not signed", rules=_RULES, events=[_PERSONAL, _used()], until=_AFTER),
    Case(
        name="a contract that is signed after its uses",
        rules=_RULES,
        events=[_PERSONAL, _used(), _SIGNED],
        until=_AFTER,
        fires=[_abroad()],
    ),
    *(
        Case(
            name=f"used in {where}",
            rules=_RULES,
            events=[_SIGNED, _PERSONAL, _used(country=country)],
            until=_AFTER,
        )
        for where, country in (("the home country", "CN"), ("no country that is stated", None))
    ),
    Case(
        name="another home of the pack",
        rules=pack(home="DE"),
        events=[_SIGNED, _PERSONAL, _used(), _used(country="CN")],
        until=_AFTER,
        fires=[_abroad("CN")],
    ),
    Case(
        name="once a contract and country, at its first day",
        rules=_RULES,
        events=[
            _SIGNED,
            _PERSONAL,
            _used("2025-03-03"),
            _used("2025-03-01T23:59:59.999999", uses=2),
            _used("2025-03-02", "FR"),
        ],
        until="2025-06-01",
        fires=[_abroad(uses=2), _abroad("FR", "2025-03-03T00:00:00+08:00")],
    ),
    Case(name="uses of 0", rules=_RULES, events=[_SIGNED, _PERSONAL, _used(uses=0)], until=_AFTER),
    *(
        Case(
            name=f"{count} of 2 uses are cancelled",
            rules=_RULES,
            events=[_SIGNED, _PERSONAL, _used(uses=2, id="u"), _cancelled("u", count)],
            until="2025-06-01",
            fires=fires,
        )
        for count, fires in ((1, [_abroad()]), (2, []))
    ),
    Case(
        name="uses of the first day are cancelled, and a later day has others",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _used(id="u"), _used("2025-03-05"), _cancelled("u", 1)],
        until="2025-06-01",
        fires=[_abroad(occurred="2025-03-06T00:00:00+08:00")],
    ),
    Case(
        name="uses that wait for their contract are cancelled",
        rules=_RULES,
        events=[_PERSONAL, _used(id="u"), _cancelled("u", 1), _SIGNED],
        until="2025-06-01",
    ),
    *(
        Case(
            name=f"graded {name} the end of the day, and used again",
            rules=_RULES,
            events=[
                _SIGNED,
                asset("asset"),
                event("asset.graded", "asset", time, level="important", personal="none", reason="review"),
                _used(),
                _used("2025-03-05"),
            ],
            until="2025-06-01",
            fires=[_abroad(occurred=occurred)],
        )
        for name, time, occurred in (
            ("at", "2025-03-02", _END),
            ("just after", "2025-03-02T00:00:00.000001", "2025-03-06T00:00:00+08:00"),
        )
    ),
    Case(
        name="a grading that arrives late",
        rules=_RULES,
        events=[
            _SIGNED,
            asset("asset"),
            _used(),
            asset("other", "2025-04-01"),
            event("asset.graded", "asset", "2025-02-01", level="core", personal="none", reason="review"),
        ],
        fires=[_abroad(level="core")],
    ),
    Case(
        name="the buyer of the day",
        rules=_RULES,
        events=[_SIGNED, signed("c", "2025-02-01", amended=True, buyer=THIRD), _PERSONAL, _used()],
        until=_AFTER,
        fires=[{"party": THIRD}],
    ),
    Case(
        name="a contract that was taken back",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _used(), retracted(_SIGNED, "2025-03-02")],
        until="2025-06-01",
    ),
)
