"""Public data is sold outside what the seller is authorised to operate.

Why it matters: an operator of public data holds an authorisation for certain data, certain purposes and a certain time,
and nothing beyond it (Trial Norms for the Implementation of Authorised Operation of Public Data Resources, 2025).

False positives: an authorisation that exists and was not reported, or a contract whose terms name no purposes under an
authorisation for some; the finding is cleared when what was issued in time arrives.

What to do: ask the seller for the agreement of operation; have the contract suspended or its purposes narrowed.
"""

from circulation.examples import SELLER, Case, Json, asset, event, granted, pack, signed, terms
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.rules import Check, Rule
from circulation.sales import sells

AUTHORISATION = "public-operation"


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for an authorisation of the seller that covers asset and purposes of the contract at its time."""
    seller, asset_ = act.data.seller, act.data.asset
    registered = facts.asset(asset_).registration(act.time)
    if registered is None or not registered.public or not sells(act, facts, wider=True):
        return []
    agreed = act.data.terms
    purposes = agreed.purposes or ()
    if facts.party(seller).covered(
        act.time,
        {AUTHORISATION},
        asset=asset_,
        purposes=purposes,
        countries=agreed.countries or (),
        recipients=(act.data.buyer,),
    ):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"{seller} sold {asset_}, which is public data, and no authorisation covers the sale.",
            summary_zh=f"{seller} 出售公共数据 {asset_}，没有公共数据授权运营覆盖该笔交易。",
            evidence={"asset": asset_, "purposes": list(purposes)},
            asset=asset_,
        )
    ]


RULE = Rule(
    id="authorisation-scope",
    title="Public data sold beyond the authorisation",
    title_zh="公共数据超出授权范围出售",
    about="contract",
    severity="orange",
    articles=("公共数据资源授权运营实施规范(试行)", "上海市数据条例 45"),
    check=Check(acts=frozenset(TERMS_TYPES), check=check, needs=frozenset({"asset", "contract", "party"})),
)

_FINDING: Json = {"severity": "orange", "about": {"kind": "contract", "id": "c"}, "party": SELLER}
_RULES, _DAY = pack(), "2025-02-01"
_PUBLIC = asset("a", public=True)
_SOLD = signed("c", _DAY, asset="a", terms=terms(purposes=["credit/scoring"]))

CASES = (
    Case(name="no authorisation", rules=_RULES, events=[_PUBLIC, _SOLD], fires=[_FINDING]),
    Case(name="data that is not public", rules=_RULES, events=[asset("a"), _SOLD]),
    Case(name="an asset of which nothing is known", rules=_RULES, events=[_SOLD]),
    *(
        Case(
            name=f"an authorisation {name}",
            rules=_RULES,
            events=[_PUBLIC, _SOLD, granted(SELLER, time, kind, **members)],
            fires=fires,
        )
        for name, time, kind, members, fires in (
            ("for all", "2025-01-02", AUTHORISATION, {}, []),
            ("issued at the signing", _DAY, AUTHORISATION, {}, []),
            ("issued just after", "2025-02-01T00:00:00.000001", AUTHORISATION, {}, [_FINDING]),
            ("for a wider purpose", "2025-01-02", AUTHORISATION, {"purposes": ["credit"]}, []),
            ("for another purpose", "2025-01-02", AUTHORISATION, {"purposes": ["research"]}, [_FINDING]),
            ("for this asset", "2025-01-02", AUTHORISATION, {"assets": ["a"]}, []),
            ("for another asset", "2025-01-02", AUTHORISATION, {"assets": ["b"]}, [_FINDING]),
            ("that ends at the signing", "2025-01-02", AUTHORISATION, {"valid_to": _DAY}, [_FINDING]),
            ("of another kind", "2025-01-02", "operating-right", {}, [_FINDING]),
        )
    ),
    Case(
        name="purposes that are not named are not covered by an authorisation for some",
        rules=_RULES,
        events=[
            _PUBLIC,
            granted(SELLER, "2025-01-02", AUTHORISATION, purposes=["credit"]),
            signed("c", _DAY, asset="a"),
        ],
        fires=[_FINDING],
    ),
    Case(
        name="an authorisation that was revoked by then",
        rules=_RULES,
        events=[
            _PUBLIC,
            granted(SELLER, "2025-01-02", AUTHORISATION, grant="g"),
            event("grant.revoked", SELLER, _DAY, grant="g", reason="misuse"),
            _SOLD,
        ],
        fires=[_FINDING],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                asset("b"),
                _PUBLIC,
                granted(SELLER, "2025-01-02", AUTHORISATION, purposes=["credit"], valid_to=until),
                signed("c", "2025-01-20", asset=before, terms=terms(purposes=["credit"])),
                signed("c", _DAY, amended=True, **{"asset": "a", "terms": terms(purposes=["credit"])} | after),
            ],
            fires=fires,
        )
        for name, before, after, until, fires in (
            ("to public data", "b", {}, _DAY, [_FINDING | {"occurred": "2025-02-01T00:00:00+08:00"}]),
            ("to public data that an authorisation covers", "b", {}, "2025-03-01", []),
            ("of the price, when the authorisation has ended", "a", {"amount": "7"}, _DAY, []),
            ("to another buyer, when it has ended", "a", {"buyer": SELLER}, _DAY, [_FINDING]),
            (
                "to a part of the purposes, when it has ended",
                "a",
                {"terms": terms(purposes=["credit/scoring"])},
                _DAY,
                [],
            ),
            ("to more purposes", "a", {"terms": terms(purposes=["credit", "research"])}, "2025-03-01", [_FINDING]),
            ("to any purposes", "a", {"terms": terms()}, "2025-03-01", [_FINDING]),
        )
    ),
    *(
        Case(
            name=f"an amendment from CN to {countries}, when the authorisation has ended",
            rules=_RULES,
            events=[
                _PUBLIC,
                granted(SELLER, "2025-01-02", AUTHORISATION, valid_to=_DAY),
                signed("c", "2025-01-20", asset="a", terms=terms(countries=["CN"])),
                signed("c", _DAY, amended=True, asset="a", terms=terms(countries=countries)),
            ],
            fires=fires,
        )
        for countries, fires in ((["CN"], []), ([], []), (["CN", "SG"], [_FINDING]), (None, [_FINDING]))
    ),
    Case(
        name="an amendment to some of all purposes and countries, when the authorisation has ended",
        rules=_RULES,
        events=[
            _PUBLIC,
            granted(SELLER, "2025-01-02", AUTHORISATION, valid_to=_DAY),
            signed("c", "2025-01-20", asset="a"),
            signed("c", _DAY, amended=True, asset="a", terms=terms(purposes=["credit"], countries=["CN"])),
        ],
    ),
    Case(
        name="an amendment of what nobody signed",
        rules=_RULES,
        events=[_PUBLIC, signed("c", _DAY, amended=True, asset="a")],
        fires=[_FINDING],
    ),
)
