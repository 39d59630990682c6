"""Something is listed or traded whose sources are not known to the end.

Why it matters: nobody can say of data without a known source that it may circulate; what the negative list cannot
tell of an ancestor lies here (Data Security Law 33: an intermediary has the provider state where the data come from).

False positives: an upstream registration that was made in time and reported late; the finding is cleared once it
arrives. A registration that was made only after the act does not help: it was not there when it mattered.

What to do: have the owner of each asset in `missing` register it, and stop the trade until that is done.
"""

from circulation.cases import OWNER, SELLER, Case, Json, asset, derived, instant, listed, pack, retracted, signed
from circulation.facts import Act, Facts
from circulation.findings import About, Said
from circulation.rules import Check, Rule

LISTED, SIGNED = "circulation.product.listed", "circulation.contract.signed"

# Ids that one finding names; `missing_count` tells of how many.
NAMED_MAX = 100


def check(act: Act, facts: Facts) -> list[Said]:
    """Looks for what was not registered by then, or names no owner: the asset itself, and all that it comes from."""
    asset = act.subject if act.type == LISTED else act.data.asset
    missing = []
    for one in facts.ancestry(asset, act.time, through_stops=True).distances:
        stated = facts.asset(one).stated(act.time)
        if (stated is None or stated.owner is None) and (one == asset or not _named(one, act.time, facts)):
            missing.append(one)
    if not missing:
        return []
    itself = "is not registered itself" if asset in missing else "is registered"
    others = len(missing) - (asset in missing)
    return [
        Said(
            severity=RULE.severity,
            about=About("asset", asset),
            party=act.data.seller,
            occurred=act.time,
            cause=act.cause,
            apart=(act.subject,),
            summary=(
                f"{asset} was {'listed' if act.type == LISTED else 'traded'}; it {itself}, and of what it was derived"
                f" from {others:,} {'asset is' if others == 1 else 'assets are'} not registered with an owner."
            ),
            evidence={"missing": sorted(missing)[:NAMED_MAX], "missing_count": len(missing)},
            asset=asset,
        )
    ]


def _named(one: str, instant: int, facts: Facts) -> bool:
    """Whether it is another name (an OpenLineage symlink) of what was registered by then."""
    others = (edge.input for edge in facts.inputs(one) if edge.same and edge.time <= instant)
    known = (facts.asset(other).stated(instant) for other in others)
    return any(stated is not None and stated.owner is not None for stated in known)


RULE = Rule(
    id="broken-provenance",
    title="Sources that are not known to the end",
    about="asset",
    severity="orange",
    articles=("数据安全法 33", "北京市数字经济促进条例 22"),
    check=Check(acts=frozenset({LISTED, SIGNED}), check=check, needs=frozenset({"asset", "ancestors"})),
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
    identifiers = [{"namespace": "ns", "name": one, "type": "TABLE"} for one in also]
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
)
