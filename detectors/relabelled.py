"""An asset is registered again so that the list, or its owner, no longer fits it.

Why it matters: what is listed is found by what its registration says. Whoever describes forbidden data anew sells it
under another name; whoever names another owner changes who answers for it (Data Security Law, article 21).

False positives: a description that was wrong and is mended; have an office grade the asset. An owner that did change.

What to do: compare both descriptions with the data itself, and have an approved grading made, which clears the finding.

Of the owner and the rights the word of the asset's home counts: of the source that registered it first, and of others
of its exchange. What another source states of them has no effect, and is told of.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from circulation.calendar import format_instant
from circulation.events.event import Event
from circulation.events.names import ASSET_GRADED, ASSET_REGISTERED
from circulation.examples import OWNER, SELLER, SOURCE, THIRD, Case, Json, asset, entry, event, pack, party, retracted
from circulation.facts.acts import NEVER, Act, order
from circulation.facts.assets import Undoing
from circulation.facts.facts import Facts
from circulation.facts.grades import is_approved, stated
from circulation.findings import About, Cause, Said, Severity
from circulation.ledger import Ledger
from circulation.packs.entry import Entry, Subject, Verdict
from circulation.packs.matching import judge_entry
from circulation.rules import Rule, Sum, over
from circulation.words import FACT, listed_zh, zh

# Whether there was an act; the names of what is kept of each retraction.
_BEGUN, _KEPT = "begun", "kept"
# The facts of an asset that entries ask for.
MEMBERS = ("owner", "category", "industry", "level", "personal", "fields", "tags", "public", "persons")


def scopes(act: Act, _: Facts) -> Iterable[str]:
    """The asset."""
    yield act.subject


def step(ledger: Ledger, scope: str, act: Act, facts: Facts) -> Iterable[Said]:
    """Looks at a registration: what it changes of who the asset is of, and which entries it no longer fits by it.

    A retraction is no act of its own: those before the first act are looked at with it, the others with each act that
    they are not before, the last of which counts.
    """
    known = facts.asset(scope)
    first = ledger.get(_BEGUN) is None
    ledger[_BEGUN] = True
    for by, taken_back in known.undone:
        if first or order(by) >= order(act):
            _keep_retraction(ledger, scope, by, taken_back, facts)
    if act.type != ASSET_REGISTERED or known.approved_since(act.time):
        return
    yield from _of_others(act, facts) if not known.home.has(act.source) else _of_home(act, facts)
    yield from _entries(scope, act, facts)


def _keep_retraction(ledger: Ledger, asset_: str, by: Undoing, taken_back: Event, facts: Facts) -> None:
    """Says what the asset no longer fits, and of whom it no longer is, by a retraction of one of its registrations."""
    known = facts.asset(asset_)
    findings: list[Said] = []
    if not known.approved_since(by.time):
        findings += _entries(asset_, by, facts)
        before, after = (known.alive(by, just_before=just_before) for just_before in (True, False))
        of_home = known.home.has(taken_back.source) and not known.home.is_official(by.source)
        if of_home and before is not None and after is not None and (changed := _owning(before, after)):
            summary = (
                f"{by.source} takes a registration of {asset_} back at {format_instant(by.time)}, by which it has"
                f" another {' and '.join(changed)}."
            )
            summary_zh = (
                f"{by.source} 于 {format_instant(by.time)} 撤回 {asset_} 的一次登记，{_listed_zh(changed)}因此有变。"
            )
            findings.append(_said(asset_, by, "yellow", ("owning",), summary, summary_zh, {"changed": changed}, facts))
    name = repr(by)
    for old in ledger.get((_KEPT, name), ()):
        ledger.drop(old)
    names = []
    for at, finding in enumerate(findings):
        ledger.keep(f"{name} {at}", finding)
        names.append(f"{name} {at}")
    ledger[_KEPT, name] = names


def _of_others(act: Act, facts: Facts) -> Iterator[Said]:
    """What another source than the home states of owner and rights."""
    known = facts.asset(act.subject)
    if changed := _owning(known.registration(act.time), act.data):
        summary = (
            f"{act.source} registers {act.subject} at {format_instant(act.time)} with another {' and '.join(changed)},"
            f" which has no effect: it is an asset of {known.home.source}."
        )
        summary_zh = (
            f"{act.source} 于 {format_instant(act.time)} 以不同的{_listed_zh(changed)}登记 {act.subject}，该陈述无效："
            f"此数据资产由 {known.home.source} 报送。"
        )
        evidence = {"changed": changed, "home": known.home.source, "given": act.source}
        yield _said(act.subject, act, "orange", ("owning",), summary, summary_zh, evidence, facts)


def _of_home(act: Act, facts: Facts) -> Iterator[Said]:
    """What the home changes of owner and rights, where it is no official who states it."""
    known = facts.asset(act.subject)
    before = known.own_before(act)
    if before is None or known.home.is_official(act.source):
        return
    if changed := _owning(before, act.data):
        summary = (
            f"{act.subject} is registered again at {format_instant(act.time)} with another {' and '.join(changed)}."
        )
        summary_zh = f"{act.subject} 于 {format_instant(act.time)} 重新登记，{_listed_zh(changed)}有变。"
        yield _said(act.subject, act, "yellow", ("owning",), summary, summary_zh, {"changed": changed}, facts)


def _owning(before: Any, after: Any) -> dict[str, Json]:
    """The members that differ, each before and after: the order of rights means nothing."""
    changes: dict[str, Json] = {}
    if before.owner != after.owner:
        changes["owner"] = {"before": before.owner, "after": after.owner}
    if frozenset(before.rights) != frozenset(after.rights):
        changes["rights"] = {"before": sorted(before.rights), "after": sorted(after.rights)}
    return changes


def _entries(asset_: str, act: Act | Undoing, facts: Facts) -> Iterator[Said]:
    """The entries that fitted the asset just before it was registered again, or that was undone, and no longer do."""
    known = facts.asset(asset_)
    data, registered = (known.alive(act, just_before=just_before) for just_before in (True, False))
    if data is None:
        return
    grade = known.grades.before(act) or stated(data)
    graded = known.grades.after(act) or grade
    before = facts.described(asset_, data, grade, act.time)
    after = Subject(id=asset_, registered=False)
    if registered is not None:
        after = facts.described(asset_, registered, graded, act.time)
    if before == after:
        return
    of_before, of_after = (_owners(subject, act.time, facts) for subject in (before, after))
    for lost in _lost(before, of_before, after, of_after, act.time, facts):
        changed = {
            member: {"before": _shown(getattr(before, member)), "after": _shown(getattr(after, member))}
            for member in MEMBERS
            if getattr(before, member) != getattr(after, member)
        }
        summary = (
            f"{asset_} is registered otherwise from {format_instant(act.time)} on, with other"
            f" {' and '.join(changed)}, and no longer fits entry {lost.id}."
        )
        summary_zh = (
            f"{asset_} 自 {format_instant(act.time)} 起登记有变（{_listed_zh(changed)}），"
            f"因而不再匹配负面清单条目 {lost.id}。"
        )
        evidence = {"entry": lost.id, "changed": changed}
        yield _said(asset_, act, "orange", ("entry", lost.id), summary, summary_zh, evidence, facts)


def _lost(
    before: Subject, of_before: Collection[str], after: Subject, of_after: Collection[str], instant: int, facts: Facts
) -> list[Entry]:
    """The entries in force, or published and to come, that match before and do not after: one of each id."""
    lost: dict[str, Entry] = {}
    for pack_, since in facts.packs.known_at(instant):
        for fits in pack_.compiled.matching(before, of_before):
            if fits.valid_to is not None and fits.valid_to <= max(since, fits.valid_from):
                continue
            if judge_entry(fits, after, of_after)[0] is not Verdict.MATCH:
                lost.setdefault(fits.id, fits)
    return [lost[id_] for id_ in sorted(lost)]


def _owners(subject: Subject, instant: int, facts: Facts) -> list[str]:
    """The owner and all who control it."""
    return [] if subject.owner is None else facts.chain(subject.owner, instant)


def _listed_zh(changed: Iterable[str]) -> str:
    return listed_zh(zh(FACT, member) for member in changed)


def _shown(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def reaches(act: Act, facts: Facts) -> int:
    """An approved grading holds for all that was registered since an earlier one, and for nothing before that.

    A registration may move the home, by whose word all others are looked at.
    """
    known = facts.asset(act.subject)
    if act.type == ASSET_REGISTERED:
        return -NEVER if known.is_shared else act.time
    if not is_approved(act):
        return act.time
    for statement in reversed(known.grades.statements):
        if order(statement) < order(act) and is_approved(statement):
            # Retractions between the two are looked at with the earlier one.
            return min(statement.time if known.undone else statement.time + 1, act.time)
    return -NEVER


def _said(
    asset_: str,
    act: Act | Undoing,
    severity: Severity,
    apart: tuple[str, ...],
    summary: str,
    summary_zh: str,
    evidence: dict[str, Any],
    facts: Facts,
) -> Said:
    known = facts.asset(asset_)
    registered = known.after(act) if isinstance(act, Act) else known.registration(act.time)
    return Said(
        severity=severity,
        about=About("asset", asset_),
        party=None if registered is None else registered.owner,
        occurred=act.time,
        cause=Cause(act.source, act.id),
        apart=apart,
        summary=summary,
        summary_zh=summary_zh,
        evidence={**evidence, "source": act.source, "at": format_instant(act.time)},
        asset=asset_,
    )


RULE = Rule(
    id="relabelled",
    title="Registered again as something else",
    title_zh="改换标签避开负面清单",
    about="asset",
    severity="orange",
    articles=("数据安全法 21",),
    sum=Sum(
        acts=frozenset({ASSET_REGISTERED, ASSET_GRADED}),
        scopes=scopes,
        judge=over(step),
        step=step,
        reaches=reaches,
        coming=True,
        needs=frozenset({"asset", "controllers"}),
    ),
)


_DAY, _ELSEWHERE = "2025-02-01", "//elsewhere.example"
_FACES = entry("faces", match={"fields": ["face*"]})
_RULES = pack(_FACES)
_A = asset("a", fields=["face_id", "road"])
_ROADS: Json = {"fields": ["road"]}


def _relabelled(entry_: str | None = "faces", severity: str = "orange", **more: object) -> Json:
    evidence = {} if entry_ is None else {"evidence": {"entry": entry_}}
    return {"severity": severity, "about": {"kind": "asset", "id": "a"}, **evidence, **more}


def _owning_said(severity: str, **changed: tuple[object, object]) -> Json:
    evidence = {name: {"before": before, "after": after} for name, (before, after) in changed.items()}
    return _relabelled(None, severity, evidence={"changed": evidence})


def _graded(time: str, approved_by: str | None = "an office", level: str = "general") -> Json:
    return event("asset.graded", "a", time, level=level, personal="none", reason="review", approved_by=approved_by)


_AGAIN = asset("a", _DAY, **_ROADS)
_BACK = retracted(asset("a", "2025-02-02", fields=["face_id"]), "2025-02-03")

CASES = (
    Case(
        name="an entry no longer fits",
        rules=_RULES,
        events=[_A, _AGAIN],
        fires=[
            _relabelled(
                party=OWNER,
                cause={"source": SOURCE, "id": _AGAIN["id"]},
                evidence={
                    "entry": "faces",
                    "changed": {"fields": {"before": ["face_id", "road"], "after": ["road"]}},
                },
            )
        ],
    ),
    Case(name="the first registration", rules=_RULES, events=[_AGAIN]),
    Case(name="an entry that still fits", rules=_RULES, events=[_A, asset("a", _DAY, fields=["face_width"])]),
    Case(name="an entry that did not fit before", rules=_RULES, events=[asset("a"), _AGAIN]),
    Case(
        name="what is not stated any longer does not fit for certain",
        rules=_RULES,
        events=[_A, asset("a", _DAY, fields=None)],
        fires=[_relabelled()],
    ),
    Case(
        name="another source relabels as well",
        rules=_RULES,
        events=[_A, asset("a", _DAY, source=_ELSEWHERE, **_ROADS)],
        fires=[_relabelled(cause={"source": _ELSEWHERE})],
    ),
    *(
        Case(name=f"an entry {name}", rules=pack({**_FACES, **validity}), events=[_A, _AGAIN], fires=fires)
        for name, validity, fires in (
            ("that ended at the instant", {"valid_to": _DAY}, []),
            ("that ends just after", {"valid_to": "2025-02-01T00:00:00.000001+08:00"}, [_relabelled()]),
            ("that is published and begins later", {"valid_from": "2025-06-01"}, [_relabelled()]),
        )
    ),
    *(
        Case(
            name=f"an entry of a pack that {name}",
            rules=pack(),
            events=[
                event("rulepack.published", "beijing", time, **pack(_FACES, version="2", valid_from=since)),
                _A,
                _AGAIN,
            ],
            fires=fires,
        )
        for name, time, since, fires in (
            ("was published at the instant and comes later", _DAY, "2025-06-01", [_relabelled()]),
            ("is published just after", "2025-02-01T00:00:00.000001", "2025-06-01", []),
            ("is published later and was in force", "2025-03-01", "2025-01-01", [_relabelled()]),
        )
    ),
    Case(
        name="two entries are two findings",
        rules=pack(_FACES, entry("traffic", match={"category": ["traffic"]})),
        events=[_A, asset("a", _DAY, category="roads", **_ROADS)],
        fires=[_relabelled(), _relabelled("traffic")],
    ),
    Case(
        name="a level that is stated lower still fits",
        rules=pack(entry("important", match={"level": ["important"]})),
        events=[asset("a", level="important"), asset("a", _DAY)],
    ),
    *(
        Case(name=f"relabelled, and {name}", rules=_RULES, events=[_A, _AGAIN, grading], fires=fires)
        for name, grading, fires in (
            ("graded with an approval at the instant", _graded(_DAY), []),
            ("graded with an approval later", _graded("2025-06-01", level="core"), []),
            ("graded with an approval just before", _graded("2025-01-31T23:59:59.999999"), [_relabelled()]),
            ("graded by nobody", _graded("2025-06-01", approved_by=None), [_relabelled()]),
        )
    ),
    Case(
        name="a registration that is taken back changes nothing",
        rules=_RULES,
        events=[_A, _AGAIN, retracted(_AGAIN, "2025-02-02")],
    ),
    *(
        Case(name=f"a description that is taken back {name}", rules=_RULES, events=events, fires=fires)
        for name, events, fires in (
            (
                "after another took its place leaves the other told of",
                [_A, _AGAIN, retracted(_A, "2025-02-02")],
                [_relabelled(cause={"source": SOURCE, "id": _AGAIN["id"]})],
            ),
            (
                "is told of where an older one is left that does not fit",
                [_AGAIN, asset("a", "2025-02-02", fields=["face_id"]), _BACK],
                [_relabelled(cause={"source": SOURCE, "id": _BACK["id"]})],
            ),
            (
                "is told of where the asset is registered anew only then",
                [_A, retracted(_A, "2025-01-20"), _AGAIN],
                [_relabelled(cause={"source": SOURCE, "id": retracted(_A, "2025-01-20")["id"]})],
            ),
            (
                "is approved of by a grading since",
                [_AGAIN, asset("a", "2025-02-02", fields=["face_id"]), _BACK, _graded("2025-02-04")],
                [],
            ),
        )
    ),
    Case(
        name="another source states another owner",
        rules=_RULES,
        events=[asset("a"), asset("a", _DAY, source=_ELSEWHERE, owner=THIRD)],
        fires=[_owning_said("orange", owner=(OWNER, THIRD))],
    ),
    Case(
        name="another source states other rights",
        rules=_RULES,
        events=[asset("a", rights=["holding"]), asset("a", _DAY, source=_ELSEWHERE, rights=["operating", "holding"])],
        fires=[_owning_said("orange", rights=(["holding"], ["holding", "operating"]))],
    ),
    Case(
        name="another source states the same, in another order",
        rules=_RULES,
        events=[
            asset("a", rights=["holding", "operating"]),
            asset("a", _DAY, source=_ELSEWHERE, rights=["operating", "holding"]),
        ],
    ),
    Case(
        name="another source that is dated before the home",
        rules=_RULES,
        events=[asset("a", _DAY), asset("a", source=_ELSEWHERE, owner=THIRD)],
        fires=[_owning_said("orange", owner=(OWNER, THIRD))],
    ),
    Case(
        name="a better reporter becomes the home, and the one before is another source",
        rules=_RULES,
        events=[asset("a", source=_ELSEWHERE, reporter="provider", owner=THIRD), asset("a", _DAY)],
        fires=[_owning_said("orange", owner=(OWNER, THIRD))],
    ),
    Case(
        name="where all are officials, the home may change the owner",
        rules=_RULES,
        events=[asset("a"), asset("a", _DAY, owner=THIRD)],
    ),
    Case(
        name="an owner that is listed, or whom somebody controls who is, is no longer named",
        rules=pack(entry("barred", match={"parties": [OWNER]}), entry("behind", match={"parties": [SELLER]})),
        events=[party(OWNER, controller=SELLER), asset("a"), asset("a", _DAY, owner=THIRD)],
        fires=[_relabelled("barred"), _relabelled("behind")],
    ),
)
