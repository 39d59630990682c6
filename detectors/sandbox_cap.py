"""A trial in a sandbox goes on beyond its measure.

Why it matters: a sandbox lifts rules for so many uses, so many persons, so much money, until a day, and for no more
than that (Beijing's opinion of 2023-06-20, article 17). Beyond it all rules are as strict again as for everybody.

False positives: a sandbox that was widened or prolonged and not reported; the finding is cleared once it is, if that
was in time. One person in two deliveries counts twice, for only numbers are reported.

What to do: have the trial stopped, ask for the report at its end, and look at what was found since: within a sandbox
the detectors that the pack names only watch, and from here on they no longer do.

Counted are the acts of the holder that the grant covers: the amounts of contracts that he signs as the seller (as they
were last amended, in CNY), the persons of deliveries under his contracts and of his exports, and the uses of contracts
that the grant covers, by the day. Each cap is said once, at the act with which it is passed. The end is passed by the
first signing, delivery, export or day of use that only it excludes; one that another sandbox covers passes none.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from circulation.examples import (
    ABROAD,
    BUYER,
    SELLER,
    SINCE,
    SOURCE,
    THIRD,
    Case,
    Json,
    delivered,
    event,
    exported,
    granted,
    pack,
    retracted,
    signed,
    terms,
    used,
)
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.keys import split_key
from circulation.rules import Parameter, Rule, Sum
from circulation.sandbox import COUNTED, NEEDS, Passed, passed, scopes
from circulation.words import LIMIT, many, zh

NAMES = {
    "uses": ("use", "uses"),
    "persons": ("person", "persons"),
    "sensitive_persons": ("person of whom sensitive data went", "persons of whom sensitive data went"),
}


def judge(scope: str, acts: Sequence[Act], facts: Facts) -> Iterable[Said]:
    """Says each cap of one sandbox that was passed."""
    holder, grant = split_key(scope)
    return [_said(holder, grant, passing) for passing in passed(scope, acts, facts)]


def _said(holder: str, grant: str, passing: Passed) -> Said:
    if passing.cap == "end":
        excess = f"goes on at {passing.used}, and ended at {passing.maximum}"
        excess_zh = f"已于 {passing.maximum} 到期，{passing.used} 仍在继续"
    else:
        used = f"{passing.used} CNY" if passing.cap == "amount" else many(int(passing.used), *NAMES[passing.cap])
        excess = f"has come to {used} of {passing.maximum}"
        excess_zh = f"{zh(LIMIT, passing.cap)}达 {passing.used}，上限为 {passing.maximum}"
    return Said(
        severity=RULE.severity,
        about=About("party", holder),
        party=holder,
        occurred=passing.place[0],
        cause=passing.cause,
        apart=(grant, passing.cap),
        due=passing.place[0] if passing.cause is None else None,
        summary=f"The sandbox {grant} of {holder} {excess}.",
        summary_zh=f"{holder} 的沙盒 {grant} {excess_zh}。",
        evidence={"grant": grant, "cap": passing.cap, "maximum": passing.maximum, "used": passing.used},
        asset=passing.asset,
    )


RULE = Rule(
    id="sandbox-cap",
    title="A sandbox beyond its caps",
    title_zh="沙盒超出上限",
    about="party",
    severity="orange",
    articles=("关于更好发挥数据要素作用进一步加快发展数字经济的实施意见 17",),
    parameters={
        "sandbox": Parameter(
            [], "the detectors that only watch within the caps of a sandbox: their findings are in mode `shadow`"
        ),
    },
    sum=Sum(
        acts=COUNTED,
        scopes=scopes,
        judge=judge,
        needs=NEEDS,
        due=True,
        ended_days=True,
    ),
)

_RULES, _DAY, _END = pack(), "2025-02-01", "2025-06-01"
_JUST_BEFORE = "2025-05-31T23:59:59.999999"


def _sandbox(time: str = SINCE, /, **data: Any) -> Json:
    return granted(SELLER, time, "sandbox", **({"grant": "g"} | data))


def _passed(cap: str, maximum: object, count: object, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "evidence": {"grant": "g", "cap": cap, "maximum": maximum, "used": count},
        **more,
    }


def _sold(contract: str, amount: str = "100", time: str = _DAY, **data: Any) -> Json:
    return signed(contract, time, amount=amount, **data)


def _sent(persons: int, time: str = "2025-02-02", **data: Any) -> Json:
    return delivered("c", time, persons=persons, **data)


_ENDED = _passed("end", "2025-06-01T00:00:00+08:00", "2025-06-01T00:00:00+08:00")

CASES = (
    *(
        Case(
            name=f"contracts of {total} under a cap of 200",
            rules=_RULES,
            events=[_sandbox(amount_max="200"), _sold("c"), _sold("d", amount, "2025-02-02", id="d")],
            fires=[_passed("amount", "200", total, cause={"source": SOURCE, "id": "d"})] if passes else [],
        )
        for amount, total, passes in (
            ("99.999999", "199.999999", 0),
            ("100", "200", 0),
            ("100.000001", "200.000001", 1),
        )
    ),
    *(
        Case(
            name=f"{name} of {total} under a cap of 10",
            rules=_RULES,
            events=[
                _sandbox(**{f"{name}_max": 10}),
                _sold("c"),
                delivered("c", "2025-02-02", **{name: 5}),
                exported(SELLER, "2025-02-03", id="x", **{name: total - 5}),
            ],
            fires=[_passed(name, 10, total, cause={"source": SOURCE, "id": "x"})] if total > 10 else [],
        )
        for name in ("persons", "sensitive_persons")
        for total in (9, 10, 11)
    ),
    *(
        Case(
            name=f"a {name} {when}",
            rules=_RULES,
            events=[_sandbox(valid_to=_END), _sold("c"), act],
            fires=fires,
        )
        for when, time, fires in (
            ("just before the end", _JUST_BEFORE, []),
            ("at the end", _END, [_ENDED]),
        )
        for name, act in (
            ("sale", _sold("d", time=time)),
            ("delivery", delivered("c", time)),
            ("export", exported(SELLER, time)),
        )
    ),
    Case(
        name="each cap once",
        rules=_RULES,
        events=[
            _sandbox(amount_max="50", persons_max=1, valid_to=_END),
            _sold("c", id="sold"),
            _sold("d", time="2025-02-02"),
            _sent(2, id="sent"),
            _sent(2, "2025-02-03"),
            _sold("e", time=_END),
            _sold("f", time=_END),
        ],
        fires=[
            _passed("amount", "50", "100", cause={"source": SOURCE, "id": "sold"}),
            _passed("persons", 1, 2, cause={"source": SOURCE, "id": "sent"}),
            _ENDED,
        ],
    ),
    *(
        Case(
            name=f"{total} uses under a cap of 10",
            rules=_RULES,
            events=[
                _sandbox(uses_max=10),
                _sold("c"),
                _sold("d", time="2025-02-02"),
                used("c", "2025-02-03", 5),
                used("d", "2025-02-04", total - 5),
            ],
            until="2025-02-06",
            fires=[_passed("uses", 10, total, occurred="2025-02-05T00:00:00+08:00")] if total > 10 else [],
        )
        for total in (9, 10, 11)
    ),
    Case(
        name="uses are known at the end of a day",
        rules=_RULES,
        events=[_sandbox(uses_max=10), _sold("c"), used("c", "2025-02-03", 11)],
        until="2025-02-04",
    ),
    Case(
        name="uses that come late, and those given back",
        rules=_RULES,
        events=[
            _sandbox(uses_max=10),
            _sold("c"),
            used("c", "2025-02-03", 6, id="u"),
            used("c", "2025-02-05", 5),
            used("c", "2025-02-08", 5),
            event("usage.cancelled", "c", "2025-02-08", usage="u", uses=4),
        ],
        until="2025-02-10",
        fires=[_passed("uses", 10, 12, occurred="2025-02-09T00:00:00+08:00")],
    ),
    Case(
        name="the highest of what reporters say of uses counts",
        rules=_RULES,
        events=[
            _sandbox(uses_max=10),
            _sold("c"),
            *(used("c", "2025-02-03", 10, reporter=reporter) for reporter in ("exchange", "provider")),
        ],
        until="2025-02-10",
    ),
    Case(
        name="a grant that comes after the uses, and was issued before them",
        rules=_RULES,
        events=[_sold("c"), used("c", "2025-02-03", 11), used("c", "2025-03-03", 1), _sandbox(uses_max=10)],
        until="2025-04-01",
        fires=[_passed("uses", 10, 11, occurred="2025-02-04T00:00:00+08:00")],
    ),
    Case(
        name="uses of a contract that came to be in the sandbox within the day",
        rules=_RULES,
        events=[_sold("c"), used("c", "2025-02-03", 6), _sandbox(uses_max=10), used("c", "2025-02-03T12:00", 5)],
        until="2025-02-04T00:00:00.000001+08:00",
        fires=[_passed("uses", 10, 11)],
    ),
    Case(
        name="uses after the end",
        rules=_RULES,
        events=[_sandbox(uses_max=10, valid_to=_END), _sold("c"), used("c", _JUST_BEFORE, 10), used("c", _END, 1)],
        until="2025-07-01",
        fires=[_ENDED | {"occurred": "2025-06-02T00:00:00+08:00"}],
    ),
    Case(
        name="uses of what another one sells",
        rules=_RULES,
        events=[_sandbox(uses_max=1), _sold("c", seller=THIRD), used("c", _DAY, 2)],
        until="2025-07-01",
    ),
    Case(name="a sandbox without caps", rules=_RULES, events=[_sandbox(), _sold("c", "1000000"), _sent(10**9)]),
    Case(
        name="a grant of another kind",
        rules=_RULES,
        events=[granted(SELLER, SINCE, "operating-right", amount_max="1", valid_to=_END), _sold("c", time=_END)],
    ),
    Case(name="another one's sales", rules=_RULES, events=[_sandbox(amount_max="1"), _sold("c", seller=THIRD)]),
    Case(
        name="what the holder buys",
        rules=_RULES,
        events=[_sandbox(amount_max="1"), _sold("c", seller=THIRD, buyer=SELLER)],
    ),
    *(
        Case(
            name=f"a sandbox for {name}",
            rules=_RULES,
            events=[
                _sandbox(amount_max="1", **restriction),
                _sold("c", asset="a", terms=terms(purposes=["credit/scoring"], countries=["CN"])),
            ],
            fires=[_passed("amount", "1", "100")] if covers else [],
        )
        for name, restriction, covers in (
            ("the asset", {"assets": ["a"]}, 1),
            ("another asset", {"assets": ["b"]}, 0),
            ("the purpose", {"purposes": ["credit"]}, 1),
            ("another purpose", {"purposes": ["research"]}, 0),
            ("the country", {"countries": ["CN"]}, 1),
            ("another country", {"countries": ["SG"]}, 0),
            ("the buyer", {"recipients": [BUYER]}, 1),
            ("another buyer", {"recipients": [THIRD]}, 0),
        )
    ),
    *(
        Case(
            name=f"a delivery to {name}",
            rules=_RULES,
            events=[_sandbox(persons_max=1, countries=["SG"], recipients=[ABROAD]), _sold("c"), _sent(2, **to)],
            fires=[_passed("persons", 1, 2)] if covers else [],
        )
        for name, to, covers in (
            ("where it is for", {"country": "SG", "recipient": ABROAD}, 1),
            ("another country", {"country": "DE", "recipient": ABROAD}, 0),
            ("a country that is not stated", {"recipient": ABROAD}, 0),
            ("another recipient", {"country": "SG"}, 0),
        )
    ),
    *(
        Case(
            name=f"a sandbox {name}",
            rules=_RULES,
            events=[_sandbox(time, amount_max="1", **data), _sold("c")],
            fires=[_passed("amount", "1", "100")] if covers else [],
        )
        for name, time, data, covers in (
            ("issued with the sale", _DAY, {}, 1),
            ("issued just after the sale", "2025-02-01T00:00:00.000001", {"valid_from": SINCE}, 0),
            ("that is valid only later", SINCE, {"valid_from": "2025-02-02"}, 0),
            ("that comes to be valid with the sale", SINCE, {"valid_from": _DAY}, 1),
        )
    ),
    Case(
        name="an amendment replaces what the contract said",
        rules=_RULES,
        events=[_sandbox(amount_max="250"), _sold("c"), _sold("c", "200", "2025-02-02", amended=True)],
    ),
    Case(
        name="an amendment passes the cap",
        rules=_RULES,
        events=[_sandbox(amount_max="199"), _sold("c"), _sold("c", "200", "2025-02-02", amended=True, id="amended")],
        fires=[_passed("amount", "199", "200", cause={"source": SOURCE, "id": "amended"})],
    ),
    Case(
        name="amounts of another currency",
        rules=_RULES,
        events=[_sandbox(amount_max="100"), _sold("c"), _sold("d", "1000", "2025-02-02", currency="USD")],
    ),
    Case(
        name="what is reported later and was done earlier",
        rules=_RULES,
        events=[
            _sandbox(amount_max="200"),
            _sold("c", time="2025-02-03", id="third"),
            _sold("d", time="2025-02-02"),
            _sold("e", time="2025-02-01"),
        ],
        fires=[_passed("amount", "200", "300", cause={"source": SOURCE, "id": "third"})],
    ),
    Case(
        name="a sale that was taken back",
        rules=_RULES,
        events=[
            _sandbox(amount_max="100"),
            _sold("c"),
            retracted(_sold("c"), "2025-02-02"),
            _sold("d", time="2025-02-02"),
        ],
    ),
    Case(
        name="two reports of one delivery",
        rules=_RULES,
        events=[
            _sandbox(persons_max=5),
            _sold("c"),
            *(_sent(5, delivery="d", reporter=reporter) for reporter in ("exchange", "provider", "consumer")),
        ],
    ),
    Case(
        name="a sandbox that is revoked has ended",
        rules=_RULES,
        events=[
            _sandbox(valid_to=_END),
            event("grant.revoked", SELLER, "2025-03-01", grant="g", reason="x"),
            _sold("c"),
            _sold("d", time="2025-03-02"),
        ],
        fires=[_passed("end", "2025-03-01T00:00:00+08:00", "2025-03-02T00:00:00+08:00")],
    ),
    Case(
        name="a sandbox that is followed by another",
        rules=_RULES,
        events=[_sandbox(valid_to=_END), _sandbox(_END, grant="h"), _sold("c"), _sold("d", time=_END)],
    ),
    Case(
        name="a sandbox that was followed by another for something else",
        rules=_RULES,
        events=[
            _sandbox(valid_to=_END),
            _sandbox(_END, grant="h", assets=["other"]),
            _sold("c"),
            _sold("d", time=_END),
        ],
        fires=[_ENDED],
    ),
)
