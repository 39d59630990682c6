"""A use or delivery outside the time, place, recipient, mode or environment that the contract allows.

Why it matters: territory, term and environment are what makes a licence bounded; data that is used elsewhere is out
of the reach of whoever licensed it (ODRL 2.2 `dateTime`, `spatial`, `recipient`, `deliveryChannel`).

False positives: a clock of the reporter that is off; a region code of the seat instead of the place of use. What is
not stated where the terms restrict it is said once, in yellow: ask the reporter to state it. A report of no uses, bytes
and rows is no use.

What to do: ask the buyer; have the contract amended or the use stopped; correct what was reported wrongly.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from circulation.calendar import format_instant
from circulation.events.names import DELIVERY_COMPLETED, USAGE_REPORTED
from circulation.examples import BUYER, THIRD, Case, Json, delivered, event, retracted, signed, terms, used
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Cause, Said
from circulation.ledger import Ledger
from circulation.licences import Licence
from circulation.rules import Check, Counted, Parameters, Rule, Stepped, Sum, Tally, Uses, over
from circulation.terms import Terms, allows, allows_region, inside, spans
from circulation.words import ACT, DELIVERY, TERM, listed_zh, zh


class Memory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The terms whose absence from a use was said already."""

    lacking: tuple[str, ...] = ()


Broken = tuple[str, Any, Any]


def _time(instant: int, terms: Terms) -> Iterable[Broken]:
    if not inside(terms, instant):
        until = None if terms.valid_to is None else format_instant(terms.valid_to)
        yield ("time", format_instant(instant), {"valid_from": format_instant(terms.valid_from), "valid_to": until})


def _place(data: Any, terms: Terms) -> Iterable[Broken]:
    if data.country is not None and not allows(terms.countries, data.country):
        yield ("country", data.country, list(terms.countries or ()))
    if data.region is not None and not allows_region(terms.regions, data.region):
        yield ("region", data.region, list(terms.regions or ()))


def broken_by_use(instant: int, data: Any, terms: Terms) -> Iterable[Broken]:
    """(term, given, allowed) for each term that a use breaks."""
    yield from _time(instant, terms)
    yield from _place(data, terms)
    if data.actor is not None and not allows(terms.recipients, data.actor):
        yield ("recipient", data.actor, list(terms.recipients or ()))
    if data.environment is not None and not allows(terms.environments, data.environment):
        yield ("environment", data.environment, list(terms.environments or ()))


def broken_by_delivery(instant: int, data: Any, terms: Terms) -> Iterable[Broken]:
    """(term, given, allowed) for each term that a delivery breaks."""
    yield from _time(instant, terms)
    yield from _place(data, terms)
    if not allows(terms.recipients, data.recipient):
        yield ("recipient", data.recipient, list(terms.recipients or ()))
    if not allows(terms.delivery, data.mode):
        yield ("mode", data.mode, list(terms.delivery or ()))


def lacking(data: Any, terms: Terms, *, use: bool) -> Iterable[Broken]:
    """(term, None, allowed) for each restricted term that the event does not state."""
    if data.country is None and terms.countries is not None:
        yield ("country", None, list(terms.countries))
    if data.region is None and terms.regions is not None:
        yield ("region", None, list(terms.regions))
    if use and data.environment is None and terms.environments is not None:
        yield ("environment", None, list(terms.environments))


def _said(broken: Broken, *, contract: str, buyer: str, asset: str, cause: Cause, occurred: int, kind: str) -> Said:
    term, value, allowed = broken
    if value is None:
        summary = f"A {kind} does not state its {term}, which the terms restrict to {_listed(allowed)}."
        summary_zh = f"一次{zh(ACT, kind)}未说明{zh(TERM, term)}，而合同限定为：{_listed_zh(term, allowed)}。"
    else:
        summary = f"A {kind} with {term} {value}; the terms allow {_listed(allowed)}."
        summary_zh = (
            f"一次{zh(ACT, kind)}的{zh(TERM, term)}为 {_word(term, value)}，合同只允许：{_listed_zh(term, allowed)}。"
        )
    return Said(
        severity="yellow" if value is None else "orange",
        about=About("contract", contract),
        party=buyer,
        occurred=occurred,
        cause=cause,
        apart=(term, kind, "lacking" if value is None else "broken"),
        summary=summary,
        summary_zh=summary_zh,
        evidence={"term": term, "given": value, "allowed": allowed},
        asset=asset,
    )


def _listed(allowed: Any) -> str:
    if isinstance(allowed, dict):
        return f"from {allowed['valid_from']} to before {allowed['valid_to'] or 'no end'}"
    return ", ".join(allowed) or "nothing"


def _word(term: str, value: str) -> str:
    return zh(DELIVERY, value) if term == "mode" else value


def _listed_zh(term: str, allowed: Any) -> str:
    if isinstance(allowed, dict):
        return f"自 {allowed['valid_from']} 起{f'至 {until} 之前' if (until := allowed['valid_to']) else ''}"
    return listed_zh(_word(term, value) for value in allowed)


def step(memory: Memory, parts: Mapping[str, Any], counted: Counted, licence: Licence, _: Parameters) -> Stepped:
    """Says what one use breaks, and once what it does not state. A report of nothing is none."""
    if not counted.adds:
        return Stepped(memory)
    event = counted.event
    new = [broken for broken in lacking(event.data, licence.terms, use=True) if broken[0] not in memory.lacking]
    findings = [
        _said(
            broken,
            contract=event.subject,
            buyer=licence.buyer,
            asset=licence.asset,
            cause=Cause(event.source, event.id),
            occurred=event.time,
            kind="use",
        )
        for broken in (*broken_by_use(event.time, event.data, licence.terms), *new)
    ]
    if new:
        memory = Memory(memory.lacking + tuple(broken[0] for broken in new))
    return Stepped(memory, {}, findings)


def quiet(memory: Memory, parts: Mapping[str, Any], uses: Uses, licence: Licence, __: Parameters) -> Stepped | None:
    """A run of uses is quiet when its first and last instant and each place in it are inside the terms."""
    terms = licence.terms
    if not spans(terms, uses.first, uses.last):
        return None
    countries, environments, recipients = terms.countries, terms.environments, terms.recipients
    for _, country, region, environment, actor in uses.kinds:
        if not (
            (countries is None or _quiet("country", country, countries, memory))
            and (environments is None or _quiet("environment", environment, environments, memory))
            and (recipients is None or actor is None or actor in recipients)
            and (
                terms.regions is None
                or (region is None and "region" in memory.lacking)
                or (region is not None and allows_region(terms.regions, region))
            )
        ):
            return None
    return Stepped(memory)


def _quiet(term: str, value: str | None, allowed: Sequence[str], memory: Memory) -> bool:
    return value in allowed if value is not None else term in memory.lacking


def check(act: Act, facts: Facts) -> Iterable[Said]:
    """Says what one delivery breaks, by the terms in force at its time."""
    statement = facts.contract(act.subject).statement(act.time)
    if statement is None:
        return
    for broken in broken_by_delivery(act.time, act.data, statement.terms):
        yield _said_of(broken, act, statement)


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """The contract, of a delivery that lacks what its terms restrict."""
    statement = facts.contract(act.subject).statement(act.time)
    if statement is not None and any(True for _ in lacking(act.data, statement.terms, use=False)):
        yield act.subject


def judge_step(ledger: Ledger, _: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Says once a contract and term the earliest delivery that does not state it."""
    statement = facts.contract(act.subject).statement(act.time)
    if statement is None:
        return
    for absent in lacking(act.data, statement.terms, use=False):
        if absent[0] not in ledger:
            ledger[absent[0]] = True
            yield _said_of(absent, act, statement)


def _said_of(broken: Broken, act: Act, statement: Any) -> Said:
    return _said(
        broken,
        contract=act.subject,
        buyer=statement.buyer,
        asset=statement.asset,
        cause=act.cause,
        occurred=act.time,
        kind="delivery",
    )


RULE = Rule(
    id="outside-terms",
    title="Use or delivery outside the terms",
    title_zh="使用或交付超出合同约定",
    about="contract",
    severity="orange",
    articles=("民法典 509", "个人信息保护法 23", "DB11/T 2349-2024"),
    check=Check(acts=frozenset({DELIVERY_COMPLETED}), check=check, needs=frozenset({"contract"})),
    sum=Sum(
        acts=frozenset({DELIVERY_COMPLETED}),
        scopes=scopes,
        judge=over(judge_step),
        step=judge_step,
        needs=frozenset({"contract"}),
    ),
    tally=Tally(events=frozenset({USAGE_REPORTED}), memory=Memory, step=step, quiet=quiet),
)


_DAY = "2025-02-01"
_BOUNDED: Json = {"valid_from": "2025-01-01", "valid_to": "2025-03-01"}
_VALIDITY = {"valid_from": "2025-01-01T00:00:00+08:00", "valid_to": "2025-03-01T00:00:00+08:00"}


def _licensed(time: str = "2025-01-01", *, amended: bool = False, **restrictions: Any) -> Json:
    return signed("c", time, amended=amended, terms=terms(**restrictions))


def _broken(term: str, value: Any, allowed: Any, cause: str | None = None) -> Json:
    finding: Json = {
        "severity": "yellow" if value is None else "orange",
        "about": {"kind": "contract", "id": "c"},
        "party": BUYER,
        "evidence": {"term": term, "given": value, "allowed": allowed},
    }
    return finding if cause is None else finding | {"cause": {"id": cause}}


def _outside(text: str) -> Json:
    return _broken("time", text, _VALIDITY)


_TIMES = (
    ("2024-12-31T23:59:59.999999+08:00", False),
    ("2025-01-01T00:00:00+08:00", True),
    ("2025-01-01T00:00:00.000001+08:00", True),
    ("2025-02-28T23:59:59.999999+08:00", True),
    ("2025-03-01T00:00:00+08:00", False),
    ("2025-03-01T00:00:00.000001+08:00", False),
)
# (restriction of the terms, what the event says, term, given, or None where it is allowed)
_OF_BOTH: tuple[tuple[Json, Json, str, str | None], ...] = (
    ({"countries": ["CN", "SG"]}, {"country": "SG"}, "country", None),
    ({"countries": ["CN", "SG"]}, {"country": "DE"}, "country", "DE"),
    ({"countries": []}, {"country": "CN"}, "country", "CN"),
    ({"regions": ["110000"]}, {"region": "110108"}, "region", None),
    ({"regions": ["110100"]}, {"region": "110108"}, "region", None),
    ({"regions": ["110108"]}, {"region": "110108"}, "region", None),
    ({"regions": ["110000"]}, {"region": "120101"}, "region", "120101"),
    ({"regions": ["110108"]}, {"region": "110105"}, "region", "110105"),
    ({"regions": ["110108"]}, {"region": "110000"}, "region", "110000"),
)
_OF_USES: tuple[tuple[Json, Json, str, str | None], ...] = (
    ({"recipients": [BUYER]}, {"actor": BUYER}, "recipient", None),
    ({"recipients": [BUYER]}, {"actor": THIRD}, "recipient", THIRD),
    ({"recipients": [BUYER]}, {}, "recipient", None),
    ({"environments": ["enclave"]}, {"environment": "enclave"}, "environment", None),
    ({"environments": ["enclave"]}, {"environment": "laptop"}, "environment", "laptop"),
)
_OF_DELIVERIES: tuple[tuple[Json, Json, str, str | None], ...] = (
    ({"recipients": [BUYER]}, {"recipient": BUYER}, "recipient", None),
    ({"recipients": [BUYER]}, {"recipient": THIRD}, "recipient", THIRD),
    ({"delivery": ["api", "report"]}, {"mode": "report"}, "mode", None),
    ({"delivery": ["api", "report"]}, {"mode": "file"}, "mode", "file"),
    ({"environments": ["enclave"]}, {}, "environment", None),
)


def _held_against(kind: str, build: Any, rows: Sequence[tuple[Json, Json, str, str | None]]) -> Iterable[Case]:
    for restriction, data, term, broken in rows:
        (allowed,) = restriction.values()
        yield Case(
            name=f"a {kind} with {data or 'no ' + term} where the terms say {restriction}",
            events=[_licensed(**restriction), build("c", _DAY, **data)],
            fires=[] if broken is None else [_broken(term, broken, allowed)],
        )


_AT_HOME: Json = {"countries": ["CN"]}

CASES = (
    *(
        Case(
            name=f"a {kind} at {time}",
            events=[_licensed(**_BOUNDED), build("c", time)],
            fires=[] if inside_ else [_outside(time)],
        )
        for kind, build in (("use", used), ("delivery", delivered))
        for time, inside_ in _TIMES
    ),
    *_held_against("use", used, (*_OF_BOTH, *_OF_USES)),
    *_held_against("delivery", delivered, (*_OF_BOTH, *_OF_DELIVERIES)),
    Case(
        name="one finding per term that is broken",
        events=[
            _licensed(countries=["CN"], recipients=[BUYER], delivery=["api"]),
            delivered("c", _DAY, country="DE", recipient=THIRD, mode="file", id="d"),
        ],
        fires=[
            _broken("country", "DE", ["CN"], "d"),
            _broken("recipient", THIRD, [BUYER], "d"),
            _broken("mode", "file", ["api"], "d"),
        ],
    ),
    Case(
        name="what a use does not state is said once a term, of the first on the key",
        events=[
            _licensed(countries=["CN"], environments=["enclave"]),
            used("c", "2025-02-02", environment="enclave", id="u1"),
            used("c", "2025-02-01", id="u2"),
            used("c", "2025-02-03", id="u3"),
        ],
        fires=[_broken("country", None, ["CN"], "u1"), _broken("environment", None, ["enclave"], "u2")],
    ),
    Case(
        name="what a delivery does not state is said once a term, of the earliest",
        events=[
            _licensed(countries=["CN"], regions=["110000"]),
            delivered("c", "2025-02-02", id="d2"),
            delivered("c", "2025-02-01", region="110108", id="d1"),
        ],
        fires=[_broken("country", None, ["CN"], "d1"), _broken("region", None, ["110000"], "d2")],
    ),
    Case(
        name="uses and deliveries lack a country each for themselves",
        events=[_licensed(**_AT_HOME), used("c", _DAY, id="u"), delivered("c", _DAY, id="d")],
        fires=[_broken("country", None, ["CN"], "u"), _broken("country", None, ["CN"], "d")],
    ),
    Case(
        name="the earliest delivery that lacks a country was taken back: the next one says it",
        events=[
            _licensed(**_AT_HOME),
            delivered("c", "2025-02-01", id="d1"),
            delivered("c", "2025-02-02", id="d2"),
            retracted(delivered("c", "2025-02-01", id="d1"), "2025-02-03"),
        ],
        fires=[_broken("country", None, ["CN"], "d2")],
    ),
    Case(
        name="lacking it and stating a wrong one are two findings",
        events=[_licensed(**_AT_HOME), used("c", _DAY, id="u1"), used("c", _DAY, country="DE", id="u2")],
        fires=[_broken("country", None, ["CN"], "u1"), _broken("country", "DE", ["CN"], "u2")],
    ),
    Case(
        name="a delivery that was taken back breaks nothing",
        events=[
            _licensed(**_AT_HOME),
            delivered("c", _DAY, country="DE", id="d"),
            retracted(delivered("c", _DAY, country="DE", id="d"), "2025-02-02"),
        ],
    ),
    Case(
        name="the exchange's report of a delivery counts, not the provider's",
        events=[
            _licensed(**_AT_HOME),
            delivered("c", _DAY, delivery="d", country="DE", reporter="provider"),
            delivered("c", "2025-02-02", delivery="d", country="CN"),
        ],
    ),
    Case(
        name="a delivery is judged by the terms of its time, also by those that come late",
        events=[
            _licensed(**_AT_HOME),
            delivered("c", "2025-02-02", country="SG"),
            delivered("c", "2025-02-01", country="SG", id="before"),
            _licensed("2025-02-02", amended=True, countries=["CN", "SG"]),
        ],
        fires=[_broken("country", "SG", ["CN"], "before")],
    ),
    Case(
        name="a use is judged by the terms that came before it",
        events=[
            _licensed(**_AT_HOME),
            used("c", "2025-02-02", country="SG", id="u"),
            _licensed("2025-02-01", amended=True, countries=["CN", "SG"]),
            used("c", "2025-02-02", country="SG"),
        ],
        fires=[_broken("country", "SG", ["CN"], "u")],
    ),
    Case(
        name="uses and deliveries before the first terms wait for them",
        events=[used("c", _DAY, country="DE"), delivered("c", _DAY, country="DE"), _licensed(**_AT_HOME)],
        fires=[_broken("country", "DE", ["CN"]), _broken("country", "DE", ["CN"])],
    ),
    Case(
        name="a cancellation is no use",
        events=[
            _licensed(**_BOUNDED),
            used("c", _DAY, id="u"),
            event("usage.cancelled", "c", "2025-03-02", usage="u", uses=1),
        ],
    ),
    *(
        Case(
            name=f"a report of {counts}",
            events=[_licensed(**_AT_HOME), used("c", _DAY, country="DE", **Json(counts))],
            fires=fires,
        )
        for counts, fires in (
            ({"uses": 0}, []),
            ({"uses": 0, "bytes": 0, "rows": 0}, []),
            ({"uses": 1}, [_broken("country", "DE", ["CN"])]),
            ({"uses": 0, "bytes": 1}, [_broken("country", "DE", ["CN"])]),
            ({"uses": 0, "rows": 1}, [_broken("country", "DE", ["CN"])]),
        )
    ),
    Case(
        name="a report of nothing does not state its country, nor does the first use",
        events=[_licensed(**_AT_HOME), used("c", _DAY, 0, id="nothing"), used("c", "2025-02-02", id="first")],
        fires=[_broken("country", None, ["CN"], "first")],
    ),
    Case(
        name="a use that waited and was cancelled before the terms came is none",
        events=[
            used("c", _DAY, country="DE", id="u"),
            event("usage.cancelled", "c", "2025-02-02", usage="u", uses=1),
            _licensed(**_AT_HOME),
        ],
    ),
)
