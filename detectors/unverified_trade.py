"""An exchange lets somebody trade whom no exchange has registered.

Why it matters: an intermediary has to verify who the two parties are and keep the record of it (Data Security Law,
article 33; Beijing's regulation on the digital economy, article 22).

False positives: a registration that an exchange made in time and sent late; the finding is cleared when it arrives. One
that the provider or the consumer sent is no verification.

What to do: have the exchange verify whom `unverified` names, and hold the delivery until it has.
"""

from circulation.examples import BUYER, OWNER, SELLER, THIRD, Case, Json, asset, pack, party, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.rules import Check, Rule
from circulation.sales import sells
from circulation.words import ROLE, listed_zh, zh


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for seller, buyer and owner of the asset among those whom an exchange registered by then."""
    data = act.data
    if data.channel != "on-exchange" or not sells(act, facts, "channel"):
        return []
    registered = facts.asset(data.asset).registration(act.time)
    parties = {"seller": data.seller, "buyer": data.buyer}
    if registered is not None:
        parties["owner"] = registered.owner
    unverified = {role: id_ for role, id_ in parties.items() if not facts.party(id_).verified(act.time)}
    if not unverified:
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"Traded on an exchange, and no exchange had registered the {' and the '.join(unverified)}.",
            summary_zh=f"场内交易，而{listed_zh(zh(ROLE, role) for role in unverified)}未经任何交易所登记。",
            evidence={"unverified": unverified},
            asset=data.asset,
        )
    ]


RULE = Rule(
    id="unverified-trade",
    title="A trade of parties that no exchange verified",
    title_zh="交易主体未经交易所登记",
    about="contract",
    severity="orange",
    articles=("数据安全法 33", "北京市数字经济促进条例 22", "电子商务法 31"),
    check=Check(acts=frozenset(TERMS_TYPES), check=check, needs=frozenset({"asset", "contract", "party"})),
)


def _unverified(**parties: str) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "evidence": {"unverified": parties},
    }


_RULES, _DAY = pack(), "2025-02-01"
_SOLD = signed("c", _DAY, asset="a")
_A, _SELLER, _BUYER, _OWNER = asset("a"), party(SELLER), party(BUYER), party(OWNER)

CASES = (
    Case(name="all are registered", rules=_RULES, events=[_A, _SELLER, _BUYER, _OWNER, _SOLD]),
    Case(
        name="none is registered",
        rules=_RULES,
        events=[_A, _SOLD],
        fires=[_unverified(seller=SELLER, buyer=BUYER, owner=OWNER)],
    ),
    Case(
        name="the owner is not registered",
        rules=_RULES,
        events=[_A, _SELLER, _BUYER, _SOLD],
        fires=[_unverified(owner=OWNER)],
    ),
    Case(name="an asset that is not registered has no owner", rules=_RULES, events=[_SELLER, _BUYER, _SOLD]),
    *(
        Case(
            name=f"a buyer whom an exchange registered {name}",
            rules=_RULES,
            events=[_A, _SELLER, _OWNER, _SOLD, party(BUYER, time)],
            fires=fires,
        )
        for name, time, fires in (
            ("just before", "2025-01-31T23:59:59.999999", []),
            ("at the signing", _DAY, []),
            ("just after", "2025-02-01T00:00:00.000001", [_unverified(buyer=BUYER)]),
        )
    ),
    Case(
        name="what a party says of itself is no verification",
        rules=_RULES,
        events=[_A, _SELLER, _OWNER, party(BUYER, reporter="consumer"), _SOLD],
        fires=[_unverified(buyer=BUYER)],
    ),
    *(
        Case(name=f"the channel {channel}", rules=_RULES, events=[_A, signed("c", _DAY, asset="a", channel=channel)])
        for channel in ("filed", "off-exchange")
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _A,
                _SELLER,
                _BUYER,
                _OWNER,
                signed("c", "2025-01-20", asset="a", **Json(before)),
                signed("c", _DAY, amended=True, asset="a", **after),
            ],
            fires=fires,
        )
        for name, before, after, fires in (
            ("to another buyer", {}, {"buyer": THIRD}, [_unverified(buyer=THIRD)]),
            ("to another seller", {}, {"seller": THIRD}, [_unverified(seller=THIRD) | {"party": THIRD}]),
            ("of the price", {"buyer": THIRD, "channel": "filed"}, {"buyer": THIRD, "channel": "filed"}, []),
            ("onto an exchange", {"buyer": THIRD, "channel": "filed"}, {"buyer": THIRD}, [_unverified(buyer=THIRD)]),
            ("of the price there", {"buyer": THIRD}, {"buyer": THIRD, "amount": "7"}, [_unverified(buyer=THIRD)]),
        )
    ),
)
