"""Public data is sold outside an exchange.

Why it matters: data products made of public data are to be traded at a lawful exchange, where price, use and source
can be seen by everybody (Beijing's opinion of 2023-06-20, article 12).

False positives: a trade that was filed and whose channel was reported wrongly; have the signing taken back and sent
anew with the channel `filed`.

What to do: ask the seller to file the contract with an exchange, or to trade there.
"""

from circulation.examples import SELLER, THIRD, Case, Json, asset, pack, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.rules import Check, Rule
from circulation.sales import sells


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks at the channel of a contract over an asset with `public` true."""
    if act.data.channel != "off-exchange":
        return []
    registered = facts.asset(act.data.asset).registration(act.time)
    if registered is None or not registered.public or not sells(act, facts, "channel"):
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"{act.data.seller} sold {act.data.asset}, which is public data, outside an exchange, unfiled.",
            summary_zh=f"{act.data.seller} 在场外出售公共数据 {act.data.asset}，且未备案。",
            evidence={"asset": act.data.asset, "channel": act.data.channel},
            asset=act.data.asset,
        )
    ]


RULE = Rule(
    id="off-exchange-public",
    title="Public data sold outside an exchange",
    title_zh="公共数据场外交易",
    about="contract",
    severity="yellow",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 12",),
    check=Check(acts=frozenset(TERMS_TYPES), check=check, needs=frozenset({"asset", "contract"})),
)

_FINDING: Json = {
    "severity": "yellow",
    "about": {"kind": "contract", "id": "c"},
    "party": SELLER,
    "evidence": {"asset": "a"},
}
_RULES, _DAY = pack(), "2025-02-01"
_PUBLIC = asset("a", public=True)
_SOLD = signed("c", _DAY, asset="a", channel="off-exchange")

CASES = (
    *(
        Case(
            name=f"public data by the channel {channel}",
            rules=_RULES,
            events=[_PUBLIC, signed("c", _DAY, asset="a", channel=channel)],
            fires=fires,
        )
        for channel, fires in (("off-exchange", [_FINDING]), ("filed", []), ("on-exchange", []))
    ),
    Case(name="data that is not public", rules=_RULES, events=[asset("a"), _SOLD]),
    Case(name="an asset of which nothing is known", rules=_RULES, events=[_SOLD]),
    Case(
        name="a registration that comes late",
        rules=_RULES,
        events=[_SOLD, asset("a", "2025-03-01", public=True)],
        fires=[_FINDING],
    ),
    Case(name="a signing that was taken back", rules=_RULES, events=[_PUBLIC, _SOLD, retracted(_SOLD, "2025-02-02")]),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                _PUBLIC,
                asset("b"),
                signed("c", "2025-01-20", **Json(before)),
                signed("c", _DAY, amended=True, asset="a", channel="off-exchange"),
            ],
            fires=[*signing, *fires],
        )
        for name, before, signing, fires in (
            ("to public data", {"asset": "b", "channel": "off-exchange"}, [], [_FINDING]),
            ("to off the exchange", {"asset": "a", "channel": "filed"}, [], [_FINDING]),
            ("by which it stays what it was", {"asset": "a", "channel": "off-exchange"}, [_FINDING], []),
            (
                "by which another sells it",
                {"asset": "a", "channel": "off-exchange", "seller": THIRD},
                [_FINDING | {"party": THIRD}],
                [_FINDING],
            ),
        )
    ),
    Case(
        name="an amendment to a filed contract",
        rules=_RULES,
        events=[_PUBLIC, _SOLD, signed("c", "2025-02-02", amended=True, asset="a", channel="filed")],
        fires=[_FINDING],
    ),
)
