"""A seller lists what he has no right to operate.

Why it matters: holding, processing and operating data are three rights, and only the last one allows to sell
(Opinion of 2022-12-02, article 3; Beijing's opinion of 2023-06-20, article 4).

False positives: a grant that exists and was not reported; the finding is cleared when it arrives, if it was issued no
later than the listing.

What to do: ask the seller for his operating right; delist the product until he shows one.
"""

from circulation.cases import OWNER, SELLER, Case, Json, asset, event, granted, listed, pack
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule

LISTED, RIGHT = "circulation.product.listed", "operating-right"


def check(act: Act, facts: Facts) -> list[Said]:
    """The seller is the owner, with the right to operate, or holds a grant of it that covers the asset."""
    seller = act.data.seller
    registered = facts.asset(act.subject).registration(act.time)
    owner = None if registered is None else registered.owner
    if registered is not None and owner == seller and "operating" in registered.rights:
        return []
    purposes = tuple(act.data.purposes or ())
    if facts.party(seller).covered(act.time, {RIGHT}, asset=act.subject, purposes=purposes):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", act.subject),
            party=seller,
            occurred=act.time,
            cause=act.cause,
            summary=(
                f"{seller} listed {act.subject}, "
                + ("which is not registered" if owner is None else f"which {owner} owns")
                + ", and holds no operating right that covers it."
            ),
            evidence={"owner": owner, "rights": [] if registered is None else list(registered.rights)},
            asset=act.subject,
        )
    ]


RULE = Rule(
    id="right-missing",
    title="Listed without the right to operate",
    about="asset",
    severity="orange",
    articles=(
        "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 4",
        "关于构建数据基础制度更好发挥数据要素作用的意见 3",
    ),
    check=Check(acts=frozenset({LISTED}), check=check, needs=frozenset({"asset", "party"})),
)


def _missing(**more: object) -> Json:
    return {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": SELLER, **more}


_DAY, _RULES = "2025-02-01", pack()
_A = asset("a", owner=OWNER)
_LISTED = listed("a", _DAY, seller=SELLER)

CASES = (
    Case(
        name="the owner lists what he may operate",
        rules=_RULES,
        events=[asset("a", owner=SELLER), _LISTED],
    ),
    Case(
        name="the owner lists what he may only hold",
        rules=_RULES,
        events=[asset("a", owner=SELLER, rights=["holding", "processing"]), _LISTED],
        fires=[_missing(evidence={"owner": SELLER, "rights": ["holding", "processing"]})],
    ),
    Case(name="another one's asset", rules=_RULES, events=[_A, _LISTED], fires=[_missing()]),
    Case(
        name="an asset that is not registered",
        rules=_RULES,
        events=[_LISTED],
        fires=[_missing(evidence={"owner": None})],
    ),
    Case(
        name="a registration that comes late is taken as first stated",
        rules=_RULES,
        events=[_LISTED, asset("a", "2025-03-01", owner=SELLER)],
    ),
    *(
        Case(
            name=f"a grant {name}",
            rules=_RULES,
            events=[_A, _LISTED, granted(SELLER, time, kind, **members)],
            fires=fires,
        )
        for name, time, kind, members, fires in (
            ("of the right", "2025-01-02", RIGHT, {}, []),
            ("of the right that was issued at the listing", _DAY, RIGHT, {}, []),
            ("that was issued later", "2025-02-01T00:00:00.000001", RIGHT, {}, [_missing()]),
            ("of another kind", "2025-01-02", "processing-right", {}, [_missing()]),
            ("for this asset", "2025-01-02", RIGHT, {"assets": ["a"]}, []),
            ("for another asset", "2025-01-02", RIGHT, {"assets": ["b"]}, [_missing()]),
            ("that ends at the listing", "2025-01-02", RIGHT, {"valid_to": _DAY}, [_missing()]),
            (
                "for a purpose that the listing does not name",
                "2025-01-02",
                "operating-right",
                {"purposes": ["x"]},
                [_missing()],
            ),
        )
    ),
    Case(
        name="a grant that was revoked by then",
        rules=_RULES,
        events=[
            _A,
            granted(SELLER, "2025-01-02", "operating-right", grant="g"),
            event("grant.revoked", SELLER, _DAY, grant="g", reason="misuse"),
            _LISTED,
        ],
        fires=[_missing()],
    ),
)
