"""Public data is delivered raw.

Why it matters: data of public bodies is there to be used as a product or a service; the raw data does not leave the
domain (Beijing's opinion of 2023-06-20, article 10; Opinion of 2022-12-02, article 4).

False positives: open data, which anyone may have; register it with `public` false, or deliver it by another mode.

What to do: stop the delivery; have the product changed to a model, a report, a verification or private computing.
"""

from typing import get_args

from circulation.events.names import DELIVERY_COMPLETED
from circulation.examples import SELLER, Case, Json, asset, delivered, pack, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.rules import Check, Parameter, Rule
from circulation.terms import DeliveryMode
from circulation.words import DELIVERY, zh


def check(act: Act, facts: Facts) -> list[Said]:
    """Holds the mode of a delivery against those that give the data themselves away."""
    contract = facts.contract(act.subject).statement(act.time)
    if contract is None or act.data.mode not in facts.parameters(act.time)["modes"]:
        return []
    registered = facts.asset(contract.asset).registration(act.time)
    if registered is None or not registered.public:
        return []
    return [
        Said(
            severity=RULE.severity,
            about=About("contract", act.subject),
            party=contract.seller,
            occurred=act.time,
            cause=act.cause,
            summary=f"{contract.asset}, which is public data, was delivered as {act.data.mode}: the raw data left.",
            summary_zh=f"公共数据 {contract.asset} 以{zh(DELIVERY, act.data.mode)}方式交付，原始数据流出。",
            evidence={"asset": contract.asset, "mode": act.data.mode, "recipient": act.data.recipient},
            asset=contract.asset,
        )
    ]


RULE = Rule(
    id="raw-public-data",
    title="Public data delivered raw",
    title_zh="公共数据原始数据流出",
    about="contract",
    severity="red",
    articles=(
        "关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 10",
        "关于构建数据基础制度更好发挥数据要素作用的意见 4",
    ),
    parameters={
        "modes": Parameter(
            ["file", "api"], "modes of delivery that give the data themselves away", choices=get_args(DeliveryMode)
        )
    },
    check=Check(acts=frozenset({DELIVERY_COMPLETED}), check=check, needs=frozenset({"asset", "contract"})),
)


def _raw(mode: str) -> Json:
    return {
        "severity": "red",
        "about": {"kind": "contract", "id": "c"},
        "party": SELLER,
        "evidence": {"asset": "a", "mode": mode},
    }


_PUBLIC = asset("a", public=True)
_SIGNED = signed("c", "2025-01-02", asset="a")
_RULES = pack()
_DAY = "2025-02-01"

CASES = (
    *(
        Case(
            name=f"public data as {mode}",
            rules=_RULES,
            events=[_PUBLIC, _SIGNED, delivered("c", _DAY, mode=mode)],
            fires=[_raw(mode)] if mode in ("file", "api") else [],
        )
        for mode in ("file", "api", "model", "report", "verification", "sandbox", "private-computing", "encrypted")
    ),
    Case(
        name="data that is not public",
        rules=_RULES,
        events=[asset("a", public=False), asset("b"), _SIGNED, delivered("c", _DAY, mode="file")],
    ),
    Case(name="an asset of which nothing is known", rules=_RULES, events=[_SIGNED, delivered("c", _DAY, mode="file")]),
    Case(
        name="a registration that comes late",
        rules=_RULES,
        events=[_SIGNED, delivered("c", _DAY, mode="file"), asset("a", "2025-03-01", public=True)],
        fires=[_raw("file")],
    ),
    Case(
        name="another pack, another list of modes",
        rules=pack(detectors={"raw-public-data": {"mode": "enforce", "modes": ["file"]}}),
        events=[_PUBLIC, _SIGNED, delivered("c", _DAY, mode="api")],
    ),
)
