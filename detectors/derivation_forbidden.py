"""Something is derived from another's data, and nothing allows it.

Why it matters: who only bought the use of data may not process it into something of its own; the right to process is
one of three, and is granted by itself (Opinion of 2022-12-02, article 3).

False positives: a processing right, or a contract that allows derivation, that was not reported; the finding is cleared
when it arrives, if it held when the asset was derived.

What to do: ask the owner of the input whether it allowed the derivation, and stop the trade of what came of it until
then.

Public data may be derived from by anybody. An input is judged once it is known whose it is, and so is what came of it.
"""

from collections.abc import Iterable
from typing import Any

from circulation.events.names import ASSET_DERIVED, CONTRACT_AMENDED, CONTRACT_SIGNED
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
from circulation.findings import About, Said
from circulation.keys import join_key, split_key
from circulation.ledger import Ledger
from circulation.licences import TERMS_TYPES
from circulation.rights import bought
from circulation.rules import Rule, Sum, over

PROCESSING = "processing-right"
# The contracts under which the owner has the input, and what was said of already.
_BOUGHT, _SAID = "bought", "said"


def scopes(act: Act, facts: Facts) -> Iterable[str]:
    """An input, and who derives from it without being its owner or holding a right; of contracts the buyer, and the one
    whose place they take."""
    if act.type in TERMS_TYPES:
        yield from sorted({join_key(one.asset, one.buyer) for one in facts.contract(act.subject).and_replaced(act)})
        return
    owner = _owner(act.subject, act.time, facts)
    if owner is None:
        return
    for input_ in sorted({one.asset for one in act.data.inputs} - {act.subject}):
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
    """Takes up what was bought; holds a derivation against it, and says the first of an asset that nothing allows."""
    input_, owner = split_key(scope)
    if act.type in TERMS_TYPES:
        if (_BOUGHT, act.subject) not in ledger:
            ledger.add(_BOUGHT, act.subject)
        ledger[_BOUGHT, act.subject] = facts.contract(act.subject)
        return
    if (_SAID, act.subject) in ledger:
        return
    contracts = [ledger.get((_BOUGHT, one)) for one in ledger.list(_BOUGHT)]
    having = [one for one in contracts if any(bought([one], input_, owner, act.time))]
    stated = [(one.statement(act.time), one.id) for one in having]
    if any(one.terms.derivation for one, _ in stated):
        return
    ledger[_SAID, act.subject] = True
    forbidding = max(((one.signed, id_) for one, id_ in stated), default=None)
    contract = {} if forbidding is None else {"contract": forbidding[1]}
    yield Said(
        severity=RULE.severity,
        about=About("asset", act.subject),
        party=owner,
        occurred=act.time,
        cause=act.cause,
        apart=(input_,),
        summary=(
            f"{owner} derived {act.subject} from {input_}, which {_owner(input_, act.time, facts)} owns,"
            + (f" and the contract {forbidding[1]} forbids it." if forbidding else " and nothing allows it.")
        ),
        summary_zh=(
            f"{owner} 由 {input_}（所有方为 {_owner(input_, act.time, facts)}）衍生出 {act.subject}，"
            + (f"而合同 {forbidding[1]} 禁止衍生。" if forbidding else "没有任何许可。")
        ),
        evidence={"input": input_, "owner": _owner(input_, act.time, facts), **contract},
        asset=act.subject,
    )


RULE = Rule(
    id="derivation-forbidden",
    title="Derived from another's data without the right to",
    title_zh="未经许可加工衍生",
    about="asset",
    severity="orange",
    articles=("关于构建数据基础制度更好发挥数据要素作用的意见 3",),
    sum=Sum(
        acts=frozenset({ASSET_DERIVED, CONTRACT_SIGNED, CONTRACT_AMENDED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        waits=derivations,
        first=frozenset(TERMS_TYPES),
        needs=frozenset({"asset", "contract", "controllers"}),
    ),
)


def _forbidden(input_: str = "b", contract: str | None = None, **more: object) -> Json:
    evidence = {"input": input_} | ({} if contract is None else {"contract": contract})
    found: Json = {"severity": "orange", "about": {"kind": "asset", "id": "a"}, "party": BUYER, "evidence": evidence}
    return found | more


_DAY, _RULES = "2025-03-01", pack()
_JUST_AFTER = "2025-03-01T00:00:00.000001"
_MINE, _THEIRS = asset("a", owner=BUYER), asset("b", owner=OWNER)
_MADE = derived("a", _DAY, "b")
_DERIVE = terms(derivation=True)


def _bought(contract: str, time: str, **more: Any) -> Json:
    return signed(contract, time, **({"asset": "b", "buyer": BUYER} | more))


CASES = (
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
