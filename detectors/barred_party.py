"""A party with a serious record signs or lists, or one of its group does.

Why it matters: who was found seriously dishonest is kept from the market while the record is public; a new company of
the same controller is the usual way around that (Beijing's opinion of 2023-06-20, article 20).

False positives: a record that is repaired or withdrawn, and was not reported so; the finding is cleared when an
objection is upheld. Groups whose members do not know of each other.

What to do: stop the contract, and ask the exchange why it admitted the party.

A record counts while it is published: not before it was determined, nor while it is objected, nor once it is repaired,
withdrawn or expired.
"""

from circulation.events.names import PRODUCT_LISTED
from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, asset, event, listed, pack, party, retracted
from circulation.examples import signed as contract
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.rules import Check, Rule
from circulation.sales import sells

TIER = "serious"


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for published records of whoever signs or lists, and of those who have the same controller."""
    trade = act.type in TERMS_TYPES
    parties = {"seller": act.data.seller} | ({"buyer": act.data.buyer} if trade else {})
    settings = facts.packs.credit(act.time)
    barred = [
        {"role": role, "party": party_, "of": member, "record": record}
        for role, party_ in parties.items()
        for member in facts.recorded(party_, act.time)
        for record in facts.party(member).published(TIER, act.time, settings)
    ]
    if not barred or not sells(act, facts):
        return []
    first = barred[0]
    record, record_zh = f"its serious record {first['record']}", f"其严重失信记录 {first['record']} "
    if first["of"] != first["party"]:
        record = f"the serious record {first['record']} of {first['of']}, which has the same controller,"
        record_zh = f"与其受同一控制的 {first['of']} 的严重失信记录 {first['record']} "
    return [
        Said(
            severity=RULE.severity,
            about=About("contract" if trade else "asset", act.subject),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"{first['party']} {'signed' if trade else 'listed'}, and {record} is published.",
            summary_zh=f"{first['party']} {'签约' if trade else '挂牌'}时，{record_zh}仍在公示期内。",
            evidence={"barred": barred},
            asset=act.data.asset if trade else act.subject,
        )
    ]


RULE = Rule(
    id="barred-party",
    title="Traded in spite of a serious record",
    title_zh="严重失信主体仍在交易",
    about="contract",
    severity="red",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 20", "信用修复管理办法"),
    check=Check(acts=frozenset({*TERMS_TYPES, PRODUCT_LISTED}), check=check, needs=frozenset({"contract", "group"})),
)

_RULES, _DAY = pack(), "2025-02-01"
_SOLD = contract("c", _DAY, asset="a")


def _record(party_: str, time: str = "2025-01-10", tier: str = "serious", date: str = "2025-01-09") -> Json:
    return event(
        "credit.determined",
        party_,
        time,
        record="r",
        act="forged",
        tier=tier,
        document_date=date,
        decided_by="an office",
    )


def _objected(time: str) -> Json:
    return event("objection.filed", SELLER, time, objection="o", record="r", grounds="it was not us")


def _decided(time: str, outcome: str = "upheld") -> Json:
    return event("objection.decided", SELLER, time, objection="o", outcome=outcome, decided_by="an office")


def _barred(role: str = "seller", party_: str = SELLER, of: str = SELLER, **more: object) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "evidence": {"barred": [{"role": role, "party": party_, "of": of, "record": "r"}]},
        **more,
    }


CASES = (
    Case(name="nobody has a record", rules=_RULES, events=[party(SELLER), party(BUYER), _SOLD]),
    Case(name="the seller has one", rules=_RULES, events=[_record(SELLER), _SOLD], fires=[_barred()]),
    Case(
        name="the buyer has one",
        rules=_RULES,
        events=[_record(BUYER), _SOLD],
        fires=[_barred("buyer", BUYER, BUYER)],
    ),
    Case(
        name="a listing",
        rules=_RULES,
        events=[asset("a"), _record(SELLER), listed("a", _DAY)],
        fires=[_barred(about={"kind": "asset", "id": "a"})],
    ),
    *(
        Case(name=f"a {tier} record", rules=_RULES, events=[_record(SELLER, tier=tier), _SOLD])
        for tier in ("minor", "general")
    ),
    *(
        Case(name=f"a record determined {name}", rules=_RULES, events=[_SOLD, _record(SELLER, time)], fires=fires)
        for name, time, fires in (
            ("just before", "2025-01-31T23:59:59.999999", [_barred()]),
            ("at the signing", _DAY, [_barred()]),
            ("just after", "2025-02-01T00:00:00.000001", []),
        )
    ),
    *(
        Case(
            name=f"a record of {date}, public for three years",
            rules=_RULES,
            events=[_record(SELLER, date=date), _SOLD],
            fires=fires,
        )
        for date, fires in (("2022-01-31", []), ("2022-02-01", []), ("2022-02-02", [_barred()]))
    ),
    *(
        Case(
            name=f"a sister's record, {name}",
            rules=_RULES,
            events=[_SOLD, party(SELLER, controller=OWNER), *more, _record(THIRD)],
            fires=fires,
        )
        for name, more, fires in (
            ("of the same controller", [party(THIRD, controller=OWNER)], [_barred(of=THIRD)]),
            (
                "of a controller two steps up",
                [party(THIRD, controller="x:middle"), party("x:middle", controller=OWNER)],
                [_barred(of=THIRD)],
            ),
            ("of another controller", [party(THIRD, controller="x:other")], []),
            ("who left the group before", [party(THIRD, controller=OWNER), party(THIRD, "2025-01-20")], []),
        )
    ),
    Case(
        name="the record of the controller itself",
        rules=_RULES,
        events=[party(SELLER, controller=OWNER), _SOLD, _record(OWNER)],
        fires=[_barred(of=OWNER)],
    ),
    *(
        Case(
            name=f"an objection {name}",
            rules=_RULES,
            events=[_record(SELLER), _SOLD, *events],
            fires=fires,
        )
        for name, events, fires in (
            ("that is open", [_objected("2025-01-20")], []),
            ("that was rejected", [_objected("2025-01-20"), _decided("2025-01-25", "rejected")], [_barred()]),
            ("that was filed later", [_objected("2025-03-01")], [_barred()]),
            ("that was upheld later", [_objected("2025-03-01"), _decided("2025-03-05")], []),
        )
    ),
    Case(
        name="a record that was taken back",
        rules=_RULES,
        events=[_record(SELLER), _SOLD, retracted(_record(SELLER), "2025-03-01")],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _record(BUYER),
                contract("c", "2025-01-05", asset="a", **Json(before)),
                contract("c", _DAY, amended=True, asset="a", amount="7"),
            ],
            fires=fires,
        )
        for name, before, fires in (
            ("by which he buys", {"buyer": THIRD}, [_barred("buyer", BUYER, BUYER)]),
            ("of what he bought before", {}, []),
            ("by which another sells to him", {"seller": OWNER}, [_barred("buyer", BUYER, BUYER)]),
        )
    ),
)
