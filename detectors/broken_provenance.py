"""Something is listed or traded whose sources are not known to the end, or that a run left unfinished.

Why it matters: nobody can say of data without a known source that it may circulate; what the negative list cannot
tell of an ancestor lies here (Data Security Law 33: an intermediary has the provider state where the data come from).

False positives: an upstream registration that was made in time and reported late; the finding is cleared once it
arrives. A registration that was made only after the act does not help: it was not there when it mattered.

What to do: have the owner of each asset in `missing` register it, and stop the trade until that is done. Of what is
`unfinished` have the job run to its end, or its operator say what the asset was made of.
"""

from collections.abc import Sequence

from circulation.calendar import format_instant
from circulation.events.names import PRODUCT_LISTED
from circulation.examples import OWNER, SELLER, Case, Json, asset, derived, instant, listed, pack, retracted, signed
from circulation.facts.acts import Act
from circulation.facts.facts import Facts
from circulation.findings import About, Said
from circulation.licences import TERMS_TYPES
from circulation.openlineage.runs import Unfinished
from circulation.rules import Check, Rule
from circulation.sales import sells
from circulation.words import ACTION, RUN, many, zh

# Ids that one finding names; `missing_count` tells of how many.
NAMED_MAX = 100


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for what was not registered by then, or names no owner: the asset itself, and all that it comes from."""
    if not sells(act, facts):
        return []
    asset = act.subject if act.type == PRODUCT_LISTED else act.data.asset
    missing = []
    for source in facts.ancestry(asset, act.time, through_stops=True).distances:
        stated = facts.asset(source).stated(act.time)
        if (stated is None or stated.owner is None) and (source == asset or not _named(source, act.time, facts)):
            missing.append(source)
    if not missing:
        return _unfinished(asset, act, facts)
    state = "is not registered itself" if asset in missing else "is registered"
    sources = len(missing) - (asset in missing)
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", asset),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            apart=(act.subject,),
            summary=(
                f"{asset} was {'listed' if act.type == PRODUCT_LISTED else 'traded'}; it {state}, and of what it was"
                f" derived from {many(sources, 'asset is', 'assets are')} not registered with an"
                " owner."
            ),
            summary_zh=(
                f"{asset} 被{ACTION['list' if act.type == PRODUCT_LISTED else 'trade'].zh}，其自身"
                f"{'未登记' if asset in missing else '已登记'}，来源中有 {sources:,} 项数据资产未登记或无所有方。"
            ),
            evidence={
                "missing": sorted(missing)[:NAMED_MAX],
                "missing_count": len(missing),
                "sources_missing": sources,
            }
            | _evidence(_left_unfinished(asset, act.time, facts)),
            asset=asset,
        )
    ]


def _left_unfinished(asset: str, instant: int, facts: Facts) -> list[Unfinished]:
    """The runs that named the asset, by whichever of its names, and left it unfinished."""
    aliases = sorted({edge.input for edge in facts.names(asset) if edge.time <= instant} - {asset})
    return [run for name in (asset, *aliases) for run in facts.unfinished(name, instant)]


def _evidence(runs: Sequence[Unfinished]) -> dict[str, object]:
    if not runs:
        return {}
    shown = [{"job": run.job, "state": run.state, "since": format_instant(run.since)} for run in runs[:NAMED_MAX]]
    return {"unfinished": shown, "unfinished_count": len(runs)}


def _unfinished(asset: str, act: Act, facts: Facts) -> list[Said]:
    """A run that named the asset ended otherwise than by saying what it was made of, and no run has said it since."""
    runs = _left_unfinished(asset, act.time, facts)
    if not runs:
        return []
    first = runs[0]
    return [
        Said(
            severity="yellow",
            about=About("asset", asset),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            apart=(act.subject,),
            summary=(
                f"{asset} was {'listed' if act.type == PRODUCT_LISTED else 'traded'}; a run of {first.job} that was to"
                f" write it {RUN[first.state].en} {format_instant(first.since)}, and no run has told since what it"
                " was made of."
            ),
            summary_zh=(
                f"{asset} 被{ACTION['list' if act.type == PRODUCT_LISTED else 'trade'].zh}；应写入它的 {first.job} 运行"
                f"于 {format_instant(first.since)} {zh(RUN, first.state)}，此后没有运行说明它由何而来。"
            ),
            evidence=_evidence(runs),
            asset=asset,
        )
    ]


def _named(asset_: str, instant: int, facts: Facts) -> bool:
    """Whether it is another name (an OpenLineage symlink) of what was registered by then."""
    originals = (edge.input for edge in facts.names(asset_) if edge.time <= instant)
    known = (facts.asset(original).stated(instant) for original in originals)
    return any(stated is not None and stated.owner is not None for stated in known)


RULE = Rule(
    id="broken-provenance",
    title="Sources that are not known to the end",
    title_zh="来源无法完整追溯",
    about="asset",
    severity="orange",
    articles=("数据安全法 33", "北京市数字经济促进条例 22"),
    check=Check(
        acts=frozenset({PRODUCT_LISTED, *TERMS_TYPES}),
        check=check,
        needs=frozenset({"asset", "contract", "ancestors", "runs"}),
    ),
)


def _broken(*missing: str, **more: object) -> Json:
    return {
        "severity": "orange",
        "about": {"kind": "asset", "id": "a"},
        "party": SELLER,
        "evidence": {"missing": list(missing), "missing_count": len(missing)},
        **more,
    }


def _run(name: str, time: str, *also: str) -> Json:
    """The asset is made of an OpenLineage dataset, which from then on has another name, too."""
    identifiers = [{"namespace": "ns", "name": alias, "type": "TABLE"} for alias in also]
    return {
        "eventType": "COMPLETE",
        "eventTime": instant(time),
        "run": {"runId": name},
        "job": {"namespace": "jobs", "name": "job"},
        "inputs": [{"namespace": "ns", "name": "one", "facets": {"symlinks": {"identifiers": identifiers}}}],
        "outputs": [{"namespace": "ns", "name": "made"}],
        "producer": "urn:producer",
        "schemaURL": "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent",
    }


def _attempt(kind: str, time: str, run: str = "attempt") -> Json:
    """An OpenLineage run that is to make the asset `ns/made`."""
    return _run(run, time) | {"eventType": kind}


def _left(state: str, since: str) -> Json:
    """What is said of `ns/made`, which a run left unfinished."""
    run = {"job": "jobs/job", "state": state, "since": since}
    return {
        "severity": "yellow",
        "about": {"kind": "asset", "id": "ns/made"},
        "party": SELLER,
        "evidence": {"unfinished": [run], "unfinished_count": 1},
    }


_DAY, _RULES = "2025-02-01", pack()
_A, _B, _C = asset("a"), asset("b"), asset("c")
_LISTED = listed("a", _DAY)

CASES = (
    Case(name="registered to its sources", rules=_RULES, events=[_A, _B, derived("a", "2025-01-02", "b"), _LISTED]),
    Case(name="an asset that is not registered is listed", rules=_RULES, events=[_LISTED], fires=[_broken("a")]),
    Case(
        name="an asset that is not registered is traded",
        rules=_RULES,
        events=[signed("c", _DAY, asset="a")],
        fires=[_broken("a")],
    ),
    Case(
        name="an ancestor two steps up is not registered",
        rules=_RULES,
        events=[_A, _B, derived("a", "2025-01-02", "b"), derived("b", "2025-01-02", "c"), _LISTED],
        fires=[_broken("c")],
    ),
    *(
        Case(
            name=f"an ancestor that was registered {name}",
            rules=_RULES,
            events=[_A, derived("a", "2025-01-02", "b"), _LISTED, asset("b", time)],
            fires=fires,
        )
        for name, time, fires in (
            ("just before the listing", "2025-01-31T23:59:59.999999", []),
            ("at the listing", _DAY, []),
            ("just after the listing", "2025-02-01T00:00:00.000001", [_broken("b")]),
        )
    ),
    *(
        Case(
            name=f"another name of a source that is given {name}",
            rules=_RULES,
            events=[
                asset("ns/made"),
                asset("ns/other"),
                _run("first", "2025-01-02"),
                listed("ns/made", _DAY),
                _run("second", time, "other"),
            ],
            fires=fires,
        )
        for name, time, fires in (
            ("just before the listing", "2025-01-31T23:59:59.999999", []),
            ("at the listing", _DAY, []),
            (
                "just after the listing",
                "2025-02-01T00:00:00.000001",
                [_broken("ns/one") | {"about": {"kind": "asset", "id": "ns/made"}}],
            ),
        )
    ),
    *(
        Case(
            name=f"a run that was to write it {name}",
            rules=_RULES,
            events=[asset("ns/made"), asset("ns/one"), *runs, listed("ns/made", _DAY)],
            fires=fires,
        )
        for name, runs, fires in (
            (
                "failed",
                [_attempt("START", "2025-01-02"), _attempt("FAIL", "2025-01-03")],
                [_left("failed", "2025-01-03T00:00:00+08:00")],
            ),
            (
                "was aborted at the listing",
                [_attempt("START", "2025-01-31T12:00"), _attempt("ABORT", _DAY)],
                [_left("aborted", "2025-02-01T00:00:00+08:00")],
            ),
            (
                "was aborted just after the listing",
                [_attempt("START", "2025-01-31T12:00"), _attempt("ABORT", "2025-02-01T00:00:00.000001")],
                [],
            ),
            (
                "was not heard of for a day",
                [_attempt("START", "2025-01-31")],
                [_left("silent", "2025-01-31T00:00:00+08:00")],
            ),
            ("was heard of within a day", [_attempt("START", "2025-01-31T00:00:00.000001")], []),
            (
                "failed after it had told what it is made of",
                [_attempt("RUNNING", "2025-01-02"), _attempt("FAIL", "2025-01-03")],
                [],
            ),
            ("failed, and completed at last", [_attempt("FAIL", "2025-01-02"), _attempt("COMPLETE", "2025-01-03")], []),
            (
                "failed before another one made it",
                [_attempt("FAIL", "2025-01-02"), _attempt("COMPLETE", "2025-01-02", "other")],
                [],
            ),
            (
                "failed after another one had made it",
                [_attempt("FAIL", "2025-01-02"), _attempt("COMPLETE", "2025-01-01T23:59:59.999999", "other")],
                [_left("failed", "2025-01-02T00:00:00+08:00")],
            ),
        )
    ),
    *(
        Case(
            name=f"a failed run that was to write it under another name, given {name}",
            rules=_RULES,
            events=[
                asset("ns/one"),
                _attempt("FAIL", "2025-01-02") | {"outputs": [{"namespace": "ns", "name": "other"}]},
                listed("ns/one", _DAY),
                _run("second", time, "other"),
            ],
            fires=fires,
        )
        for name, time, fires in (
            (
                "at the listing",
                _DAY,
                [_left("failed", "2025-01-02T00:00:00+08:00") | {"about": {"kind": "asset", "id": "ns/one"}}],
            ),
            ("just after the listing", "2025-02-01T00:00:00.000001", []),
        )
    ),
    Case(
        name="a derivation after the listing is no source of it",
        rules=_RULES,
        events=[_A, _LISTED, derived("a", "2025-02-01T00:00:00.000001", "b")],
    ),
    Case(
        name="an irreversible derivation has sources too",
        rules=_RULES,
        events=[
            _A,
            derived("a", "2025-01-02", "b", process="anonymise", irreversible=True, evidence="document-1"),
            _LISTED,
        ],
        fires=[_broken("b")],
    ),
    Case(
        name="a registration that was taken back",
        rules=_RULES,
        events=[_A, _LISTED, retracted(_A, "2025-02-02")],
        fires=[_broken("a")],
    ),
    Case(
        name="a cycle ends",
        rules=_RULES,
        events=[_A, _B, derived("a", "2025-01-02", "b"), derived("b", "2025-01-02", "a"), _LISTED],
    ),
    Case(
        name="another owner upstream is an owner",
        rules=_RULES,
        events=[_A, asset("b", owner=OWNER), derived("a", "2025-01-02", "b"), _LISTED, _C],
    ),
    *(
        Case(
            name=f"an amendment {name}",
            rules=_RULES,
            events=[
                asset("a", registered),
                _B,
                signed("c", "2025-01-20", **Json({"asset": "a"} | before)),
                signed("c", _DAY, amended=True, asset="a"),
            ],
            fires=fires,
        )
        for name, registered, before, fires in (
            ("to what is registered just after", "2025-02-01T00:00:00.000001", {"asset": "b"}, [_broken("a")]),
            ("to what is registered then", _DAY, {"asset": "b"}, []),
            ("of what it sells all along", "2025-02-03", {}, [_broken("a", occurred="2025-01-20T00:00:00+08:00")]),
        )
    ),
)
