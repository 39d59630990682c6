"""Something is derived from another's data, and nothing allows it.

Why it matters: who only bought the use of data may not process it into something of its own; the right to process is
one of three, and is granted by itself (Opinion of 2022-12-02, article 3).

False positives: a processing right, or a contract that allows derivation, that was not reported; the finding is cleared
when it arrives, if it held when the asset was derived.

What to do: ask the owner of the input whether it allowed the derivation, and stop the trade of what came of it until
then.

Public data may be derived from by anybody. An input is judged once it is known whose it is, and so is what came of it.
What an OpenLineage run derives counts from the instant at which it does; another name of the same data is none.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from circulation.events.names import ASSET_DERIVED, ASSET_REGISTERED, CONTRACT_AMENDED, CONTRACT_SIGNED
from circulation.examples import (
    BUYER,
    OWNER,
    THIRD,
    Case,
    Json,
    asset,
    derived,
    granted,
    pack,
    party,
    retracted,
    signed,
    terminated,
    terms,
)
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Cause, Said
from circulation.keys import join_key, split_key
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.rights import bought
from circulation.rules import Rule, Sum, over

PROCESSING = "processing-right"
# The contracts under which the owner has the input; since when what is said of an asset holds; what runs derive, and
# of each asset what of that was noted.
_BOUGHT, _SAID, _AHEAD, _NOTED = "bought", "said", "ahead", "noted"


class _Made(NamedTuple):
    """A derivation by OpenLineage: when (µs), of what, and whose the input was."""

    time: int
    asset: str
    input_owner: str


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """An input, and who derives from it without being its owner or holding a right; of contracts the buyer, and the one
    whose place they take."""
    if act.type in TERMS_TYPES:
        yield from sorted(
            {join_key(statement.asset, statement.buyer) for statement in facts.contract(act.subject).and_replaced(act)}
        )
        return
    if act.type == ASSET_REGISTERED:
        # Whoever ever owns it: the registration may be the one that ends it.
        for edge in facts.made(act.subject):
            owners = facts.asset(edge.input).owners()
            for holder in sorted(facts.asset(act.subject).owners()) if owners else ():
                if owners != {holder}:
                    yield (scope := join_key(edge.input, holder))
                    yield derivations(scope)
        return
    owner = _owner(act.subject, act.time, facts)
    if owner is None:
        return
    for input_ in sorted({stated.asset for stated in act.data.inputs} - {act.subject}):
        if not _may_process(owner, input_, act.time, facts):
            yield (scope := join_key(input_, owner))
            yield derivations(scope)


def derivations(scope: str) -> str:
    """The scope of the derivations alone: of purchases nothing is said."""
    return join_key(*split_key(scope)[:2], "derivations")


def _owner(asset_: str, instant: int, facts: Facts) -> str | None:
    registered = facts.asset(asset_).registration(instant)
    return None if registered is None else registered.owner


def _may_process(owner: str, input_: str, instant: int, facts: Facts) -> bool:
    """Whether an owner needs no contract to derive from an input, or that cannot be told."""
    registered = facts.asset(input_).registration(instant)
    if registered is None or registered.owner is None or registered.public:
        return True
    if facts.topmost(owner, instant) == facts.topmost(registered.owner, instant):
        return True
    return facts.party(owner).covered(instant, {PROCESSING}, asset=input_)


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Takes up what was bought; holds a derivation against it, and says the first of an asset that nothing allows.

    A run's derivation is no act of its own: it is noted with a registration, and looked at again with each act until
    one is later.
    """
    input_, owner = split_key(scope)
    for derivation in [derivation for derivation in ledger.list(_AHEAD) if derivation.time < act.time]:
        ledger.discard(_AHEAD, derivation)
        _hold_made(ledger, input_, owner, derivation)
    if act.type in TERMS_TYPES:
        if (_BOUGHT, act.subject) not in ledger:
            ledger.add(_BOUGHT, act.subject)
        ledger[_BOUGHT, act.subject] = facts.contract(act.subject)
    elif act.type == ASSET_REGISTERED:
        _note(ledger, input_, owner, act, facts)
    else:
        input_owner = _owner(input_, act.time, facts) or ""
        finding = _said(ledger, input_, owner, _Made(act.time, act.subject, input_owner), act.cause)
        if finding is not None:
            _keep(ledger, act.subject, finding)
    for derivation in list(ledger.list(_AHEAD)):
        _hold_made(ledger, input_, owner, derivation)
    return ()


def _note(ledger: Ledger, input_: str, owner: str, act: Act, facts: Facts) -> None:
    """Notes what a run derived the asset from the input, in the place of what was noted of it before."""
    before: _Made | None = ledger.get((_NOTED, act.subject))
    derivation: _Made | None = None
    for edge in facts.made(act.subject):
        if edge.input == input_ and _owner(act.subject, edge.time, facts) == owner:
            input_owner = _owner(input_, edge.time, facts)
            if input_owner is not None and not _may_process(owner, input_, edge.time, facts):
                derivation = _Made(edge.time, act.subject, input_owner)
    if derivation == before:
        return
    if before is not None and before in ledger.list(_AHEAD):
        ledger.discard(_AHEAD, before)
        ledger.drop(_name(before))
    ledger[_NOTED, act.subject] = derivation
    if derivation is None:
        return
    if derivation.time < act.time:
        _hold_made(ledger, input_, owner, derivation)
    else:
        ledger.add(_AHEAD, derivation)


def _hold_made(ledger: Ledger, input_: str, owner: str, derivation: _Made) -> None:
    """Holds what a run derived against what was bought, as far as that is known."""
    ledger.drop(_name(derivation))
    finding = _said(ledger, input_, owner, derivation, None)
    if finding is None:
        return
    if derivation in ledger.list(_AHEAD):
        if (_SAID, derivation.asset) not in ledger or ledger.get((_SAID, derivation.asset)) > derivation.time:
            ledger.keep(_name(derivation), finding)
    else:
        _keep(ledger, derivation.asset, finding)


def _name(derivation: _Made) -> str:
    return f"{derivation.time} {derivation.asset}"


def _keep(ledger: Ledger, asset_: str, finding: Said) -> None:
    """Keeps what is said of an asset, the earliest."""
    before = ledger.get((_SAID, asset_))
    if before is None or finding.occurred < before:
        ledger[_SAID, asset_] = finding.occurred
        ledger.keep(asset_, finding)


def _said(ledger: Ledger, input_: str, owner: str, derivation: _Made, cause: Cause | None) -> Said | None:
    """What is to be said of a derivation, as far as what was bought is known; nothing where a contract allows it."""
    contracts = [ledger.get((_BOUGHT, id_)) for id_ in ledger.list(_BOUGHT)]
    having = [candidate for candidate in contracts if any(bought([candidate], input_, owner, derivation.time))]
    stated = [(holding.statement(derivation.time), holding.id) for holding in having]
    if any(statement.terms.derivation for statement, _ in stated):
        return None
    forbidding = max(((statement.signed, id_) for statement, id_ in stated), default=None)
    contract = {} if forbidding is None else {"contract": forbidding[1]}
    return Said(
        severity=RULE.severity,
        about=About("asset", derivation.asset),
        party=owner,
        occurred=derivation.time,
        cause=cause,
        apart=(input_,) if cause else (input_, str(derivation.time)),
        summary=(
            f"{owner} derived {derivation.asset} from {input_}, which {derivation.input_owner} owns,"
            + (f" and the contract {forbidding[1]} forbids it." if forbidding else " and nothing allows it.")
        ),
        summary_zh=(
            f"{owner} 由 {input_}（所有方为 {derivation.input_owner}）衍生出 {derivation.asset}，"
            + (f"而合同 {forbidding[1]} 禁止衍生。" if forbidding else "没有任何许可。")
        ),
        evidence={"input": input_, "owner": derivation.input_owner, **contract},
        asset=derivation.asset,
    )


RULE = Rule(
    id="derivation-forbidden",
    title="Derived from another's data without the right to",
    title_zh="未经许可加工衍生",
    about="asset",
    severity="orange",
    articles=("关于构建数据基础制度更好发挥数据要素作用的意见 3",),
    sum=Sum(
        acts=frozenset({ASSET_DERIVED, ASSET_REGISTERED, CONTRACT_SIGNED, CONTRACT_AMENDED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        waits=derivations,
        first=frozenset(TERMS_TYPES),
        needs=frozenset({"asset", "made", "contract", "controllers"}),
    ),
)


def _forbidden(input_: str = "b", contract: str | None = None, **more: object) -> Json:
    evidence = {"input": input_} | ({} if contract is None else {"contract": contract})
    finding: Json = {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": BUYER, "evidence": evidence}
    return finding | more


_DAY, _RULES = "2025-03-01", pack()
_JUST_AFTER = "2025-03-01T00:00:00.000001"
_MINE, _THEIRS = asset("a", owner=BUYER), asset("b", owner=OWNER)
_MADE = derived("a", _DAY, "b")
_DERIVE = terms(derivation=True)


def _bought(contract: str, time: str, **more: Any) -> Json:
    return signed(contract, time, **({"asset": "b", "buyer": BUYER} | more))


_RAN = "2025-03-01T08:00:00+08:00"


def _run(*inputs: str, output: str = "a", time: str = _DAY, kind: str = "COMPLETE", run: str = "run") -> Json:
    """An event of an OpenLineage run over datasets of the namespace `ns`."""
    return {
        "eventType": kind,
        "eventTime": f"{time}T00:00:00Z",
        "run": {"runId": run},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [{"namespace": "ns", "name": input_} for input_ in inputs],
        "outputs": [{"namespace": "ns", "name": output}] if output else [],
        "producer": "urn:producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def _by_run(**more: Any) -> Json:
    return _forbidden("ns/b") | {"about": {"kind": "asset", "id": "ns/a"}, "occurred": _RAN} | more


_TO, _FROM = asset("ns/a", owner=BUYER), asset("ns/b", owner=OWNER)

CASES = (
    *(
        Case(name=f"a run, and {name}", rules=_RULES, events=[*events, _run("b")], fires=fires)
        for name, events, fires in (
            ("nothing allows it", [_TO, _FROM], [_by_run()]),
            ("a processing right", [_TO, _FROM, granted(BUYER, "2025-02-01", PROCESSING)], []),
            ("a processing right issued later", [_TO, _FROM, granted(BUYER, "2025-03-02", PROCESSING)], [_by_run()]),
            ("a contract that allows it", [_TO, _FROM, _bought("c", _DAY, asset="ns/b", terms=_DERIVE)], []),
            (
                "a contract that forbids it",
                [_TO, _FROM, _bought("c", _DAY, asset="ns/b")],
                [_by_run(evidence={"input": "ns/b", "contract": "c"})],
            ),
            (
                "a contract that allows it, signed at its instant",
                [_TO, _FROM, _bought("c", _RAN, asset="ns/b", terms=_DERIVE)],
                [],
            ),
            (
                "a contract signed later",
                [_TO, _FROM, _bought("c", "2025-03-02", asset="ns/b", terms=_DERIVE)],
                [_by_run()],
            ),
            ("one's own", [_TO, asset("ns/b", owner=BUYER)], []),
            ("public data", [_TO, asset("ns/b", owner=OWNER, public=True)], []),
            ("one's own by then", [_TO, _FROM, asset("ns/b", "2025-02-01", owner=BUYER)], []),
            ("another's by then", [_TO, asset("ns/b", owner=BUYER), asset("ns/b", "2025-02-01")], [_by_run()]),
            ("its output another's by then", [_TO, _FROM, asset("ns/a", "2025-02-01", owner=OWNER)], []),
            ("the same controller", [_TO, _FROM, party(BUYER, "2025-02-01", controller=OWNER)], []),
            ("an input that is not registered", [_TO], []),
            ("an output that is not registered", [_FROM], []),
            (
                "both registered later",
                [asset("ns/a", "2025-04-01", owner=BUYER), asset("ns/b", "2025-04-02", owner=OWNER)],
                [_by_run()],
            ),
            (
                "an act before it",
                [_TO, _FROM, derived("ns/a", "2025-02-01", "ns/b", id="act")],
                [_by_run(occurred="2025-02-01T00:00:00+08:00", cause={"id": "act"})],
            ),
            ("an act after it", [_TO, _FROM, derived("ns/a", "2025-03-05", "ns/b")], [_by_run()]),
            (
                "an act of its instant",
                [_TO, _FROM, derived("ns/a", _RAN, "ns/b", id="act")],
                [_by_run(cause={"id": "act"})],
            ),
            (
                "an act of its instant, and a later registration",
                [_TO, _FROM, derived("ns/a", _RAN, "ns/b", id="act"), asset("ns/a", "2025-04-01", owner=BUYER)],
                [_by_run(cause={"id": "act"})],
            ),
        )
    ),
    Case(
        name="a run of many inputs and outputs",
        rules=_RULES,
        events=[
            _TO,
            _FROM,
            _run("b", "d", "e", output="x", kind="START"),
            _run(output="y", kind="START"),
            _run("b"),
        ],
        fires=[_by_run()],
    ),
    Case(name="a run that failed before it derived", rules=_RULES, events=[_TO, _FROM, _run("b", kind="FAIL")]),
    Case(
        name="another name of what is another's",
        rules=_RULES,
        events=[asset("s3://b/k", owner=OWNER), asset("s3a://b/k", owner=BUYER)],
    ),
    *(
        Case(name=name, rules=_RULES, events=[_MINE, _THEIRS, *before, _MADE], fires=fires)
        for name, before, fires in (
            ("nothing allows it", [], [_forbidden(evidence={"input": "b", "owner": OWNER})]),
            ("a processing right", [granted(BUYER, "2025-01-02", PROCESSING)], []),
            ("a processing right of the input", [granted(BUYER, "2025-01-02", PROCESSING, assets=["b"])], []),
            (
                "a processing right of the asset",
                [granted(BUYER, "2025-01-02", PROCESSING, assets=["a"])],
                [_forbidden()],
            ),
            ("a processing right issued then", [granted(BUYER, _DAY, PROCESSING)], []),
            ("a processing right issued later", [granted(BUYER, _JUST_AFTER, PROCESSING)], [_forbidden()]),
            (
                "a processing right that ends then",
                [granted(BUYER, "2025-01-02", PROCESSING, valid_to=_DAY)],
                [_forbidden()],
            ),
            ("a right to operate", [granted(BUYER, "2025-01-02", "operating-right")], [_forbidden()]),
            ("the owner's right", [granted(OWNER, "2025-01-02", PROCESSING)], [_forbidden()]),
            ("a contract that allows it", [_bought("c", "2025-02-01", terms=_DERIVE)], []),
            ("a contract that forbids it", [_bought("c", "2025-02-01")], [_forbidden(contract="c")]),
            (
                "of two that forbid it the newest",
                [_bought("c", "2025-02-01"), _bought("d", "2025-02-02", signed="2025-01-01")],
                [_forbidden(contract="c")],
            ),
            ("of two one allows it", [_bought("c", "2025-02-01"), _bought("d", "2025-02-02", terms=_DERIVE)], []),
            ("a contract signed then", [_bought("c", _DAY, terms=_DERIVE)], []),
            ("a contract signed later", [_bought("c", _JUST_AFTER, terms=_DERIVE)], [_forbidden()]),
            (
                "a contract that has ended",
                [_bought("c", "2025-02-01", terms=_DERIVE), terminated("c", _DAY)],
                [_forbidden()],
            ),
            (
                "a contract that ends just after",
                [_bought("c", "2025-02-01", terms=_DERIVE), terminated("c", _JUST_AFTER)],
                [],
            ),
            (
                "a contract that allows it since then",
                [_bought("c", "2025-02-01"), _bought("c", _DAY, terms=_DERIVE, amended=True)],
                [],
            ),
            (
                "a contract that allows it no longer",
                [_bought("c", "2025-02-01", terms=_DERIVE), _bought("c", _DAY, amended=True)],
                [_forbidden(contract="c")],
            ),
            ("another buyer's contract", [_bought("c", "2025-02-01", terms=_DERIVE, buyer=THIRD)], [_forbidden()]),
            ("a contract on another asset", [_bought("c", "2025-02-01", terms=_DERIVE, asset="a")], [_forbidden()]),
            (
                "a contract that was taken back",
                [_bought("c", "2025-02-01"), retracted(_bought("c", "2025-02-01"), _DAY)],
                [_forbidden()],
            ),
        )
    ),
    *(
        Case(name=name, rules=_RULES, events=[*events, _MADE], fires=fires)
        for name, events, fires in (
            ("one's own", [asset("a", owner=OWNER), _THEIRS], []),
            ("public data", [_MINE, asset("b", owner=OWNER, public=True)], []),
            (
                "public data since later",
                [_MINE, _THEIRS, asset("b", _JUST_AFTER, owner=OWNER, public=True)],
                [_forbidden()],
            ),
            ("an input that is not registered", [_MINE], []),
            ("an asset that is not registered", [_THEIRS], []),
            (
                "registered later",
                [asset("a", "2025-04-01", owner=BUYER), asset("b", "2025-04-02", owner=OWNER)],
                [_forbidden()],
            ),
            ("one's own until then", [_MINE, asset("b", owner=BUYER), asset("b", _DAY, owner=OWNER)], [_forbidden()]),
            ("one's own since then", [_MINE, _THEIRS, asset("b", _DAY, owner=BUYER)], []),
            (
                "the same controller",
                [_MINE, _THEIRS, party(BUYER, controller=THIRD), party(OWNER, controller=THIRD)],
                [],
            ),
            (
                "the owner controls",
                [_MINE, _THEIRS, party(BUYER, controller=THIRD), party(THIRD, controller=OWNER)],
                [],
            ),
            (
                "the same controller since then",
                [_MINE, _THEIRS, party(BUYER), party(BUYER, _DAY, controller=OWNER)],
                [],
            ),
            (
                "the same controller only later",
                [_MINE, _THEIRS, party(BUYER), party(BUYER, _JUST_AFTER, controller=OWNER)],
                [_forbidden()],
            ),
        )
    ),
    Case(
        name="each input once, the first time",
        rules=_RULES,
        events=[
            _MINE,
            _THEIRS,
            asset("d", owner=THIRD),
            derived("a", _DAY, "b", "d", id="first"),
            derived("a", "2025-03-02", "b", id="second"),
        ],
        fires=[_forbidden(cause={"id": "first"}), _forbidden("d", cause={"id": "first"})],
    ),
    Case(
        name="an input two steps away",
        rules=_RULES,
        events=[
            _MINE,
            _THEIRS,
            asset("d", owner=BUYER, public=True),
            derived("d", "2025-02-01", "b"),
            derived("a", _DAY, "d"),
        ],
        fires=[_forbidden() | {"about": {"kind": "asset", "id": "d"}}],
    ),
    Case(name="derived from itself", rules=_RULES, events=[_MINE, derived("a", _DAY, "a")]),
    Case(
        name="a derivation that was taken back",
        rules=_RULES,
        events=[_MINE, _THEIRS, _MADE, retracted(_MADE, "2025-03-02")],
    ),
)
