"""Personal or important data was delivered abroad, and the seller declared no export of it.

Why it matters: what is called a delivery is an export all the same. What nobody declares is counted in no year's sum,
assessed by nobody, and held against no list of what may leave (Personal Information Protection Law, articles 38 and 39;
Data Security Law, article 31; Provisions on Promoting and Regulating Cross-border Data Flows, articles 7 and 8).

False positives: an export that was declared without the delivery, or the contract and recipient, that it belongs to;
one that is reported late, which clears the finding if it is of that time. A recipient abroad is only guessed where
the delivery names no country: then it is yellow.

What to do: have the seller declare the export, and ask for the assessment, the contract or the certification under
which it was made. While this stands the delivery counts in the sums of the seller's year.

A declaration covers a delivery that it names, or whose contract and recipient it names, from 31 days before it to 72
hours after it. It covers no more persons, sensitive persons, and no higher level than it declares, over all that it
covers, in the order of (`time`, `source`, `id`). Counts that the delivery leaves out are those of its asset.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from circulation.calendar import DAYS_MAX, HOUR, days, format_instant
from circulation.events.names import DELIVERY_COMPLETED, EXPORT_PERFORMED
from circulation.examples import (
    ABROAD,
    BUYER,
    OWNER,
    SELLER,
    THIRD,
    Case,
    Json,
    asset,
    delivered,
    event,
    exported,
    pack,
    retracted,
    signed,
)
from circulation.exports import ACTS, RANKS, UNDECLARED, Sent, exporter, sent
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said, Severity
from circulation.ledger import Ledger
from circulation.rules import Parameter, Rule, Sum, over
from circulation.words import many

# Names of lists in the ledger: declarations by what they cover, and deliveries that wait for one by their deadline.
_DECLARED, _WAITING = "declared", "waiting"

# Where an act stands: (time, source, id, contract or party).
Place = tuple[int, str, str, str]


class _Reach(NamedTuple):
    """So much is to be covered, or can be."""

    persons: int
    sensitive_persons: int
    level: int

    def covers(self, reach: "_Reach") -> bool:
        return all(offered >= needed for offered, needed in zip(self, reach, strict=True))

    def less(self, reach: "_Reach") -> "_Reach":
        return self._replace(
            persons=self.persons - reach.persons, sensitive_persons=self.sensitive_persons - reach.sensitive_persons
        )


class _Declared(NamedTuple):
    """A declaration: how much it can still cover, and the contract that it names."""

    left: _Reach
    contract: str | None


class _Waiting(NamedTuple):
    """A delivery that nothing covers yet."""

    needs: _Reach
    contract: str
    keys: tuple[tuple[str, ...], ...]
    deadline: int


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The seller; of a declaration only where it names what it may cover."""
    if act.type == EXPORT_PERFORMED and not _keys(act):
        return
    party = exporter(act, facts)
    if party is not None:
        yield party


def _keys(act: Act) -> tuple[tuple[str, ...], ...]:
    """By what a declaration and a delivery find each other: the delivery, the contract with the recipient."""
    data = act.data
    contract = act.subject if act.type == DELIVERY_COMPLETED else data.contract
    by_delivery = () if data.delivery is None else (("delivery", data.delivery),)
    return (*by_delivery, *(() if contract is None else (("contract", contract, data.recipient),)))


def _level(level: str) -> int:
    """What is not important needs no level to be declared."""
    return max(RANKS[level], RANKS["general"])


def _place(act: Act) -> Place:
    return (act.time, act.source, act.id, act.subject)


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """A delivery takes the first declaration that covers it, or waits for one until its deadline."""
    if act.type == EXPORT_PERFORMED:
        _declare(ledger, act, facts)
        return ()
    delivery = sent(act, facts)
    if delivery is None:
        return ()
    parameters = facts.parameters(act.time)
    needs = _Reach(delivery.persons, delivery.sensitive_persons, _level(delivery.level))
    keys = _keys(act)
    since = act.time - days(parameters["days_before"])
    for place in sorted({mark for key in keys for mark in _since(ledger, (_DECLARED, *key), (since,))}):
        declared: _Declared = ledger.get(place)
        if declared.contract in (None, act.subject) and declared.left.covers(needs):
            ledger[place] = declared._replace(left=declared.left.less(needs))
            return ()
    deadline = act.time + int(min(parameters["hours"], 24 * DAYS_MAX) * HOUR)
    ledger[_place(act)] = _Waiting(needs, act.subject, keys, deadline)
    for key in keys:
        ledger.add((_WAITING, *key), (deadline, *_place(act)))
    ledger.keep(repr(_place(act)), _said(scope, act, delivery, deadline, facts))
    return ()


def _declare(ledger: Ledger, act: Act, facts: Facts) -> None:
    """Covers what waits for a declaration as far as it reaches, and keeps what is left for deliveries to come."""
    data, keys = act.data, _keys(act)
    level = _level(data.level)
    if data.asset is not None:
        level = max(level, _level(facts.subject(data.asset, act.time).level))
    left = _Reach(data.persons, data.sensitive_persons, level)
    waiting = {entry for key in keys for entry in _since(ledger, (_WAITING, *key), (act.time,))}
    for deadline, *rest in sorted(waiting, key=lambda entry: entry[1:]):
        place = tuple(rest)
        delivery: _Waiting = ledger.get(place)
        if data.contract not in (None, delivery.contract) or not left.covers(delivery.needs):
            continue
        left = left.less(delivery.needs)
        for key in delivery.keys:
            ledger.discard((_WAITING, *key), (deadline, *place))
        ledger.drop(repr(place))
    ledger[_place(act)] = _Declared(left, data.contract)
    for key in keys:
        ledger.add((_DECLARED, *key), _place(act))


def _since(ledger: Ledger, name: Any, first: tuple[Any, ...]) -> Iterator[Any]:
    items = ledger.list(name)
    return iter(items[bisect_left(items, first) :])


def _said(seller: str, act: Act, delivery: Sent, deadline: int, facts: Facts) -> Said:
    data = act.data
    severity: Severity = "red" if delivery.important or delivery.sensitive else "orange"
    to = data.recipient if data.country is None else data.country
    return Said(
        severity="yellow" if data.country is None else severity,
        about=About("party", seller),
        party=seller,
        occurred=deadline,
        cause=act.cause,
        # One source may use an id on two contracts of one seller.
        apart=(act.subject,),
        due=deadline,
        summary=(
            f"{delivery.asset} was delivered to {to} at {format_instant(act.time)}, with data of"
            f" {many(delivery.persons, 'person')} and sensitive data of {delivery.sensitive_persons:,},"
            f" and no export that covers it was declared by {format_instant(deadline)}."
        ),
        summary_zh=(
            f"{delivery.asset} 于 {format_instant(act.time)} 交付至 {to}，含 {delivery.persons:,} 人的个人信息、"
            f"{delivery.sensitive_persons:,} 人的敏感个人信息，至 {format_instant(deadline)} 未申报覆盖该次交付的出境。"
        ),
        evidence={
            "contract": act.subject,
            "delivery": data.delivery,
            "delivered": format_instant(act.time),
            "deadline": format_instant(deadline),
            "asset": delivery.asset,
            "country": data.country,
            "recipient": data.recipient,
            "persons": delivery.persons,
            "sensitive_persons": delivery.sensitive_persons,
            "level": delivery.level,
            "personal": delivery.personal,
        },
        asset=delivery.asset,
    )


RULE = Rule(
    id=UNDECLARED,
    title="Delivered abroad without a declared export",
    title_zh="未申报的出境",
    about="party",
    severity="orange",
    articles=("个人信息保护法 38", "数据安全法 31", "促进和规范数据跨境流动规定 7", "促进和规范数据跨境流动规定 8"),
    parameters={
        "hours": Parameter(
            72, "hours after a delivery abroad within which its export is to be declared; fewer finds more"
        ),
        "days_before": Parameter(31, "days before a delivery in which a declaration may name it; fewer finds more"),
    },
    sum=Sum(
        due=True,
        acts=ACTS,
        scopes=scopes,
        judge=over(step),
        step=step,
        needs=frozenset({"asset", "contract"}),
    ),
)


_RULES = pack()
_DAY, _DEADLINE = "2025-03-01", "2025-03-04T00:00:00+08:00"
_AFTER = "2025-03-04T00:00:00.000001+08:00"
_SIGNED = signed("c", "2025-01-01")
_PERSONAL = asset("asset", personal="personal", persons=500)


def _sent(time: str = _DAY, contract: str = "c", **data: Any) -> Json:
    return delivered(contract, time, **{"country": "DE", "recipient": ABROAD, "delivery": "d"} | data)


def _undeclared(severity: str = "orange", persons: int = 500, sensitive: int = 0, **more: Any) -> Json:
    return {
        "severity": severity,
        "about": {"kind": "party", "id": SELLER},
        "party": SELLER,
        "occurred": _DEADLINE,
        "evidence": {"contract": "c", "delivery": "d", "persons": persons, "sensitive_persons": sensitive},
        **more,
    }


def _declared(time: str = _DAY, persons: int = 500, sensitive: int = 0, party_: str = SELLER, **data: Any) -> Json:
    return exported(party_, time, persons=persons, sensitive_persons=sensitive, **{"delivery": "d"} | data)


_BY_CONTRACT: Json = {"delivery": None, "contract": "c"}

CASES = (
    Case(name="at the deadline", rules=_RULES, events=[_SIGNED, _PERSONAL, _sent()], until=_DEADLINE),
    Case(
        name="past the deadline",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _sent(id="cause")],
        until=_AFTER,
        fires=[_undeclared(cause={"source": "//exchange.example", "id": "cause"})],
    ),
    *(
        Case(
            name=f"delivered to {where}",
            rules=_RULES,
            events=[_SIGNED, _PERSONAL, _sent(**data)],
            until=_AFTER,
            fires=fires,
        )
        for where, data, fires in (
            ("the home country", {"country": "CN"}, []),
            ("a Chinese code abroad", {"recipient": BUYER}, [_undeclared()]),
            ("a Chinese code, without a country", {"country": None, "recipient": BUYER}, []),
            ("another code, without a country", {"country": None}, [_undeclared("yellow")]),
            ("another code, in the home country", {"country": "CN", "recipient": ABROAD}, []),
        )
    ),
    Case(
        name="another home of the pack",
        rules=pack(home="DE"),
        events=[_SIGNED, _PERSONAL, _sent(), _sent(country="CN", delivery="e")],
        until=_AFTER,
        fires=[{"evidence": {"delivery": "e", "country": "CN"}}],
    ),
    *(
        Case(
            name=f"what is delivered: {label}",
            rules=_RULES,
            events=[_SIGNED, asset("asset", **{"persons": 500} | facts), _sent(**counts)],
            until=_AFTER,
            fires=fires,
        )
        for label, facts, counts, fires in (
            ("nothing personal", {}, {}, []),
            ("nobody's data, as it says itself", {}, {"persons": 0, "sensitive_persons": 0}, []),
            ("one person's, as it says itself", {}, {"persons": 1}, [_undeclared(persons=1)]),
            ("one person's sensitive data", {}, {"sensitive_persons": 1}, [_undeclared("red", 0, 1)]),
            ("personal data", {"personal": "personal"}, {}, [_undeclared()]),
            ("personal data of nobody", {"personal": "personal"}, {"persons": 0}, [_undeclared(persons=0)]),
            ("personal data of few", {"personal": "personal"}, {"persons": 7}, [_undeclared(persons=7)]),
            (
                "personal data of not known many",
                {"personal": "personal", "persons": None},
                {},
                [_undeclared(persons=0)],
            ),
            ("sensitive data", {"personal": "sensitive"}, {}, [_undeclared("red", 0, 500)]),
            ("data of minors", {"personal": "minor"}, {}, [_undeclared("red", 0, 500)]),
            ("general data", {"level": "general"}, {}, []),
            ("data that is not graded", {"level": "ungraded"}, {}, []),
            ("important data", {"level": "important"}, {}, [_undeclared("red", 0)]),
            ("core data", {"level": "core"}, {}, [_undeclared("red", 0)]),
            ("core data, without a country", {"level": "core"}, {"country": None}, [_undeclared("yellow", 0)]),
        )
    ),
    Case(
        name="an asset that is not registered, and no counts",
        rules=_RULES,
        events=[_SIGNED, _sent()],
        until=_AFTER,
    ),
    Case(
        name="an asset that is not registered, and a person",
        rules=_RULES,
        events=[_SIGNED, _sent(persons=1)],
        until=_AFTER,
        fires=[_undeclared(persons=1)],
    ),
    Case(name="nobody knows whose it is", rules=_RULES, events=[_PERSONAL, _sent()], until=_AFTER),
    *(
        Case(
            name=f"declared {name}, by {'contract and recipient' if names else 'the delivery'}",
            rules=_RULES,
            events=[_SIGNED, _PERSONAL, _sent(), _declared(time, **names)],
            until="2025-06-01",
            fires=fires,
        )
        for names in ({}, _BY_CONTRACT)
        for name, time, fires in (
            ("just before 31 days", "2025-01-28T23:59:59.999999", [_undeclared()]),
            ("31 days before", "2025-01-29", []),
            ("just before", "2025-02-28T23:59:59.999999", []),
            ("at the delivery", _DAY, []),
            ("at the deadline", "2025-03-04", []),
            ("just after the deadline", "2025-03-04T00:00:00.000001", [_undeclared()]),
        )
    ),
    *(
        Case(
            name=f"a declaration {label}",
            rules=_RULES,
            events=[_SIGNED, _PERSONAL, _sent(), declared],
            until=_AFTER,
            fires=fires,
        )
        for label, declared, fires in (
            ("that names nothing", _declared(delivery=None), [_undeclared()]),
            ("of another delivery", _declared(delivery="e"), [_undeclared()]),
            ("of another contract", _declared(delivery=None, contract="other"), [_undeclared()]),
            ("of the delivery of another contract", _declared(contract="other"), [_undeclared()]),
            ("of the contract, to another recipient", _declared(**_BY_CONTRACT, recipient=THIRD), [_undeclared()]),
            ("of the delivery, to another recipient", _declared(recipient=THIRD), []),
            ("by another party", _declared(party_=OWNER), [_undeclared()]),
            ("of one person fewer", _declared(persons=499), [_undeclared()]),
            ("of one person more", _declared(persons=501), []),
            ("under an exemption", _declared(exemption="contract"), []),
        )
    ),
    *(
        Case(
            name=f"data of the level {level}, declared as {stated}{', with the asset' if named else ''}",
            rules=_RULES,
            events=[
                _SIGNED,
                asset("asset", level=level, personal="personal", persons=1),
                _sent(),
                _declared(persons=1, level=stated, asset="asset" if named else None),
            ],
            until=_AFTER,
            fires=[] if covers else [_undeclared("red", 1)],
        )
        for level, stated, named, covers in (
            ("general", "ungraded", False, True),
            ("important", "general", False, False),
            ("important", "important", False, True),
            ("important", "core", False, True),
            ("core", "important", False, False),
            ("core", "general", True, True),
        )
    ),
    *(
        Case(
            name=f"sensitive data of 10, declared with {sensitive} and {persons} persons",
            rules=_RULES,
            events=[
                _SIGNED,
                asset("asset", personal="sensitive", persons=10),
                _sent(),
                _declared(persons=persons, sensitive=sensitive),
            ],
            until=_AFTER,
            fires=fires,
        )
        for persons, sensitive, fires in (
            (100, 9, [_undeclared("red", 0, 10)]),
            (0, 10, []),
        )
    ),
    *(
        Case(
            name=f"one declaration of {declared} for deliveries of 300 and 200, in the order of their time",
            rules=_RULES,
            events=[
                _SIGNED,
                _PERSONAL,
                _sent("2025-03-01T01:00", persons=200, delivery="second"),
                _sent(persons=300, delivery="first"),
                _declared("2025-03-01T12:00", persons=declared, **_BY_CONTRACT),
            ],
            until="2025-06-01",
            fires=[{"evidence": {"delivery": delivery}} for delivery in left],
        )
        for declared, left in (
            (500, []),
            (499, ["second"]),
            (300, ["second"]),
            (299, ["first"]),
            (199, ["first", "second"]),
        )
    ),
    Case(
        name="what an earlier declaration covers, a later one is still there for",
        rules=_RULES,
        events=[
            _SIGNED,
            _PERSONAL,
            _declared("2025-02-28", persons=300, **_BY_CONTRACT, export="x"),
            _sent(persons=300, delivery="first"),
            _declared("2025-03-02", persons=300, **_BY_CONTRACT, export="y"),
            _sent("2025-03-03", persons=300, delivery="second"),
            _sent("2025-03-04", persons=1, delivery="third"),
        ],
        until="2025-06-01",
        fires=[{"evidence": {"delivery": "third"}}],
    ),
    Case(
        name="a declaration that arrives late and was made in time refutes it",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _sent(), signed("other", "2025-04-01"), _declared("2025-03-02")],
    ),
    Case(
        name="a declaration that was taken back",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _sent(), _declared(), retracted(_declared(), "2025-03-02")],
        until=_AFTER,
        fires=[_undeclared()],
    ),
    Case(
        name="a delivery that was taken back",
        rules=_RULES,
        events=[_SIGNED, _PERSONAL, _sent(), retracted(_sent(), "2025-03-02")],
        until=_AFTER,
    ),
    Case(
        name="an asset that is graded after the delivery",
        rules=_RULES,
        events=[
            _SIGNED,
            asset("asset", persons=500),
            _sent(),
            event("asset.graded", "asset", "2025-03-02", level="core", personal="sensitive", reason="review"),
        ],
        until=_AFTER,
    ),
    Case(
        name="another number of hours of the pack",
        rules=pack(detectors={"undeclared-export": {"hours": 24}}),
        events=[_SIGNED, _PERSONAL, _sent(), _declared("2025-03-02T00:00:00.000001")],
        until="2025-03-03",
        fires=[{"occurred": "2025-03-02T00:00:00+08:00"}],
    ),
    Case(
        name="another number of days of the pack",
        rules=pack(detectors={"undeclared-export": {"days_before": 1}}),
        events=[_SIGNED, _PERSONAL, _sent(), _declared("2025-02-27T23:59:59.999999")],
        until=_AFTER,
        fires=[_undeclared()],
    ),
)
